// The client against a real server: every method, values of every type, transactions, scans, errors.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, ConnectionTest, encode, errors, HoldfastError, newToken, parseAddress, Timestamp } from './all.js'
import { METHODS } from '../lib/methods.js'
import { serve } from '../../testing/rig.js'
import { noServer, Server } from '../../testing/server.js'

const skip = noServer
let server
let db

serve({
  open: async started => {
    server = started
    db = await connect(server.address, { client: 'client.test' })
    return db
  }
})

async function rejects (promise, name, check) {
  await assert.rejects(promise, error => {
    assert.ok(error instanceof HoldfastError, error.stack)
    assert.equal(error.name, name, error.stack)
    assert.ok(error instanceof errors[name])
    check?.(error)
    return true
  })
}

// Aborted work is taken back behind the back of whoever aborted it: soon, but not at once.
async function nothingHeld () {
  for (let tries = 0; (await db.holds()).length > 0; tries++) assert.ok(tries < 1000)
}

async function freshStore (name, options) {
  await db.dropStore(name).catch(() => {})
  await db.createStore(name, options)
}

test('client: addresses', () => {
  const local = { host: '127.0.0.1', port: 4653, database: undefined }
  assert.deepEqual(parseAddress(), local)
  assert.deepEqual(parseAddress(''), local)
  assert.deepEqual(parseAddress('holdfast://127.0.0.1:4653/main'), { ...local, database: 'main' })
  assert.deepEqual(parseAddress('db.example:99'), { host: 'db.example', port: 99, database: undefined })
  assert.deepEqual(parseAddress('holdfast://[::1]:5/a%2Fb'), { host: '::1', port: 5, database: 'a/b' })
  assert.deepEqual(parseAddress('unix:/run/h.sock'), { path: '/run/h.sock', database: undefined })
  assert.deepEqual(parseAddress('unix:h.sock?database=x'), { path: 'h.sock', database: 'x' })
  assert.deepEqual(parseAddress('holdfast+unix:///run/a%20b'), { path: '/run/a b', database: undefined })
  assert.deepEqual(parseAddress('holdfast://a%40b@x:1'), { host: 'x', port: 1, database: undefined, user: 'a@b' })
  for (const bad of ['http://x', 'holdfast://a:b@x', 'unix:', 'holdfast://x?y=1', 'holdfast://x:99999', 5, 'unix:%zz']) {
    assert.throws(() => parseAddress(bad), errors.MISUSE, String(bad))
  }
})

test('client: every method that the server describes is there, with its parameters', { skip }, async () => {
  // Where the others are: connect, scan and cursor, signals.
  const elsewhere = ['hello', 'next', 'close', 'cancel', 'login_begin', 'login_end']
  for (const { name, params } of await db.describe()) {
    assert.ok(name in METHODS, `${name} is missing`)
    assert.equal(METHODS[name].length, params.length, name)
    assert.equal(METHODS[name][0] === 't', params[0]?.type === 'handle' && params[0].name === 't', name)
    params.forEach((p, i) => {
      if (p.type !== 'handle') assert.equal(METHODS[name][i].endsWith('?'), p.optional, `${name}: ${p.name}`)
    })
    const camel = name.replace(/_([a-z])/g, (_, c) => c.toUpperCase())
    const isThere = typeof db[camel] === 'function' || typeof ConnectionTest.transaction[camel] === 'function'
    assert.ok(isThere || elsewhere.includes(name), name)
    if (params[0]?.name === 't' && name !== 'begin') assert.equal(typeof ConnectionTest.transaction[camel], 'function', name)
  }
})

test('client: connects by TCP and by the unix socket, and says who it is', { skip }, async () => {
  const other = await connect(`holdfast+unix:${server.socket}`, { client: 'by unix' })
  assert.equal(other.server.protocol, 1)
  assert.equal(other.limits.key_bytes, 4096)
  assert.ok((await db.clients()).some(c => c.client === 'by unix'))
  assert.equal(await other.ping(), 'pong')
  await other.close()
  await rejects(other.ping(), 'CONNECTION', e => assert.equal(e.retryable, false))
  await rejects(connect('holdfast://127.0.0.1:1'), 'CONNECTION', e => assert.match(e.message, /127\.0\.0\.1:1/))
  await rejects(connect('unix:/nowhere/x.sock'), 'CONNECTION')
  await rejects(connect(server.address, { tsl: true }), 'MISUSE')
  await rejects(connect(`unix:${server.socket}`, { tls: true }), 'MISUSE')
  await rejects(connect(server.address, { tls: true }), 'CONNECTION')
})

