// What programs do with Dexie, idb, idb-keyval and localForage, over holdfast-indexeddb: node indexeddb-users.js ADDRESS FOLDER
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { same } from './tap.js'

const [, , address, folder] = process.argv
process.env.HOLDFAST_ADDRESS = address
await import('../holdfast-indexeddb/auto.js')
const { closeFactory, indexedDB } = await import('../holdfast-indexeddb/index.js')
const require = createRequire(join(folder, 'x.js'))
const load = name => import(pathToFileURL(require.resolve(name)).href)

// ---- Dexie -------------------------------------------------------------------------------

async function dexie () {
  const { default: Dexie } = await load('dexie')
  const open = () => {
    const db = new Dexie('friends')
    db.version(1).stores({ friends: '++id, &mail, age, *tags, [age+name]', log: '++' })
    return db
  }
  const db = open()
  const ids = await db.friends.bulkAdd([
    { name: 'ann', mail: 'ann@x', age: 30, tags: ['a', 'b'] }, { name: 'bob', mail: 'bob@x', age: 20, tags: ['b'] },
    { name: 'cyd', mail: 'cyd@x', age: 40, tags: [] }, { name: 'dan', mail: 'dan@x', age: 30, tags: ['c', 'a'] }], { allKeys: true })
  same(ids, [1, 2, 3, 4], 'dexie: bulkAdd gives generated keys')
  const names = rows => rows.map(row => row.name)
  same(names(await db.friends.where('age').between(20, 30, true, true).sortBy('name')), ['ann', 'bob', 'dan'], 'dexie: between')
  same(names(await db.friends.where('tags').equals('a').toArray()), ['ann', 'dan'], 'dexie: a multiEntry index')
  same(names(await db.friends.where({ age: 30, name: 'dan' }).toArray()), ['dan'], 'dexie: a compound index')
  same(names(await db.friends.orderBy('age').reverse().limit(2).toArray()), ['cyd', 'dan'], 'dexie: order, reverse, limit')
  same(names(await db.friends.where('mail').startsWithAnyOf(['a', 'c']).toArray()), ['ann', 'cyd'], 'dexie: startsWithAnyOf')
  same(names(await db.friends.where('mail').startsWithIgnoreCase('BOB').toArray()), ['bob'], 'dexie: startsWithIgnoreCase')
  same(names(await db.friends.where('age').anyOf(20, 40).toArray()), ['bob', 'cyd'], 'dexie: anyOf')
  same(names(await db.friends.filter(f => f.name > 'b').offset(1).toArray()), ['cyd', 'dan'], 'dexie: filter and offset')
  same(await db.friends.where('age').above(20).count(), 3, 'dexie: count')
  same(await db.friends.where('age').equals(30).modify({ age: 31 }), 2, 'dexie: modify through an index that it changes')
  same(await db.friends.orderBy('age').keys(), [20, 31, 31, 40], 'dexie: keys')
  same(await db.friends.orderBy('age').uniqueKeys(), [20, 31, 40], 'dexie: uniqueKeys')
  same(await db.friends.update(2, { 'address.city': 'Rome' }), 1, 'dexie: update')
  same((await db.friends.get(2)).address, { city: 'Rome' }, 'dexie: get')
  same(await db.friends.add({ name: 'eve', mail: 'ann@x' }).catch(e => e.name), 'ConstraintError', 'dexie: a unique index')
  const failed = await db.friends.bulkAdd([{ name: 'eve', mail: 'eve@x' }, { name: 'fay', mail: 'bob@x' }]).catch(e => [e.name, e.failures.length])
  same(failed, ['BulkError', 1], 'dexie: bulkAdd goes on behind an error')
  same(await db.friends.count(), 5, 'dexie: what was good of it is there')
  const sum = await db.transaction('rw', db.friends, db.log, async () => {
    await db.log.add('start')
    const bob = await db.friends.get({ mail: 'bob@x' })
    await db.friends.put({ ...bob, age: 21 })
    return (await db.friends.toArray()).reduce((total, { age = 0 }) => total + age, 0)
  })
  same(sum, 31 + 31 + 40 + 21, 'dexie: a transaction over two tables')
  await db.transaction('rw', db.friends, async () => {
    await db.friends.clear()
    throw new Error('no')
  }).catch(() => {})
  same(await db.friends.count(), 5, 'dexie: a transaction that throws takes all back')
  same(await db.friends.where('age').below(25).delete(), 1, 'dexie: delete a range')
  db.close()
  const next = new Dexie('friends')
  next.version(1).stores({ friends: '++id, &mail, age, *tags, [age+name]', log: '++' })
  next.version(2).stores({ friends: '++id, &mail, age, *tags, name', log: null })
    .upgrade(tx => tx.table('friends').toCollection().modify(friend => { friend.name = friend.name.toUpperCase() }))
  same(await next.friends.where('name').above('B').primaryKeys(), [3, 4, 5], 'dexie: an upgrade with a new index and changed rows')
  same(next.tables.map(table => table.name), ['friends'], 'dexie: a table is gone')
  await next.delete()
  same(await Dexie.exists('friends'), false, 'dexie: a database is deleted')
}

