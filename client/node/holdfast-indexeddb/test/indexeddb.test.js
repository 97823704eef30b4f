// What the W3C's tests (make conformance) do not ask for: what others see of the records, many rows, sizes, faults.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect } from 'holdfast'
import { serve } from '../../testing/rig.js'
import { noServer } from '../../testing/server.js'
import { closeFactory, createFactory, IDBKeyRange } from '../index.js'
import { compare } from '../lib/keys.js'

const run = promisify(execFile)
const here = fileURLToPath(new URL('..', import.meta.url))
let factory
const rig = serve({
  open: server => {
    factory = createFactory({ address: server.address })
    return connect(server.address)
  },
  close: () => closeFactory(factory)
})

// The test runner shows nothing of a DOMException.
const failure = exception => Object.assign(new Error(exception?.message ?? 'aborted', { cause: exception?.cause }), { name: exception?.name })

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = event => {
    event.preventDefault()
    reject(failure(request.error))
  }
})

const complete = transaction => new Promise((resolve, reject) => {
  transaction.oncomplete = resolve
  transaction.onabort = () => reject(failure(transaction.error))
})

const open = (name, version, upgrade = () => {}, from = factory) => {
  const request = from.open(name, version)
  request.onupgradeneeded = event => upgrade(request.result, request.transaction, event)
  return done(request)
}

async function rows (source, query, direction) {
  const found = []
  await new Promise((resolve, reject) => {
    const request = source.openCursor(query, direction)
    request.onerror = () => reject(failure(request.error))
    request.onsuccess = () => {
      const cursor = request.result
      if (cursor === null) return resolve()
      found.push([cursor.key, cursor.primaryKey, cursor.value])
      cursor.continue()
    }
  })
  return found
}

test('indexeddb: what others see: names, plain values, index entries', { skip: noServer }, async () => {
  const db = await open('seen', 1, db => {
    const people = db.createObjectStore('people', { keyPath: 'name' })
    people.createIndex('by city', 'city')
    people.createIndex('tags', 'tags', { multiEntry: true })
    db.createObjectStore('log', { autoIncrement: true })
    db.createObjectStore('', {})
  })
  const tx = db.transaction(['people', 'log', ''], 'readwrite')
  tx.objectStore('people').put({ name: 'ann', city: 'Rome', tags: ['a', 'b', 'a'] })
  tx.objectStore('log').put('first')
  tx.objectStore('').put(new Map([[1, 2]]), [1, 'x'])
  await complete(tx)
  const client = await connect(rig.server.address, { database: 'seen' })
  assert.deepEqual(await client.get('people', 'ann'), { v: { name: 'ann', city: 'Rome', tags: ['a', 'b', 'a'] }, i: { 1: ['Rome'], 2: ['a', 'b'] } })
  assert.deepEqual(await client.get(['people', 'by city'], 'Rome'), await client.get('people', 'ann'))
  assert.deepEqual(await client.get('log', 1), { v: 'first', k: 1 })
  assert.deepEqual((await client.stores()).map(store => store.name), ['log', 'people', '~3', '~indexeddb', '~pieces'])
  await client.close()
  db.close()
})

test('indexeddb: names of any text: databases, object stores, indexes', { skip: noServer }, async () => {
  const names = ['', '\0', 'half \ud800', '\udfff', '~1', '~indexeddb', '/', 'é', 'x'.repeat(1000), '"', '\uffff😀']
  const db = await open('\ud800 name', 3, db => {
    for (const name of names) {
      const store = db.createObjectStore(name)
      for (const index of names) store.createIndex(index, 'a')
    }
  })
  assert.deepEqual([...db.objectStoreNames], names.toSorted())
  const tx = db.transaction(names, 'readwrite')
  for (const name of names) tx.objectStore(name).put({ a: name }, 1)
  for (const name of names) {
    for (const index of names) assert.deepEqual(await done(tx.objectStore(name).index(index).get(name)), { a: name })
  }
  db.close()
  assert.ok((await factory.databases()).some(({ name, version }) => name === '\ud800 name' && version === 3))
  const again = await open('\ud800 name', 4, (db, tx) => {
    const store = tx.objectStore('é')
    store.name = 'ê'
    store.index('/').name = '//'
    db.deleteObjectStore('~1')
    db.createObjectStore('~1')
  })
  assert.deepEqual([...again.objectStoreNames], names.map(name => name === 'é' ? 'ê' : name).sort())
  const store = again.transaction(['ê', '~1']).objectStore('ê')
  assert.deepEqual(await done(store.index('//').getKey('é')), 1)
  assert.equal(await done(again.transaction('~1').objectStore('~1').count()), 0)
  again.close()
  await done(factory.deleteDatabase('\ud800 name'))
  assert.ok(!(await factory.databases()).some(({ name }) => name === '\ud800 name'))
})