test('client: values keep their types', { skip }, async () => {
  await freshStore('values')
  const values = { i: 2 ** 53 - 1, b: 2n ** 64n - 1n, n: -(2n ** 63n), f: 0.1, z: -0, inf: Infinity, t: 'ä\0😀', bin: Buffer.from([0, 255]),
    d: new Date(1234567890123), ts: new Timestamp(5, 999), none: null, yes: true, list: [1, [2, []], {}],
    map: new Map([[1, 'one'], ['two', 2]]), empty: '', nobin: Buffer.alloc(0) }
  for (const [key, value] of Object.entries(values)) if (value !== null) await db.put('values', value, key)
  await db.put('values', values, 'all')
  assert.deepEqual(await db.get('values', 'all'), values)
  assert.ok(Object.is((await db.get('values', 'all')).z, -0))
  for (const [key, value] of Object.entries(values)) assert.deepEqual(await db.get('values', key), value)
  const keys = [null, false, true, -1.5, 7, 2n ** 63n, new Date(-1), new Date(5), new Timestamp(9, 1), '', 'a', Buffer.from('a'), [], [1, 'x', [new Date(3)]]]
  await freshStore('keys')
  for (const key of keys.slice(1)) assert.deepEqual(await db.insert('keys', 1, key), key)
  assert.deepEqual(await db.scan('keys', null, { only: 'keys' }).all(), keys.slice(1))
  assert.equal(await db.get('keys', 2n ** 63n), 1)
})

test('client: what cannot be sent is refused, and the connection lives', { skip }, async () => {
  await freshStore('refused')
  await assert.rejects(db.put('refused', { a: [1, undefined] }, 1), { name: 'EncodeError', message: /\(at a\[1\]\)/ })
  await assert.rejects(db.put('refused', () => 1, 1), { name: 'EncodeError' })
  await rejects(db.get('refused', NaN), 'BAD_KEY')
  await rejects(db.get('refused'), 'MISUSE', e => assert.match(e.message, /"key" is missing/))
  await rejects(db.get('refused', undefined), 'MISUSE')
  await rejects(db.get('refused', 1, 2), 'MISUSE')
  await rejects(db.get('refused', 1, {}, 2), 'MISUSE')
  await rejects(db.put('refused', 'x'.repeat(17 * 2 ** 20), 1), 'TOO_LARGE', e => assert.equal(e.details.limit, 'frame_bytes'))
  await rejects(db.put('refused', 'x'.repeat(5 * 2 ** 20), 1), 'TOO_LARGE', e => assert.equal(e.details.limit, 'value-size'))
  await rejects(db.ping({ foo: 1 }), 'BAD_REQUEST')
  await rejects(db.call('no_such_method'), 'BAD_REQUEST')
  await rejects(db.get('refusee', 1), 'NO_STORE', e => assert.equal(e.details.near, 'refused'))
  let deep = 1
  for (let i = 0; i < 63; i++) deep = [deep]
  await assert.rejects(db.put('refused', deep, 1), { name: 'EncodeError', message: /levels/ })
  assert.equal(await db.ping(), 'pong')
})

test('client: the address names the database, over every later connection too', { skip }, async () => {
  const other = await connect(`${server.address}/${encodeURIComponent('a/b π')}`)
  assert.ok(other.hasFeature('databases'))
  assert.ok(!(await db.databases()).some(d => d.name === 'a/b π'))
  await other.createStore('s')
  await other.put('s', 'other', 1)
  await freshStore('s')
  await db.put('s', 'main', 1)
  assert.equal(await other.get('s', 1), 'other')
  const [found] = (await db.databases()).filter(d => d.name === 'a/b π')
  assert.ok(found.version === 0 && found.stores === 1 && found.bytes > 0)
  const mine = (await db.clients()).find(c => c.database === 'a/b π')
  const again = new Promise(resolve => other.once('connect', resolve))
  await db.kill({ client: mine.id })
  await again
  assert.equal(await other.get('s', 1), 'other')
  await other.close()
  const named = await connect(server.address, { database: '' })
  assert.deepEqual(await named.stores(), [])
  await named.close()
})

