// What abstract-level's own suite (make conformance) does not ask for: two clients, faults, sizes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Decoder } from '../../holdfast/lib/codec.js'
import { Proxy } from '../../testing/proxy.js'
import { testDocuments } from '../../testing/documents.js'
import { serve } from '../../testing/rig.js'
import { Server } from '../../testing/server.js'
import { HoldfastLevel, skip } from './found.js'

let number = 0
const fresh = async options => {
  const db = new HoldfastLevel(`level ${++number}`, { address: rig.server.address, ...options })
  await db.open()
  return db
}

const rig = serve({ skip })

test('level: keys are bytes in their order, and values texts where they are', { skip }, async () => {
  const db = await fresh()
  await db.put('é', 'text')
  await db.put(Buffer.from([0xff, 0]), Buffer.from([1, 2]), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.put('😀', { a: 1 }, { valueEncoding: 'json' })
  await db.put('half \ud800', 'half \ud800')
  assert.equal(await db.get('é'), 'text')
  assert.deepEqual(await db.get(Buffer.from('é'), { keyEncoding: 'buffer', valueEncoding: 'view' }), Buffer.from('text'))
  assert.equal(await db.get('half \ufffd'), 'half \ufffd')
  const keys = await db.keys({ keyEncoding: 'buffer' }).all()
  assert.deepEqual(keys, keys.toSorted(Buffer.compare))
  assert.equal(await rig.client.get(db.location, Buffer.from('😀')), '{"a":1}')
  await rig.client.put(db.location, { not: 'of Level' }, Buffer.from('x'))
  await assert.rejects(db.get('x'), { code: 'LEVEL_CORRUPTION' })
  await db.close()
})

test('level: an iterator sees what was there when it was made, wherever it is moved', { skip }, async () => {
  const db = await fresh()
  const name = i => String(i).padStart(5, '0')
  await db.batch(Array.from({ length: 2500 }, (_, i) => ({ type: 'put', key: name(i), value: 'old' })))
  for (const reverse of [false, true]) {
    const iterator = db.iterator({ reverse, gte: name(100), lt: name(2400) })
    await db.batch(Array.from({ length: 2500 }, (_, i) => ({ type: 'put', key: name(i), value: 'new' })))
    await db.put(name(150) + 'x', 'new')
    const seen = []
    for (let entry = await iterator.next(); entry !== undefined; entry = await iterator.next()) seen.push(entry)
    assert.equal(seen.length, 2300)
    assert.ok(seen.every(([, value]) => value === 'old'))
    // At its end, far from it, outside of it and back.
    for (const target of [150, 2399, 100, 1234]) {
      iterator.seek(name(target))
      assert.deepEqual(await iterator.next(), [name(target), 'old'])
    }
    iterator.seek(name(50))
    assert.equal(await iterator.next(), undefined)
    iterator.seek(name(2450))
    assert.deepEqual(await iterator.nextv(3), [])
    iterator.seek(name(2000))
    const rest = await iterator.nextv(2000)
    assert.ok(rest.length > 0 && rest[0][0] === name(2000))
    await iterator.close()
    await db.del(name(150) + 'x')
    await db.batch(Array.from({ length: 2500 }, (_, i) => ({ type: 'put', key: name(i), value: 'old' })))
  }
  await db.close()
})

test('level: seeks in an iterator that has come in one page, before and after its rows are read', { skip }, async () => {
  const db = await fresh()
  await db.batch('bdfhj'.split('').map(key => ({ type: 'put', key, value: key })))
  for (const reverse of [false, true]) {
    for (const kind of ['iterator', 'keys', 'values']) {
      const item = letter => kind === 'iterator' ? [letter, letter] : letter
      const it = db[kind]({ reverse })
      it.seek('e')
      assert.deepEqual(await it.next(), item(reverse ? 'd' : 'f'))
      it.seek('a')
      assert.deepEqual(await it.next(), reverse ? undefined : item('b'))
      it.seek('z')
      assert.deepEqual(await it.next(), reverse ? item('j') : undefined)
      it.seek('f')
      assert.deepEqual((await it.all()).length, 3)
    }
  }
  await db.close()
})

test('level: keys and values of any bytes come in every encoding, from iterators and seeks', { skip }, async () => {
  const db = await fresh()
  const keys = ['', 'a', 'b'.repeat(24), 'c'.repeat(25), 'd'.repeat(600), 'é', 'ü'.repeat(300), 'z\u007f', '\u{1f600}'].map(text => Buffer.from(text || ' '))
  keys.push(Buffer.from([0x7f, 0xff]), Buffer.from([0x80]), Buffer.from([0x61, 0xc3]), Buffer.from([0xff, 0xfe]), Buffer.alloc(520, 0x62), Buffer.alloc(520, 0xe9))
  keys.sort(Buffer.compare)
  for (const [i, key] of keys.entries()) {
    if (i % 2 === 0) await db.put(key, `text ${i} é`, { keyEncoding: 'buffer' })
    else await db.put(key, Buffer.from([0x41, i % 4 === 1 ? 0x42 : 0xff]), { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  }
  const value = i => i % 2 === 0 ? Buffer.from(`text ${i} é`) : Buffer.from([0x41, i % 4 === 1 ? 0x42 : 0xff])
  const as = { buffer: bytes => bytes, utf8: bytes => bytes.toString(), hex: bytes => bytes.toString('hex'), view: bytes => bytes }
  for (const keyEncoding of Object.keys(as)) {
    for (const valueEncoding of Object.keys(as)) {
      const rows = keys.map((key, i) => [as[keyEncoding](key), as[valueEncoding](value(i))])
      const same = (a, b) => assert.ok(JSON.stringify(a) === JSON.stringify(b), `${keyEncoding} ${valueEncoding}`)
      same(await db.iterator({ keyEncoding, valueEncoding }).all(), rows)
      same(await db.keys({ keyEncoding }).all(), rows.map(row => row[0]))
      same(await db.values({ keyEncoding, valueEncoding }).all(), rows.map(row => row[1]))
      // A seek finds its place whatever the others look like as texts.
      for (const reverse of [false, true]) {
        const iterator = db.iterator({ keyEncoding, valueEncoding, reverse })
        const order = reverse ? [...rows].reverse() : rows
        same(await iterator.next(), order[0])
        for (const at of [5, 1, keys.length - 1, 8]) {
          const target = reverse ? keys[keys.length - 1 - at] : keys[at]
          if (keyEncoding === 'utf8' && !Buffer.from(target.toString()).equals(target)) continue // no text leads there
          iterator.seek(as[keyEncoding](target))
          same(await iterator.next(), order[at])
        }
        await iterator.close()
      }
    }
  }
  await db.close()
})

test('level: nothing is held when iterators and snapshots are closed', { skip }, async () => {
  const db = await fresh()
  await db.batch(Array.from({ length: 500 }, (_, i) => ({ type: 'put', key: String(i), value: 'x' })))
  const open = db.iterator()
  await open.next()
  for await (const _ of db.iterator({ limit: 300 })) break // eslint-disable-line no-unused-vars, no-unreachable-loop
  await db.keys({ limit: 10 }).all()
  await db.values().nextv(10)
  const snapshot = db.snapshot()
  await db.clear()
  assert.equal(await db.get('5', { snapshot }), 'x')
  assert.equal(await db.get('5'), undefined)
  assert.equal((await db.keys({ snapshot }).all()).length, 500)
  await snapshot.close()
  await open.close()
  await db.close()
  for (let tries = 0; (await rig.client.holds()).length > 0; tries++) assert.ok(tries < 1000)
})

test('level: a store whose records have their keys in them is refused when it is opened', { skip }, async () => {
  await rig.client.createStore('not of Level', { key: 'id' })
  const db = new HoldfastLevel('not of Level', { address: rig.server.address })
  await assert.rejects(db.open(), e => {
    assert.equal(e.code, 'LEVEL_DATABASE_NOT_OPEN')
    assert.match(e.cause.message, /not of Level is not a store of Level/)
    assert.equal(e.cause.cause.name, 'EXISTS')
    return true
  })
  await rig.client.createStore('made by others')
  const other = new HoldfastLevel('made by others', { address: rig.server.address })
  await other.put('k', 'v')
  assert.equal(await other.get('k'), 'v')
  await other.close()
})

test('level: ten rows take one trip', { skip }, async () => {
  const seen = new Decoder()
  const methods = []
  const proxy = await Proxy.start(rig.server.port, () => ({ onUp: piece => seen.push(Buffer.from(piece)) }))
  const db = await fresh({ address: proxy.address })
  await db.batch(Array.from({ length: 50 }, (_, i) => ({ type: 'put', key: String(i + 10), value: 'x' })))
  assert.equal((await db.iterator({ gte: '20', limit: 10 }).all()).length, 10)
  assert.equal((await db.iterator({ gte: '20', lt: '30' }).all()).length, 10)
  await db.client.ping()
  for (let message = seen.read(); message !== undefined; message = seen.read()) methods.push(message[2])
  // Nobody waits for the close of what was not read to its end.
  assert.deepEqual(methods, ['hello', 'create_store', 'run', 'scan', 'close', 'scan', 'ping'])
  await db.close()
  await proxy.stop()
})

test('level: large batches are whole, and large values come in several answers', { skip }, async () => {
  const db = await fresh()
  await db.batch(Array.from({ length: 25_000 }, (_, i) => ({ type: 'put', key: String(i), value: 'v' })))
  assert.equal(await rig.client.count(db.location), 25_000)
  await db.clear()
  const large = 'x'.repeat(3 * 1024 * 1024)
  await db.batch(Array.from({ length: 8 }, (_, i) => ({ type: 'put', key: String(i), value: large })))
  assert.equal((await db.getMany(['0', '1', '2', 'none'])).filter(v => v === large).length, 3)
  await assert.rejects(db.put('k', 'x'.repeat(5 * 1024 * 1024)), { code: 'LEVEL_REMOTE_ERROR' })
  await assert.rejects(db.put('k'.repeat(5000), 'x'), { code: 'LEVEL_INVALID_KEY' })
  await db.put('synced', 'v', { sync: true })
  await db.put('soon', 'v', { sync: false })
  await db.del('soon', { sync: false })
  assert.deepEqual(await db.getMany(['synced', 'soon']), ['v', undefined])
  assert.ok(await db.approximateSize('0', '9') > 0)
  await db.close()
  await HoldfastLevel.destroy(db.location, { address: rig.server.address })
  assert.ok(!(await rig.client.stores()).some(s => s.name === db.location))
})

test('level: gets and getMany see what was put before them, and nothing that was put after them', { skip }, async () => {
  const db = await fresh()
  const large = 'x'.repeat(1_500_000)
  const keys = ['0', '1', 'k'.repeat(5000), '2', '3', 'none', '4']
  await db.batch(['0', '1', '2', '3', '4'].map(key => ({ type: 'put', key, value: large + key })))
  const gets = Promise.allSettled(keys.map(key => db.get(key)))
  const many = db.getMany(keys.filter(key => key.length < 10))
  const refused = assert.rejects(db.getMany(keys), { code: 'LEVEL_INVALID_KEY' })
  for (const key of ['0', '1', '2', '3', '4', 'none']) db.put(key, 'later')
  const expected = keys.map(key => key.length > 10 ? 'LEVEL_INVALID_KEY' : key === 'none' ? undefined : large + key)
  assert.ok((await gets).every((r, i) => (r.reason?.code ?? r.value) === expected[i]))
  assert.ok((await many).every((value, i) => value === expected.filter(e => e !== 'LEVEL_INVALID_KEY')[i]))
  await refused
  assert.deepEqual(await db.getMany(['0', 'none']), ['later', 'later'])
  await db.close()
})

test('level: a lost server is LEVEL_CONNECTION_LOST, and it is found again', { skip }, async () => {
  const own = await Server.start()
  const db = new HoldfastLevel('lost', { address: own.address })
  await db.put('a', '1')
  own.freeze()
  const put = assert.rejects(db.put('b', '2'), e => e.code === 'LEVEL_CONNECTION_LOST' && e.cause.maybeCommitted)
  await new Promise(resolve => setImmediate(resolve)) // it is on its way
  await own.kill()
  await put
  await own.run()
  assert.equal(await db.get('a'), '1')
  await db.close()
  await own.stop()
  const nowhere = new HoldfastLevel('x', { address: '127.0.0.1:1' })
  await assert.rejects(nowhere.open(), { code: 'LEVEL_DATABASE_NOT_OPEN' })
})

test('level: a client of one\'s own is used and left open', { skip }, async () => {
  const db = new HoldfastLevel('own', { client: rig.client })
  await db.put('a', '1')
  assert.equal(db.client, rig.client)
  await db.close()
  assert.equal(await rig.client.ping(), 'pong')
})

const newcomer = testDocuments(rig, 'holdfast-level', { skip, readme: 'bob 7\n', top: ['iterator.js'] })

test('level: the program in the README ends though it does not close', { skip }, async () => {
  const [program] = newcomer.readme('holdfast-level', rig.server.address)
  assert.ok(program.includes('await db.close()'))
  assert.equal(await newcomer.text(program.replace('await db.close()', ''), rig.server.address), 'bob 7\n')
})