test('indexeddb: an index by the key that the server makes', { skip: noServer }, async () => {
  const db = await open('dependent', 1, db => {
    const store = db.createObjectStore('s', { keyPath: 'id', autoIncrement: true })
    store.createIndex('id', 'id')
    store.createIndex('both', ['id', 'n'], { unique: true })
    store.createIndex('n', 'n', { unique: true })
  })
  const tx = db.transaction('s', 'readwrite')
  const store = tx.objectStore('s')
  assert.deepEqual(await Promise.all([1, 2, 3].map(n => done(store.add({ n })))), [1, 2, 3])
  await assert.rejects(done(store.add({ n: 2 })), { name: 'ConstraintError' })
  assert.deepEqual(await done(store.index('both').getAll(IDBKeyRange.bound([2], [2, []]))), [{ n: 2, id: 2 }])
  assert.deepEqual(await done(store.index('id').get(3)), { n: 3, id: 3 })
  assert.equal(await done(store.add({ n: 4, blob: new Blob(['x']) })), 4)
  assert.equal(await (await done(store.index('id').get(4))).blob.text(), 'x')
  await complete(tx)
  db.close()
})

test('indexeddb: a new index has the records that are there', { skip: noServer }, async () => {
  const db = await open('late index', 1, db => {
    const store = db.createObjectStore('s', { autoIncrement: true })
    for (let i = 0; i < 1500; i++) store.put({ i, tags: [i % 3, i % 2], map: i % 5 === 0 ? new Map() : undefined })
  })
  db.close()
  const next = await open('late index', 2, (db, tx) => {
    tx.objectStore('s').createIndex('tags', 'tags', { multiEntry: true })
    tx.objectStore('s').put({ i: -1, tags: ['new'] })
  })
  const index = next.transaction('s').objectStore('s').index('tags')
  assert.equal(await done(index.count(2)), 500)
  assert.equal((await done(index.get('new'))).i, -1)
  next.close()
  await assert.rejects(open('late index', 3, (db, tx) => { tx.objectStore('s').createIndex('unique', 'tags.length', { unique: true }) }), { name: 'AbortError' })
  const after = await open('late index')
  assert.equal(after.version, 2)
  assert.deepEqual([...after.transaction('s').objectStore('s').indexNames], ['tags'])
  after.close()
})

// A model: rows are what is in a sorted array, whatever the transaction writes between the steps of its cursors.
const SEEDS = process.env.SEED ? [Number(process.env.SEED)] : [1, 2, 3, 4, 5, 6]
for (const seed of SEEDS) {
  test(`indexeddb: cursors and writes as a model says, seed ${seed}`, { skip: noServer }, async () => {
    let state = seed
    const next = n => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n
    const db = await open(`model ${seed}`, 1, db => {
      db.createObjectStore('s', { keyPath: 'id' }).createIndex('g', 'g', { multiEntry: true })
    })
    const tx = db.transaction('s', 'readwrite')
    const store = tx.objectStore('s')
    const model = new Map()
    const write = () => {
      const id = next(60)
      if (next(3) === 0) {
        model.delete(id)
        store.delete(id)
      } else {
        const record = { id, g: Array.from({ length: next(3) }, () => next(6)), n: next(1000) }
        model.set(id, record)
        store.put(record)
      }
    }
    for (let i = 0; i < 80; i++) write()
    for (let round = 0; round < 25; round++) {
      const isIndex = next(2) === 0
      const direction = ['next', 'nextunique', 'prev', 'prevunique'][next(4)]
      await walk({ store, model, next, write, isIndex, direction })
    }
    await complete(tx)
    assert.deepEqual(await done(db.transaction('s').objectStore('s').getAll()), [...model.values()].sort((a, b) => a.id - b.id))
    db.close()
  })
}

function modelRows (model, isIndex, direction) {
  const all = []
  for (const record of model.values()) {
    if (isIndex) for (const g of new Set(record.g)) all.push({ key: g, primaryKey: record.id, record })
    else all.push({ key: record.id, primaryKey: record.id, record })
  }
  all.sort((a, b) => compare(a.key, b.key) || compare(a.primaryKey, b.primaryKey))
  const unique = isIndex && direction.endsWith('unique') ? all.filter((row, i) => i === 0 || all[i - 1].key !== row.key) : all
  return direction.startsWith('prev') ? unique.reverse() : unique
}