test('client: lists of more than a page are read whole', { skip }, async () => {
  const small = await Server.start(['--scan-rows', '3'])
  const one = await connect(small.address)
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
  for (const name of names) await one.createStore(name)
  assert.deepEqual((await one.stores()).map(s => s.name), names)
  const tx = await one.begin()
  await tx.createStore('h')
  assert.deepEqual((await tx.stores()).map(s => s.name), [...names, 'h'])
  const page = await tx.stores({ from: 'e', limit: 2 })
  assert.deepEqual([page.stores.map(s => s.name), page.next], [['e', 'f'], 'g'])
  await tx.rollback()
  assert.deepEqual(await one.holds(), [])
  for (const name of names) {
    const other = await connect(`${small.address}/${name}`)
    await other.createStore('s')
    await other.close()
  }
  assert.deepEqual((await one.databases()).map(d => d.name), [...names, 'main'])
  const first = await one.databases({ limit: 2 })
  assert.deepEqual([first.databases.map(d => d.name), first.next], [['a', 'b'], 'c'])
  await one.close()
  assert.equal(await small.stop(), 0)
})

test('client: openers are asked before an upgrade and a drop', { skip }, async () => {
  const address = `${server.address}/opened`
  const [one, two] = await Promise.all([connect(address), connect(address)])
  assert.deepEqual(await one.attach(1, { version: 3 }), { version: 0, upgrade: true })
  let tx = one.upgrade(1, 3)
  await tx.createStore('s')
  await tx.commit()
  assert.deepEqual(await one.attach(1, { version: 3 }), { version: 3 })
  await rejects(two.attach(1, { version: 2 }), 'BAD_VERSION', e => assert.equal(e.details.version, 3))
  assert.deepEqual(await two.attach(1, { version: 4 }), { version: 3, upgrade: true })
  const asked = new Promise(resolve => one.once('versionchange', (...args) => resolve(args)))
  const blocked = new Promise(resolve => two.once('blocked', (...args) => resolve(args)))
  tx = two.upgrade(1, 4)
  tx.createStore('t')
  assert.deepEqual(await asked, [1, 'opened', 3, 4])
  assert.equal(await one.versionchangeSeen(1), null)
  assert.deepEqual(await blocked, [1, 'opened', 3, 4])
  await one.detach(1)
  assert.ok((await tx.ready).version > 0)
  await tx.commit()
  assert.deepEqual((await one.stores()).map(s => s.name), ['s', 't'])
  assert.equal((await one.databases()).find(d => d.name === 'opened').version, 4)
  const left = new Promise(resolve => two.once('versionchange', (o, name, old, to) => {
    assert.deepEqual([o, name, old, to], [1, 'opened', 4, null])
    two.detach(o).then(resolve)
  }))
  assert.equal(await db.dropDatabase('opened'), 4)
  await left
  assert.ok(!(await db.databases()).some(d => d.name === 'opened'))
  assert.equal(await db.dropDatabase('opened'), 0)
  await two.attach(7)
  const never = two.upgrade(7, 1, { waitMs: 60_000 })
  await never.rollback()
  await one.close()
  await two.close()
})