// ---- idb ---------------------------------------------------------------------------------

async function idb () {
  const { openDB, deleteDB } = await load('idb')
  const db = await openDB('articles', 1, {
    upgrade (db) { db.createObjectStore('articles', { keyPath: 'id', autoIncrement: true }).createIndex('date', 'date') }
  })
  same(await db.add('articles', { title: 'one', date: new Date(3) }), 1, 'idb: add')
  const tx = db.transaction('articles', 'readwrite')
  await Promise.all([tx.store.add({ title: 'two', date: new Date(2) }), tx.store.add({ title: 'three', date: new Date(1) }), tx.done])
  same((await db.getAllFromIndex('articles', 'date')).map(row => row.title), ['three', 'two', 'one'], 'idb: getAllFromIndex')
  const change = db.transaction('articles', 'readwrite')
  const seen = []
  for await (const cursor of change.store.index('date').iterate(null, 'prev')) {
    seen.push(cursor.value.title)
    await cursor.update({ ...cursor.value, body: 'text' })
  }
  await change.done
  same(seen, ['one', 'two', 'three'], 'idb: iterate and update')
  same((await db.get('articles', 2)).body, 'text', 'idb: get')
  let cursor = await db.transaction('articles').store.openCursor()
  cursor = await cursor.advance(2)
  same(cursor.key, 3, 'idb: advance')
  same(await db.countFromIndex('articles', 'date', IDBKeyRange.lowerBound(new Date(2))), 2, 'idb: countFromIndex')
  const blocked = []
  const upgraded = openDB('articles', 2, { blocked: (...versions) => blocked.push(versions.slice(0, 2)), upgrade () {} })
  db.addEventListener('versionchange', () => setTimeout(() => db.close(), 50))
  const newer = await upgraded
  same([newer.version, blocked], [2, [[1, 2]]], 'idb: an upgrade waits for a connection that is slow to close')
  newer.close()
  await deleteDB('articles')
  same((await indexedDB.databases()).some(({ name }) => name === 'articles'), false, 'idb: deleteDB')
}

// ---- idb-keyval --------------------------------------------------------------------------

async function keyval () {
  const { clear, createStore, delMany, entries, get, getMany, keys, set, setMany, update } = await load('idb-keyval')
  await set('hello', { world: new Set([1]) })
  same(await get('hello'), { world: new Set([1]) }, 'idb-keyval: set and get')
  await setMany([['a', 1], ['b', 2], [['c'], 3]])
  same(await getMany(['a', 'zz', ['c']]), [1, undefined, 3], 'idb-keyval: setMany and getMany')
  await Promise.all(Array.from({ length: 50 }, () => update('counter', (n = 0) => n + 1)))
  same(await get('counter'), 50, 'idb-keyval: updates at once lose nothing')
  await delMany(['a', 'b'])
  same(await keys(), ['counter', 'hello', ['c']], 'idb-keyval: keys')
  const own = createStore('own', 'keyval')
  await set('x', 1, own)
  same([await entries(own), await get('x')], [[['x', 1]], undefined], 'idb-keyval: a store of its own')
  await clear()
  same(await keys(), [], 'idb-keyval: clear')
}

// ---- localForage -------------------------------------------------------------------------

async function localForage () {
  globalThis.self ??= globalThis
  const { default: forage } = await load('localforage')
  const store = forage.createInstance({ name: 'forage', driver: forage.INDEXEDDB })
  await store.setItem('a', { n: [1, 2], bytes: new Uint8Array([1]) })
  same(await store.getItem('a'), { n: [1, 2], bytes: new Uint8Array([1]) }, 'localForage: setItem and getItem')
  same(store.driver(), forage.INDEXEDDB, 'localForage: its driver')
  same(await store.getItem('none'), null, 'localForage: what is not there')
  await store.setItem('b', 'text')
  same([await store.length(), await store.keys(), await store.key(1)], [2, ['a', 'b'], 'b'], 'localForage: length, keys, key')
  const found = []
  await store.iterate((value, key, number) => { found.push([key, number]) })
  same(found, [['a', 1], ['b', 2]], 'localForage: iterate')
  const other = forage.createInstance({ name: 'forage', storeName: 'second', driver: forage.INDEXEDDB })
  await other.setItem('a', 2)
  same([await other.getItem('a'), (await store.getItem('a')).n], [2, [1, 2]], 'localForage: a second store, by an upgrade')
  await store.removeItem('a')
  same(await store.keys(), ['b'], 'localForage: removeItem')
  await store.clear()
  same(await store.length(), 0, 'localForage: clear')
}

for (const flow of [dexie, idb, keyval, localForage]) {
  await flow().catch(e => same(`${e.name}: ${e.message}\n${e.stack}`, 'no error', flow.name))
}
await closeFactory(indexedDB)
process.exit()
