// What Memento's own tests (make conformance) do not ask for, and the main of what they do.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import Memento from '../index.js'
import { testDocuments } from '../../testing/documents.js'
import { serve } from '../../testing/rig.js'
import { noServer } from '../../testing/server.js'

const skip = noServer
let databases = 0

const rig = serve()

const open = (options, upgrade) => Memento.open({ directory: `db ${++databases}`, client: rig.client, ...options }, upgrade)
const numbers = async schema => { await schema.create('n', { key: Number }) }

async function fill (memento, count) {
  await memento.mutator(mutator => { for (let key = 0; key < count; key++) mutator.set('n', { key, value: key % 7 }) })
}

test('memento: an upgrade is one transaction, done once by however many', { skip }, async () => {
  const directory = 'upgraded'
  let runs = 0
  const upgrade = async schema => {
    runs++
    if (schema.version.current < 1) {
      await schema.create('old', { id: Number })
      schema.set('old', { id: 1, name: 'x' })
      await schema.rename('old', 'new')
      await schema.create(['new', 'a'], { name: String })
      await schema.rename(['new', 'a'], ['new', 'name'])
      assert.deepEqual(await schema.get(['new', 'name'], ['x']), { id: 1, name: 'x' })
    }
    if (schema.version.target === 2) throw new Error('not this time')
    if (schema.version.target === 3) await schema.remove(['new', 'name'])
    if (schema.version.target === 4) await schema.remove('new')
  }
  const all = await Promise.all(Array.from({ length: 8 }, () => Memento.open({ directory, client: rig.client }, upgrade)))
  for (const memento of all) assert.deepEqual(memento.indices('new'), ['name'])
  await all[0].mutator(mutator => { mutator.set('new', { id: 2, name: 'y' }) })
  await assert.rejects(Memento.open({ directory, version: 2, client: rig.client }, upgrade), /not this time/)
  await assert.rejects(Memento.open({ directory, version: 2, client: rig.client }, schema => schema.rollback()), { code: 'ROLLBACK' })
  const third = await Memento.open({ directory, version: 3, client: rig.client }, upgrade)
  assert.deepEqual(third.indices('new'), [])
  assert.equal((await third.snapshot(s => s.cursor('new').array())).length, 2)
  await Memento.open({ directory, version: 4, client: rig.client }, upgrade)
  const before = runs
  const fourth = await Memento.open({ directory, version: 4, client: rig.client }, upgrade)
  assert.equal(runs, before)
  await assert.rejects(fourth.snapshot(s => s.get('new', [1])), { code: 'DOES_NOT_EXIST' })
  const again = await Memento.open({ directory, client: rig.client, fresh: true }, numbers)
  assert.deepEqual(again.indices('n'), [])
  for (const memento of [...all, third, fourth, again]) await memento.close()
})

test('memento: what cannot be made is refused by name', { skip }, async () => {
  const refused = async (code, f) => assert.rejects(open({}, async schema => {
    await schema.create('a', { id: Number })
    await schema.create('b', { id: Number })
    await schema.create(['a', 'i'], { x: String })
    await f(schema)
  }), { code })
  await refused('ALREADY_EXISTS', schema => schema.create('a', { id: Number }))
  await refused('ALREADY_EXISTS', schema => schema.create(['a', 'i'], { id: Number }))
  await refused('DOES_NOT_EXIST', schema => schema.create(['c', 'i'], { id: Number }))
  await refused('DOES_NOT_EXIST', schema => schema.rename('c', 'd'))
  await refused('ALREADY_EXISTS', schema => schema.rename('a', 'b'))
  await refused('INVALID_RENAME', schema => schema.rename(['a', 'i'], ['b', 'i']))
  await refused('DOES_NOT_EXIST', schema => schema.remove(['a', 'j']))
  await refused('DOES_NOT_EXIST', schema => schema.get('c', [1]))
  await assert.rejects(open({}, schema => schema.create('a', { x: 'mine' })), /unknown comparator "mine"/)
  await assert.rejects(Memento.open({ directory: 'x', address: '127.0.0.1:1' }, numbers), { code: 'IO_ERROR' })
  await assert.rejects(Memento.open({}, numbers), TypeError)
})