test('client: methods of stores and records', { skip }, async () => {
  await freshStore('m', { key: 'id', generate: true })
  assert.equal(await db.put('m', { a: 1 }), 1)
  assert.equal(await db.insert('m', { a: 2, id: 5 }), 5)
  await rejects(db.insert('m', { id: 5 }), 'EXISTS', e => assert.equal(e.details.key, 5))
  assert.deepEqual(await db.update('m', 5, [['add', 'a', 3]]), { a: 5, id: 5 })
  assert.deepEqual(await db.update('m', 7, [['set', 'a', 1]], { upsert: true }), { id: 7, a: 1 })
  assert.deepEqual(await db.getMany('m', [1, 2, 5]), [{ a: 1, id: 1 }, null, { a: 5, id: 5 }])
  assert.equal(await db.has('m', 7), true)
  assert.equal(await db.delete('m', 7), true)
  assert.equal(await db.count('m'), 2)
  assert.equal(await db.count('m', { gt: 1 }), 1)
  assert.ok(await db.size('m') > 0)
  await db.createIndex('m', 'by a', { key: 'a', unique: true })
  assert.deepEqual(await db.get(['m', 'by a'], 5), { a: 5, id: 5 })
  await rejects(db.put('m', { a: 5 }), 'NOT_UNIQUE', e => assert.deepEqual(e.details.record, 5))
  await db.renameIndex('m', 'by a', 'a')
  assert.deepEqual(await db.scan(['m', 'a']).all(), [[1, 1, { a: 1, id: 1 }], [5, 5, { a: 5, id: 5 }]])
  await db.dropIndex('m', 'a')
  const { results, commit } = await db.run([['put', ['m', { id: 9 }]], ['get', ['m', 9]]], { label: 'both' })
  assert.deepEqual(results, [9, { id: 9 }])
  assert.ok(commit > 0)
  assert.equal(await db.deleteRange('m', { gte: 5 }, { limit: 1, reverse: true }), 1)
  await db.renameStore('m', 'n')
  await db.clearStore('n')
  assert.equal((await db.stores()).find(s => s.name === 'n').records, 0)
  await db.dropStore('n')
  assert.ok((await db.status()).transactions !== undefined)
  assert.ok(Array.isArray(await db.holds()))
  await rejects(db.kill(2 ** 40), 'NO_TXN')
  await db.rotate()
  await db.amalgamate()
})

test('client: a transaction commits, rolls back, and ends once', { skip }, async () => {
  await freshStore('t')
  const value = await db.transaction(async tx => {
    await tx.put('t', 1, 'a')
    assert.equal(await tx.get('t', 'a'), 1)
    assert.equal(await db.get('t', 'a'), null)
    return 'done'
  })
  assert.equal(value, 'done')
  assert.equal(await db.get('t', 'a'), 1)
  await assert.rejects(db.transaction(tx => {
    tx.put('t', 2, 'a')
    throw new RangeError('mine')
  }), RangeError)
  await assert.rejects(db.transaction(async tx => {
    await tx.put('t', 2, 'a')
    throw new RangeError('mine')
  }), RangeError)
  assert.equal(await db.get('t', 'a'), 1)
  let kept
  assert.equal(await db.transaction(async tx => {
    kept = tx
    await tx.put('t', 3, 'a')
    await tx.rollback()
    return 'taken back'
  }), 'taken back')
  assert.equal(await db.get('t', 'a'), 1)
  await rejects(kept.get('t', 'a'), 'MISUSE')
  const tx = await db.begin({ readOnly: true, label: 'by hand' })
  assert.ok(tx.version > 0 && tx.snapshot > 0)
  assert.ok((await db.holds()).some(h => h.label === 'by hand'))
  await rejects(tx.put('t', 1, 1), 'READ_ONLY')
  await rejects(tx.get('t', 1), 'TXN_FAILED', e => assert.equal(e.details.error.name, 'READ_ONLY'))
  await rejects(tx.commit(), 'READ_ONLY')
  await tx.rollback()
  await rejects(db.begin({ isolation: 'chaos' }), 'BAD_REQUEST')
  await rejects(db.transaction(tx => tx.get('t', 'a'), { isolation: 'chaos' }), 'BAD_REQUEST', e => assert.match(e.message, /isolation/))
  await rejects(db.transaction(() => 1, { isolation: 'chaos' }), 'BAD_REQUEST')
  assert.equal((await db.holds()).length, 0)
})

test('client: an error that nobody waited for fails the commit, not the process', { skip }, async () => {
  await freshStore('u')
  await db.put('u', 1, 'a')
  await rejects(db.transaction(tx => { tx.insert('u', 2, 'a') }), 'EXISTS')
  assert.equal(await db.transaction(async tx => {
    await tx.insert('u', 2, 'a').catch(() => {})
    await tx.put('u', 3, 'b')
    return 'went on'
  }, { onError: 'continue' }), 'went on')
  assert.equal(await db.get('u', 'b'), 3)
})

