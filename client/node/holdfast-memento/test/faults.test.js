// Memento over a connection that is cut, split, joined and late: no promise stays open, and each mutator is done once or not
// at all, as it was told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import Memento from '../index.js'
import { HARMLESS, serve, through } from '../../testing/rig.js'
import { noServer } from '../../testing/server.js'

const skip = noServer
let databases = 0

const rig = serve()

const upgrade = async schema => {
  await schema.create('n', { key: Number })
  await schema.create(['n', 'name'], { name: String })
  schema.set('n', { key: 0, value: 0, name: 'sum' })
}

/** Mutators that each count and write a record of their own, and snapshots beside them. What each mutator was told. */
async function work (memento) {
  const told = await Promise.all([1, 2, 3, 4].map(key => memento.mutator(async mutator => {
    const { value } = await mutator.get('n', [0])
    mutator.set('n', { key: 0, value: value + 1, name: 'sum' })
    mutator.set('n', { key, name: `number ${key}` })
  }).then(() => 'in', error => error.maybeCommitted ? 'unknown' : 'out')))
  await Promise.all([1, 2].map(() => memento.snapshot(async snapshot => {
    const sum = await snapshot.get(['n', 'name'], ['sum'])
    let rows = 0
    for await (const items of snapshot.cursor('n')) for (const item of items) rows += item.key > 0 ? 1 : 0
    assert.equal(rows, sum.value)
  }).catch(error => assert.ok(error.name === 'CONNECTION' && error.retryable, error.stack)))) // a snapshot is not run again
  return told
}

async function judge (faults, about) {
  const directory = `faults ${++databases}`
  return through(rig.server, faults, async proxy => {
    const open = () => Memento.open({ directory, address: proxy.address }, upgrade)
    // What was cut in `open` may be opened again, whether its upgrade is in force or not.
    const memento = await open().catch(open)
    try {
      const told = await work(memento)
      const rows = await rig.client.scan(`${directory}/n`, null, { only: 'values' }).all()
      const ins = told.filter(word => word === 'in').length
      assert.ok(!told.includes('unknown'), `${about}: it could be asked for`)
      assert.equal(rows.length - 1, ins, `${about}: told ${told}`)
      assert.equal(rows[0].value, ins, `${about}: told ${told}`)
      return { told, isCut: proxy.connections > 1 }
    } finally {
      await memento.close()
    }
  })
}

for (const side of ['cutUp', 'cutDown']) {
  test(`faults: memento: a connection that is cut after any number of bytes, ${side}`, { skip, timeout: 100_000 }, async () => {
    let cuts = 0
    for (let bytes = 1, isWhole = false; !isWhole; bytes += 61, cuts++) {
      const { told, isCut } = await judge({ [side]: bytes }, `${side} ${bytes}`)
      assert.deepEqual(told, ['in', 'in', 'in', 'in'], `${side} ${bytes}`) // on the next connection if not on this one
      isWhole = !isCut
      assert.ok(cuts < 1000)
    }
    assert.ok(cuts > 20, String(cuts))
  })
}

test('faults: memento: what is split, joined and late changes nothing', { skip }, async () => {
  for (const faults of HARMLESS) {
    assert.deepEqual((await judge(faults, JSON.stringify(faults))).told, ['in', 'in', 'in', 'in'])
  }
})