test('memento: a mutator that loses is run again, and rolls back when told to', { skip }, async () => {
  const memento = await open({}, numbers)
  await memento.mutator(mutator => { mutator.set('n', { key: 0, value: 0 }) })
  await Promise.all(Array.from({ length: 30 }, () => memento.mutator(async mutator => {
    const { value } = await mutator.get('n', [0])
    mutator.set('n', { key: 0, value: value + 1 })
  })))
  assert.equal((await memento.snapshot(s => s.get('n', [0]))).value, 30)
  assert.equal(await memento.mutator(async mutator => {
    mutator.set('n', { key: 0, value: 99 })
    mutator.rollback()
  }), undefined)
  await assert.rejects(memento.mutator(mutator => {
    mutator.set('n', { key: 0, value: 99 })
    throw new Error('mine')
  }), /mine/)
  await assert.rejects(memento.mutator(mutator => { mutator.set('n', { value: 'no key' }) }), { name: 'BAD_KEY' })
  await assert.rejects(memento.mutator(mutator => { mutator.set('n', { key: 1, value: () => {} }) }), { name: 'EncodeError' })
  assert.equal((await memento.snapshot(s => s.get('n', [0]))).value, 30)
  assert.equal(await memento.snapshot(s => s.get('n', [1])), null)
  const late = memento.mutator(async mutator => {
    await new Promise(resolve => setImmediate(resolve))
    mutator.set('n', { key: 5, value: 'late' })
  })
  await memento.close() // waits for it
  await late
  assert.equal((await rig.client.get('db ' + databases + '/n', 5)).value, 'late')
  await assert.rejects(memento.snapshot(() => 1), /closed/)
})

test('memento: iteration sees what the loop itself writes, at every place', { skip }, async () => {
  const memento = await open({}, numbers)
  await fill(memento, 100)
  await memento.mutator(async mutator => {
    const seen = []
    for await (const rows of mutator.cursor('n')) {
      for (const { key } of rows) {
        seen.push(key)
        if (key === 3) mutator.unset('n', [4])
        if (key === 7) mutator.set('n', { key: 7.5 })
        if (key === 7.5) mutator.set('n', { key: 2.5 }) // behind
        if (key === 99) mutator.set('n', { key: 100 })
        if (key === 50) mutator.set('n', { key: 50, value: 'itself' })
      }
    }
    const expected = Array.from({ length: 101 }, (_, i) => i).filter(i => i !== 4)
    expected.splice(7, 0, 7.5)
    assert.deepEqual(seen, expected)
    const deleted = []
    for await (const rows of mutator.cursor('n', [90]).reverse()) {
      for (const { key } of rows) {
        deleted.push(key)
        mutator.unset('n', [key])
      }
      if (deleted.length > 20) break
    }
    assert.deepEqual(deleted.slice(0, 3), [90, 89, 88])
    mutator.rollback()
  })
  await memento.close()
})