test('client: what is refused before it is sent fails the commit too', { skip }, async () => {
  await freshStore('here')
  await assert.rejects(db.transaction(tx => {
    tx.put('here', 1, 1)
    tx.put('here', () => {}, 2)
  }), { name: 'EncodeError' })
  await rejects(db.transaction(tx => { tx.get('here') }), 'MISUSE')
  await rejects(db.transaction(tx => { tx.get('here', NaN) }), 'BAD_KEY')
  await assert.rejects(db.transaction(tx => { tx.put('here', 1, 1, { signal: AbortSignal.abort(new Error('gone')) }) }), /gone/)
  assert.equal(await db.count('here'), 0)
  await db.transaction(async tx => {
    tx.put('here', 1, 1)
    await tx.put('here', () => {}, 2).catch(() => {})
  }, { onError: 'continue' })
  assert.equal(await db.count('here'), 1)
})

test('client: queries, whole, row by row and as objects', { skip }, async t => {
  if (!(await db.describe()).some(method => method.name === 'query')) return t.skip('the server has no queries')
  await freshStore('q', { key: 'id' })
  await db.transaction(tx => { for (let id = 0; id < 2500; id++) tx.put('q', { id, name: `n${id}` }) })
  const { columns, rows } = await db.query('select id, name from q where id > $1 order by id', [10])
  assert.deepEqual(columns, ['id', 'name'])
  assert.equal(rows.length, 2489)
  assert.deepEqual(rows[0], [11, 'n11'])
  let sum = 0
  for await (const [id] of db.query('select id from q', null, { page: 100 })) sum += id
  assert.equal(sum, 2499 * 1250)
  assert.deepEqual(await db.query('select name from q where id = $id', { id: 5 }).objects(), [{ name: 'n5' }])
  for await (const [id] of db.query('select id from q', null, { page: 10 })) if (id > 50) break
  await nothingHeld()
  const written = await db.query("update q set name = 'x' where id < 3").catch(e => {
    if (e.name !== 'BAD_QUERY') throw e // a server whose queries only read
    return { changed: 3 }
  })
  assert.equal(written.changed, 3)
  await rejects(db.query('select from'), 'BAD_QUERY', e => assert.equal(e.details.line, 1))
  assert.equal(await db.transaction(async tx => {
    tx.put('q', { id: -1, name: 'own' })
    return (await tx.query('select count(*) from q')).rows[0][0]
  }), 2501)
  await rejects(db.transaction(tx => { tx.query('select from') }), 'BAD_QUERY')
})

test('client: savepoints', { skip }, async () => {
  await freshStore('sp')
  await db.transaction(async tx => {
    tx.put('sp', 1, 1)
    tx.savepoint('a')
    tx.put('sp', 2, 2)
    await tx.rollbackTo('a')
    await tx.release('a')
  })
  assert.deepEqual(await db.scan('sp', null, { only: 'keys' }).all(), [1])
  await rejects(db.transaction(tx => { tx.release('b') }), 'NO_SAVEPOINT')
})

test('client: losers run again until all are through', { skip }, async () => {
  await freshStore('counter')
  await db.put('counter', 0, 'n')
  let attempts = 0
  await Promise.all(Array.from({ length: 50 }, () => db.transaction(async tx => {
    attempts++
    await tx.put('counter', await tx.get('counter', 'n') + 1, 'n')
  }, { attempts: 1000 })))
  assert.equal(await db.get('counter', 'n'), 50)
  assert.ok(attempts > 50, String(attempts))
  await rejects(db.transaction(async tx => {
    const n = await tx.get('counter', 'n')
    await db.put('counter', n + 1, 'n')
    await tx.put('counter', n + 1, 'n')
  }, { attempts: 3 }), 'CONFLICT', e => {
    assert.equal(e.details.kind, 'write')
    assert.equal(e.details.key, 'n')
  })
  assert.equal(await db.get('counter', 'n'), 53)
})

test('client: a transaction begins when it has its locks', { skip }, async () => {
  await freshStore('locked')
  const first = await db.begin({ lock: { exclusive: ['locked'], shared: ['unmade'] } })
  await rejects(db.begin({ lock: 'database', waitMs: 0 }), 'LOCK_TIMEOUT', error => assert.ok(error.retryable))
  const second = db.start({ lock: { exclusive: ['locked'] } })
  const read = second.get('locked', 'k')
  const third = db.start({ lock: { exclusive: ['locked'] } })
  await third.rollback()
  await rejects(third.ready, 'NO_TXN')
  await first.put('locked', 'first', 'k')
  await first.commit()
  assert.equal(await read, 'first')
  assert.equal(second.snapshot, first.committed)
  await second.commit()
})

