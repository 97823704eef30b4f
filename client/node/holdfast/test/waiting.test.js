import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Waiting } from '../lib/waiting.js'
import { dice } from '../../testing/proxy.js'

test('waiting: requests are found by their numbers, as a Map would, however long some stay', () => {
  const seed = Number(process.env.SEED ?? 1)
  const random = dice(seed)
  const waiting = new Waiting()
  const model = new Map()
  for (let step = 0; step < 100_000; step++) {
    const isMore = random() < (step / 10_000 % 2 < 1 ? 0.55 : 0.45)
    if (isMore || model.size === 0) {
      const request = { msgid: waiting.next() }
      assert.ok(!model.has(request.msgid), `SEED=${seed}, step ${step}`)
      waiting.add(request)
      model.set(request.msgid, request)
    } else {
      const some = [...model.keys()].slice(0, 50)
      const request = waiting.get(some[Math.floor(random() ** 3 * some.length)])
      assert.equal(model.get(request.msgid), request)
      waiting.delete(request)
      model.delete(request.msgid)
    }
    assert.equal(waiting.size, model.size)
    const number = Math.floor(random() * step)
    assert.equal(waiting.get(number), model.get(number), `SEED=${seed}, step ${step}`)
  }
  assert.deepEqual(waiting.all(), [...model.values()])
  assert.ok(model.size > 0)
  waiting.clear()
  assert.deepEqual([waiting.size, waiting.all()], [0, []])
  for (const bad of [-1, 2 ** 40, 0.5, undefined, null, 'x', [], NaN]) assert.equal(waiting.get(bad), undefined)
})