function walk ({ store, model, next, write, isIndex, direction }) {
  const source = isIndex ? store.index('g') : store
  const sign = direction.startsWith('prev') ? -1 : 1
  const isUnique = isIndex && direction.endsWith('unique')
  const request = source.openCursor(null, direction)
  let expected = modelRows(model, isIndex, direction)[0] ?? null
  let steps = next(40)
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      const cursor = request.result
      try {
        assert.deepEqual(cursor && { key: cursor.key, primaryKey: cursor.primaryKey, record: cursor.value }, expected)
      } catch (e) {
        return reject(e)
      }
      if (cursor === null || steps-- === 0) return resolve()
      const { key, primaryKey } = cursor
      for (let n = next(3) === 0 ? 1 + next(2) : 0; n > 0; n--) write()
      if (next(6) === 0) {
        const record = { ...cursor.value, n: next(1000) }
        if (next(2) === 0) {
          model.set(primaryKey, record)
          cursor.update(record)
        } else {
          model.delete(primaryKey)
          cursor.delete()
        }
      }
      const beyond = row => {
        const difference = sign * compare(row.key, key) || (isUnique ? 0 : sign * compare(row.primaryKey, primaryKey))
        return difference > 0
      }
      const left = modelRows(model, isIndex, direction).filter(beyond)
      const kind = next(5)
      if (kind === 0) {
        const count = 1 + next(9)
        expected = left[count - 1] ?? null
        cursor.advance(count)
      } else if (kind === 1) {
        const to = key + sign * (1 + next(4))
        expected = left.find(row => sign * compare(row.key, to) >= 0) ?? null
        cursor.continue(to)
      } else if (kind === 2 && isIndex && !direction.endsWith('unique')) {
        const to = primaryKey + sign * (1 + next(9))
        expected = left.find(row => sign * (compare(row.key, key) || compare(row.primaryKey, to)) >= 0) ?? null
        cursor.continuePrimaryKey(key, to)
      } else {
        expected = left[0] ?? null
        cursor.continue()
      }
    }
    request.onerror = () => reject(failure(request.error))
  })
}

test('indexeddb: many rows by cursor, getAll and count, in both directions', { skip: noServer }, async () => {
  const db = await open('many', 1, db => {
    const store = db.createObjectStore('s')
    store.createIndex('same', 'same')
    for (let i = 0; i < 3000; i++) store.put({ i, same: 1, text: 'x'.repeat(100) }, i)
  })
  const store = db.transaction('s').objectStore('s')
  assert.deepEqual((await rows(store)).map(row => row[0]), Array.from({ length: 3000 }, (_, i) => i))
  assert.deepEqual((await rows(store.index('same'), 1, 'prev')).map(row => row[1]), Array.from({ length: 3000 }, (_, i) => 2999 - i))
  assert.equal((await done(store.getAll())).length, 3000)
  assert.deepEqual(await done(store.index('same').getAllKeys(null, 3)), [0, 1, 2])
  assert.deepEqual((await done(store.getAllRecords({ direction: 'prev', count: 2 }))).map(row => row.key), [2999, 2998])
  assert.equal(await done(store.count(IDBKeyRange.lowerBound(10, true))), 2989)
  db.close()
})

test('indexeddb: thousands of transactions at once', { skip: noServer }, async () => {
  const db = await open('crowd', 1, db => { db.createObjectStore('s') })
  const all = []
  for (let i = 0; i < 3000; i++) {
    const tx = db.transaction('s', i % 3 === 0 ? 'readwrite' : 'readonly')
    if (i % 3 === 0) tx.objectStore('s').put(i, 'last')
    const request = tx.objectStore('s').get('last')
    all.push(complete(tx).then(() => request.result))
  }
  assert.deepEqual(await Promise.all(all), Array.from({ length: 3000 }, (_, i) => i - i % 3))
  db.close()
})

test('indexeddb: a program ends by itself with a database open', { skip: noServer }, async () => {
  const program = `
    import { indexedDB } from ${JSON.stringify(here + 'index.js')}
    const request = indexedDB.open('ends', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('s')
    request.onsuccess = () => {
      const tx = request.result.transaction('s', 'readwrite')
      tx.objectStore('s').put(1, 1)
      tx.oncomplete = () => console.log('complete')
    }`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program],
    { env: { ...process.env, HOLDFAST_ADDRESS: rig.server.address }, timeout: 20_000 })
  assert.equal(stdout, 'complete\n')
})

test('indexeddb: it works without the function that runs promise jobs between listeners', { skip: noServer }, async () => {
  const program = `
    delete process._tickCallback
    const { createFactory } = await import(${JSON.stringify(here + 'index.js')})
    const request = createFactory({ address: process.argv[1] }).open('plain jobs', 1)
    const done = request => new Promise(resolve => { request.onsuccess = () => resolve(request.result) })
    request.onupgradeneeded = () => { request.result.createObjectStore('s', { autoIncrement: true }).put('first') }
    const db = await done(request)
    const tx = db.transaction('s', 'readwrite')
    const store = tx.objectStore('s')
    const key = await done(store.put('second'))
    await done(store.delete(1))
    console.log(key, await done(store.getAll()))
    tx.oncomplete = () => console.log('complete')`
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program, rig.server.address], { timeout: 20_000 })
  assert.equal(stdout, "2 [ 'second' ]\ncomplete\n")
})