test('client: whoever loses again and again locks what it wrote', { skip }, async () => {
  await freshStore('contended')
  let tries = 0
  let losses = 0
  await db.transaction(async tx => {
    tries++
    await tx.put('contended', 'mine', 'k')
    const rival = await db.begin()
    await rival.put('contended', 'theirs', 'k').then(() => rival.commit()).then(() => losses++, () => rival.rollback())
  }, { attempts: 20 })
  assert.deepEqual([tries, losses], [5, 4])
  assert.equal(await db.get('contended', 'k'), 'mine')
})

test('client: thousands of transactions are open on one socket', { skip }, async () => {
  await freshStore('many')
  const connections = (await db.clients()).length
  let open = 0
  let most = 0
  await Promise.all(Array.from({ length: 3000 }, (_, i) => db.transaction(async tx => {
    most = Math.max(most, ++open)
    await tx.put('many', i, i)
    await tx.get('many', i)
    open--
  })))
  assert.equal(await db.count('many'), 3000)
  assert.equal(most, db.limits.transactions)
  assert.equal((await db.clients()).length, connections)
})

test('client: a scan goes page by page, ahead, and is closed when the loop is left', { skip }, async () => {
  await freshStore('s')
  await db.transaction(async tx => { for (let i = 0; i < 2500; i++) tx.put('s', { i }, i) })
  const keys = []
  for await (const [key, value] of db.scan('s')) {
    assert.equal(value.i, key)
    keys.push(key)
  }
  assert.deepEqual(keys, Array.from({ length: 2500 }, (_, i) => i))
  assert.deepEqual(await db.scan('s', { gte: 10, lt: 13 }, { only: 'values', reverse: true }).all(), [{ i: 12 }, { i: 11 }, { i: 10 }])
  assert.deepEqual(await db.scan('s', null, { limit: 2, offset: 3, only: 'keys' }).all(), [3, 4])
  for (const ahead of [true, false]) {
    for await (const [key] of db.scan('s', null, { page: 10, ahead })) if (key === 25) break
  }
  for await (const page of db.scan('s', null, { page: 10 }).pages()) {
    assert.equal(page.length, 10)
    break
  }
  const scan = db.scan('s', null, { page: 1 })
  await scan.next()
  await scan.return()
  assert.deepEqual(await scan.next(), { done: true, value: undefined })
  await db.scan('s').return()
  await nothingHeld()
  await rejects(db.scan('nowhere').all(), 'NO_STORE')
  await db.transaction(async tx => {
    tx.put('s', { i: -1 }, -1)
    assert.deepEqual(await tx.scan('s', { lt: 1 }, { only: 'keys' }).all(), [-1, 0])
    for await (const [key] of tx.scan('s', null, { page: 100 })) if (key > 500) break
    await tx.rollback()
  })
  const ahead = await Promise.all(Array.from({ length: 20 }, (_, i) => db.scan('s', { gte: i * 100, lt: i * 100 + 100 }, { page: 7 }).all()))
  assert.equal(ahead.flat().length, 2000)
})

test('client: a cursor turns round and goes where it is told', { skip }, async () => {
  await freshStore('c')
  for (let i = 0; i < 20; i++) await db.put('c', i * 10, i)
  const cursor = db.cursor('c', null, { page: 3, keep: true })
  assert.deepEqual(await cursor.next(), [[0, 0], [1, 10], [2, 20]])
  assert.deepEqual((await cursor.next({ reverse: true })).map(r => r[0]), [2, 1, 0])
  assert.deepEqual((await cursor.next({ reverse: false, to: 15 })).map(r => r[0]), [15, 16, 17])
  assert.deepEqual((await cursor.next({ skip: 1 })).map(r => r[0]), [19])
  assert.deepEqual(await cursor.next(), [])
  assert.equal((await db.holds()).length, 1)
  cursor.close()
  await rejects(cursor.next(), 'MISUSE')
  const unread = db.cursor('c', null, { page: 3 })
  unread.close()
  await nothingHeld()
})