test('memento: cursors begin at a key, end where told, and turn round anywhere', { skip }, async () => {
  const memento = await open({}, async schema => {
    await numbers(schema)
    await schema.create(['n', 'value'], { value: Number })
    await schema.create(['n', 'both'], { value: Number, key: [Number, Memento.DSC] })
  })
  await fill(memento, 1000)
  const model = Array.from({ length: 1000 }, (_, key) => ({ key, value: key % 7 }))
  const byValue = [...model].sort((a, b) => a.value - b.value || a.key - b.key)
  await memento.snapshot(async snapshot => {
    const keys = async cursor => (await cursor.array()).map(row => row.key)
    assert.deepEqual(await keys(snapshot.cursor('n', [990])), [990, 991, 992, 993, 994, 995, 996, 997, 998, 999])
    assert.deepEqual(await keys(snapshot.cursor('n', [995]).exclusive()), [996, 997, 998, 999])
    assert.deepEqual(await keys(snapshot.cursor('n', [3]).reverse()), [3, 2, 1, 0])
    assert.deepEqual(await keys(snapshot.cursor('n', [3]).reverse().exclusive().limit(2)), [2, 1])
    assert.deepEqual(await keys(snapshot.cursor('n').limit(0)), [])
    assert.deepEqual(await keys(snapshot.cursor('n').terminate(row => row.key === 3)), [0, 1, 2])
    assert.deepEqual(await keys(snapshot.cursor('n').skip(({ key: [[key]] }) => key < 997)), [997, 998, 999])
    assert.deepEqual(await snapshot.cursor(['n', 'value']).array(), byValue)
    assert.deepEqual(await snapshot.cursor(['n', 'value']).reverse().array(), byValue.toReversed())
    assert.deepEqual(await keys(snapshot.cursor(['n', 'both'], [6]).limit(2)), [993, 986])
    assert.deepEqual(await snapshot.get(['n', 'value'], [3]), { key: 3, value: 3 })
    assert.deepEqual((await snapshot.get(['n', 'both'], [3])).value, 3)
    for (const name of ['n', ['n', 'value']]) {
      const order = name === 'n' ? model : byValue
      for (const turn of [0, 1, 15, 16, 31, 32, 500, 998, 999]) {
        const seen = []
        let turned = false
        for await (const rows of snapshot.cursor(name)) {
          for (const row of rows) {
            seen.push(row)
            if (seen.length === turn + 1 && !turned) {
              turned = true
              rows.reversed = true
            }
          }
        }
        assert.deepEqual(seen, [...order.slice(0, turn + 1), ...order.slice(0, turn).toReversed()])
      }
    }
    const found = []
    for await (const part of snapshot.map(['n', 'value'], ['six', 'none'], { extractor: word => [word === 'six' ? 6 : 77] })) found.push(...part)
    assert.equal(found[0].items.length, model.filter(row => row.value === 6).length)
    assert.deepEqual(found[0].items[0], { key: [6, 6], value: { key: 6, value: 6 } })
    assert.deepEqual(found[1], { key: [77], value: 'none', items: [] })
  })
  await memento.close()
})

test('memento: joins, inner and outer, see what the mutator writes', { skip }, async () => {
  const memento = await open({}, async schema => {
    await schema.create('person', { id: Number })
    await schema.create('city', { code: String })
    await schema.create(['city', 'country'], { country: String })
  })
  await memento.mutator(async mutator => {
    for (let id = 0; id < 200; id++) mutator.set('person', { id, city: id % 3 === 0 ? null : `c${id % 5}` })
    for (let i = 0; i < 4; i++) mutator.set('city', { code: `c${i}`, country: `x${i}` })
    const joined = cursor => cursor.join('city', $ => [$[0].city]).array()
    const inner = await joined(mutator.cursor('person'))
    assert.ok(inner.every(([person, city]) => city.code === person.city))
    assert.equal(inner.length, Array.from({ length: 200 }, (_, i) => i).filter(i => i % 3 !== 0 && i % 5 !== 4).length)
    const outer = await mutator.cursor('person').outer('city', $ => [$[0].city])
      .outer(['city', 'country'], $ => [$[1] === null ? null : $[1].country]).array()
    assert.equal(outer.length, 200)
    assert.deepEqual(outer[0], [{ id: 0, city: null }, null, null])
    assert.deepEqual(outer[1][2], { code: 'c1', country: 'x1' })
    assert.equal((await mutator.cursor('person').join('city', $ => [$[0].city]).limit(5).array()).length, 5)
    mutator.set('city', { code: 'c1', country: 'changed' })
    assert.equal((await joined(mutator.cursor('person')))[0][1].country, 'changed')
    mutator.unset('city', ['c1'])
    assert.equal((await joined(mutator.cursor('person')))[0][0].id, 2)
  })
  await memento.close()
})

test('memento: require gives the class', () => {
  assert.equal(createRequire(import.meta.url)('../index.js'), Memento)
})

testDocuments(rig, 'holdfast-memento', {
  readme: "{ firstName: 'George', lastName: 'Washington', state: 'VA' }\n",
  examples: {
    'presidents.js': 'MA\nJefferson\nWashington\nAdams was born in Massachusetts\nJackson was born in South Carolina\n' +
      'Jefferson was born in Virginia\nWashington was born in Virginia\n'
  },
  top: ['cursor.js', 'definition.js']
})