test('indexeddb: closing a factory closes its databases', { skip: noServer }, async () => {
  const own = createFactory({ address: rig.server.address })
  const db = await open('closed', 1, db => { db.createObjectStore('s') }, own)
  const closed = new Promise(resolve => { db.onclose = resolve })
  await closeFactory(own)
  await closed
  assert.throws(() => db.transaction('s'), { name: 'InvalidStateError' })
  const again = await open('closed', 2, () => {}, own)
  assert.equal(again.version, 2)
  again.close()
})

test('indexeddb: promise jobs wait while a program sends an event itself', { skip: noServer }, async () => {
  const db = await open('nested', 1)
  const order = []
  db.addEventListener('close', () => {
    order.push('listener')
    Promise.resolve().then(() => order.push('job'))
  })
  db.dispatchEvent(new Event('close'))
  order.push('behind')
  await Promise.resolve()
  assert.deepEqual(order, ['listener', 'behind', 'job'])
  db.close()
})

test('indexeddb: values larger than the server takes, and nothing of them is left over', { skip: noServer }, async () => {
  const big = (n, mib) => ({ n, bytes: new Uint8Array(mib * 1024 * 1024).fill(n), tag: 'big' })
  const db = await open('pieces', 1, db => {
    db.createObjectStore('s').createIndex('tag', 'tag')
    db.createObjectStore('auto', { keyPath: 'id', autoIncrement: true }).createIndex('id', 'id')
  })
  const client = await connect(rig.server.address, { database: 'pieces' })
  const pieces = async () => (await client.scan('~pieces', {}, { only: 'keys' }).all()).map(([number, key]) => `${number} ${key}`)
  const write = async work => {
    const tx = db.transaction(['s', 'auto'], 'readwrite')
    work(tx.objectStore('s'), tx.objectStore('auto'))
    await complete(tx)
  }
  await write((s, auto) => {
    s.put(big(1, 5), 'a')
    s.put(new Blob([new Uint8Array(6 << 20).fill(2)]), 'b')
    s.put({ tag: 'small' }, 'c')
    s.put('x'.repeat(4 << 20), 'd')
    auto.add(big(3, 4))
  })
  const { length } = await pieces()
  assert.ok(length >= 5 + 6 + 4 + 4, `${length} pieces`)
  const s = db.transaction('s').objectStore('s')
  assert.deepEqual(await done(s.get('a')), big(1, 5))
  assert.deepEqual(await done(s.index('tag').get('big')), big(1, 5))
  assert.deepEqual((await rows(db.transaction('s').objectStore('s').index('tag'))).map(row => row[2].n), [1, undefined])
  assert.deepEqual((await done(db.transaction('s').objectStore('s').getAll('a')))[0].bytes.length, 5 << 20)
  assert.equal((await (await done(db.transaction('s').objectStore('s').get('b'))).arrayBuffer()).byteLength, 6 << 20)
  assert.equal((await done(db.transaction('auto').objectStore('auto').index('id').get(1))).bytes[7], 3)
  await assert.rejects(write(s => { s.add(big(9, 4), 'a') }), { name: 'ConstraintError' })
  assert.equal((await pieces()).length, length)
  // A read that is on its way still has what is overwritten behind it.
  let read
  await write(s => {
    read = done(s.get('a'))
    s.put('small', 'a')
    s.delete('b')
  })
  assert.equal((await read).n, 1)
  assert.deepEqual([...new Set(await pieces())], ['1 d', '2 1'])
  await write((s, auto) => {
    s.put(big(4, 4), 'd')
    s.put(big(5, 4), 'd')
    auto.put({ ...big(6, 4), id: 1 })
    auto.delete(IDBKeyRange.lowerBound(0))
    auto.add(big(7, 4))
  })
  assert.deepEqual([...new Set(await pieces())], ['1 d', '2 2'])
  assert.equal((await pieces()).length, 5 + 5)
  assert.equal((await done(db.transaction('s').objectStore('s').get('d'))).n, 5)
  await write(s => { s.clear() })
  assert.deepEqual([...new Set(await pieces())], ['2 2'])
  db.close()
  const next = await open('pieces', 2, db => { db.deleteObjectStore('auto') })
  assert.deepEqual(await pieces(), [])
  next.close()
  await client.close()
})