test('client: what is started at once sees nothing that is sent later', { skip }, async () => {
  await freshStore('start')
  const tx = db.start({ readOnly: true })
  const cursor = db.cursor('start', null, { page: 1 })
  const scan = db.scan('start').next()
  const put = db.put('start', 1, 1)
  assert.deepEqual(await cursor.next(), [])
  assert.equal((await scan).done, true)
  await put
  assert.equal(await tx.get('start', 1), null)
  await tx.rollback()
})

test('client: a signal ends the wait, and what was begun is taken back', { skip }, async () => {
  await freshStore('abort')
  const gone = AbortSignal.abort(new Error('before'))
  await assert.rejects(db.get('abort', 1, { signal: gone }), /before/)
  await assert.rejects(db.transaction(() => assert.fail(), { signal: gone }), /before/)
  const controller = new AbortController()
  const waiting = db.ping({ signal: controller.signal })
  controller.abort(new Error('now'))
  await assert.rejects(waiting, /now/)
  assert.equal(await db.ping(), 'pong')
  const during = new AbortController()
  let inside
  await assert.rejects(db.transaction(async tx => {
    await tx.put('abort', 1, 1)
    inside = tx
    during.abort(new Error('during'))
    await new Promise(() => {}) // what never comes
  }, { signal: during.signal }), /during/)
  assert.equal(inside.isOpen, false)
  await nothingHeld()
  const later = new AbortController()
  const begin = db.begin({ signal: later.signal })
  await Promise.resolve()
  later.abort(new Error('begun'))
  await assert.rejects(begin, /begun/)
  await nothingHeld()
  if ((await db.describe()).some(method => method.name === 'cancel')) {
    // What is abandoned ends in the server, too; nothing else does, whatever its number is.
    const others = await Promise.all(Array.from({ length: 50 }, () => db.begin()))
    const slow = db.query('select count(*) from many as a, many as b, many as c', null, { signal: AbortSignal.timeout(50) })
    await assert.rejects(slow.then(), { name: 'TimeoutError' })
    for (let tries = 0; (await db.clients()).some(client => client.requests > 1); tries++) assert.ok(tries < 10_000)
    for (const tx of others) await tx.commit()
  }
  const scan = db.scan('abort', null, { signal: AbortSignal.timeout(0) })
  await new Promise(resolve => setTimeout(resolve, 5))
  await assert.rejects(scan.next(), { name: 'TimeoutError' })
  assert.equal(await db.get('abort', 1), null)
})

test('client: a transaction goes on after a read in it that was given up', { skip }, async () => {
  await freshStore('kept')
  await db.run(Array.from({ length: 2000 }, (_, i) => ['put', ['kept', i, i]]))
  const slow = 'select count(*) from kept as a, kept as b, kept as c where a.x = b.x + c.y'
  await db.transaction(async tx => {
    await tx.put('kept', 'mine', 'k')
    const given = new AbortController()
    const query = tx.query(slow, null, { signal: given.signal }).then()
    const behind = tx.get('kept', 'k', { signal: given.signal })
    for (let tries = 0; !(await db.clients()).some(client => client.requests > 1); tries++) assert.ok(tries < 10_000)
    given.abort(new Error('given up'))
    await assert.rejects(query, /given up/)
    await assert.rejects(behind, /given up/)
    assert.equal(await tx.get('kept', 'k'), 'mine')
  }, { attempts: 1 })
  assert.equal(await db.get('kept', 'k'), 'mine')
  // What may have changed something is another matter.
  await assert.rejects(db.transaction(async tx => {
    const given = new AbortController()
    const put = tx.put('kept', 'other', 'k', { signal: given.signal })
    given.abort(new Error('given up'))
    await assert.rejects(put, /given up/)
  }, { attempts: 1 }), /given up/)
  assert.equal(await db.get('kept', 'k'), 'mine')
})

test('client: a program may begin by ensuring its stores and indexes', { skip }, async () => {
  await db.dropStore('ensured').catch(() => {})
  const keys = ['name', ['a', 'b'], [['a', 'b'], 'c'], [['a', 'b']], { path: 'x', order: 'desc' }, [{ path: 'x', order: 'asc' }, 'y'], { path: ['p', 0] }, undefined]
  for (const key of keys) {
    assert.equal(await db.ensureStore('ensured', { key }), true)
    for (const other of keys) {
      if (other === key) assert.equal(await db.ensureStore('ensured', { key }), false)
      else await rejects(db.ensureStore('ensured', { key: other }), 'EXISTS', e => assert.match(e.message, /another definition: key is/))
    }
    if (key !== undefined) assert.equal(await db.ensureIndex('ensured', 'i', { key, unique: true }), true)
    if (key !== undefined) assert.equal(await db.ensureIndex('ensured', 'i', { key, unique: true }), false)
    if (key !== undefined) await rejects(db.ensureIndex('ensured', 'i', { key }), 'EXISTS', e => assert.equal(e.details.option, 'unique'))
    await rejects(db.ensureStore('ensured', { key, conflict: 'none' }), 'EXISTS')
    await db.dropStore('ensured')
  }
  await db.ensureStore('ensured', { generate: true })
  await db.ensureIndex('ensured', 'w', { key: 'a', multi: true, where: { state: 'on' } })
  assert.equal(await db.ensureIndex('ensured', 'w', { key: ['a'], multi: true, where: { state: 'on' } }), false)
  await rejects(db.ensureIndex('ensured', 'w', { key: 'a', multi: true, where: { state: 'off' } }), 'EXISTS')
  await rejects(db.ensureIndex('nowhere', 'w', { key: 'a' }), 'NO_STORE')
  assert.deepEqual((await Promise.all(Array.from({ length: 5 }, () => db.ensureStore('ensured 2')))).filter(Boolean), [true])
})

test('client: a deadline is the server\'s to keep', { skip }, async () => {
  await freshStore('late')
  assert.equal(await db.put('late', 1, 1, { deadlineMs: 60_000 }), 1)
  await rejects(db.put('late', 1, 1, { deadlineMs: -1 }), 'BAD_REQUEST')
})

test('client: a killed transaction says so, and is not run again', { skip }, async () => {
  await freshStore('k')
  const tx = await db.begin()
  await tx.put('k', 1, 1)
  await db.kill(tx.version)
  await rejects(tx.get('k', 1), 'TXN_KILLED')
  await rejects(tx.commit(), 'TXN_KILLED')
})

test('client: too much that waits to be sent is refused before it takes the memory', { skip }, async () => {
  await freshStore('q')
  const small = await connect(server.address, { queueBytesMax: 1 << 20 })
  const value = 'x'.repeat(100_000)
  server.freeze() // so that the system takes no more than its buffers hold
  const all = Array.from({ length: 300 }, (_, i) => small.put('q', value, i))
  server.thaw()
  const results = await Promise.allSettled(all)
  const refused = results.filter(r => r.status === 'rejected')
  assert.ok(refused.length > 0 && refused.length < 295, String(refused.length))
  for (const r of refused) assert.equal(r.reason.name, 'OVERLOADED')
  assert.equal(await small.count('q'), 300 - refused.length)
  for (let i = 0; i < 50; i++) {
    small.put('q', value, i)
    await small.drained()
  }
  assert.equal(await small.count('q', { lt: 50 }), 50)
  await small.close()
})

test('client: it reads while it writes', { skip }, async () => {
  await freshStore('echo')
  await db.put('echo', 'x'.repeat(100_000), 1)
  const got = await Promise.all(Array.from({ length: 2000 }, () => db.get('echo', 1)))
  assert.ok(got.every(v => v.length === 100_000))
})

test('client: close waits for the answers to what was asked', { skip }, async () => {
  const other = await connect(server.address)
  const puts = Array.from({ length: 500 }, (_, i) => other.put('echo', i, 'close ' + i))
  const closed = other.close()
  await Promise.all(puts)
  await closed
  await other.close()
  assert.equal(await db.count('echo', { starts: 'close ' }), 500)
})

test('client: tokens', { skip }, async () => {
  assert.equal(newToken().length, 16)
  const all = Array.from({ length: 10_000 }, newToken)
  assert.equal(new Set(all.map(token => token.toString('hex'))).size, 10_000)
  assert.ok(all.every(token => token.some(byte => byte !== 0)))
  assert.equal(encode(newToken()).length, 18)
})
