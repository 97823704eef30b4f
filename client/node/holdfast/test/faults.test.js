// The client over a network that cuts, delays, splits and joins: no promise stays open, no commit is
// applied twice, and none is told wrongly.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { Batch, connect, HoldfastError, newToken } from '../index.js'
import { dice, Proxy } from '../../testing/proxy.js'
import { serve } from '../../testing/rig.js'
import { noServer, Server } from '../../testing/server.js'

let hasTokens
const skip = noServer

const rig = serve({
  open: async server => {
    const client = await connect(server.address)
    hasTokens = client.hasFeature('tokens')
    await client.createStore('ledger', { generate: true })
    await client.createStore('counter')
    return client
  }
})

let works = 0

/**
 * Do a little of everything through `db`. Each piece of work writes a number of its own, in a transaction
 * that may be run again, and says afterwards what it was told: 'in', 'out' or 'unknown'.
 */
async function work (db) {
  const told = new Map()
  const tell = (number, promise) => promise.then(() => told.set(number, 'in'), error => {
    assert.ok(error instanceof HoldfastError, error.stack)
    told.set(number, error.maybeCommitted ? 'unknown' : 'out')
  })
  const one = ++works
  const two = ++works
  const three = ++works
  const four = ++works
  await Promise.all([
    tell(one, db.transaction(async tx => {
      const n = await tx.get('counter', 'n') ?? 0
      tx.put('counter', n + 1, 'n')
      await tx.insert('ledger', one)
    }, { label: 'faults', attempts: 100 })),
    tell(two, db.run([['insert', ['ledger', two]]], { token: hasTokens ? newToken() : undefined })),
    tell(three, db.insert('ledger', three)),
    ...['n', 'm', ['l'], 'n'].map(key => db.get('counter', key).catch(checkError)), // which leave as one request
    tell(four, db.run(new Batch().put('ledger', four).delete('counter', 'x'), { token: hasTokens ? newToken() : undefined })),
    db.scan('ledger', null, { page: 2, limit: 5 }).all().catch(checkError),
    db.ping().catch(checkError)
  ])
  // Where the server keeps the outcomes of commits, only what has no token may stay unknown.
  if (hasTokens) for (const number of [one, two, four]) assert.notEqual(told.get(number), 'unknown')
  return told
}

function checkError (error) {
  assert.ok(error instanceof HoldfastError, error.stack)
  assert.equal(error.maybeCommitted, false)
}

/** What was told is what is. */
async function check (told) {
  const there = new Map()
  for (const number of await rig.client.scan('ledger', null, { only: 'values' }).all()) {
    there.set(number, (there.get(number) ?? 0) + 1)
  }
  for (const [number, what] of told) {
    const times = there.get(number) ?? 0
    if (what === 'in') assert.equal(times, 1, `${number} was told in`)
    if (what === 'out') assert.equal(times, 0, `${number} was told out`)
    assert.ok(times <= 1, `${number} is there ${times} times`)
  }
}

async function through (faults, options) {
  const proxy = await Proxy.start(rig.server.port, faults)
  let db
  try {
    db = await connect(proxy.address, { connectTimeoutMs: 5000, closeTimeoutMs: 1000, ...options })
  } catch (e) {
    await proxy.stop()
    assert.equal(e.name, 'CONNECTION')
    return null
  }
  try {
    return await work(db)
  } finally {
    await db.close()
    await proxy.stop()
  }
}

test('faults: bytes that are split and joined anywhere change nothing', { skip }, async () => {
  const all = new Map()
  for (const fault of [{ split: 1 }, { split: 2 }, { split: 7 }, { join: 50 }, { join: 300 }, { join: 1e6 }, { split: 3, join: 100 }]) {
    const told = await through(() => fault)
    for (const [number, what] of told) {
      assert.equal(what, 'in', JSON.stringify(fault))
      all.set(number, what)
    }
  }
  await check(all)
})

test('faults: what is late changes nothing, and a cut in what is late is told truly', { skip }, async () => {
  const all = new Map()
  const seed = Number(process.env.SEED ?? 1)
  const random = dice(seed)
  for (let round = 0; round < 12; round++) {
    const late = { seed: seed * 100 + round, ms: 6 }
    const cut = round % 2 === 0 ? {} : { [random() < 0.5 ? 'cutUp' : 'cutDown']: 1 + Math.floor(random() * 3000) }
    const told = await through(number => number === 0 ? { late, ...cut, split: round % 3 === 0 ? 40 : undefined } : { late })
    if (told === null) continue // cut before hello was answered
    for (const [number, what] of told) {
      if (round % 2 === 0) assert.equal(what, 'in', `SEED=${seed}, round ${round}`)
      all.set(number, what)
    }
  }
  await check(all)
  assert.equal((await rig.client.holds()).length, 0)
})

for (const side of ['cutUp', 'cutDown']) {
  test(`faults: a connection that is cut at any byte (${side}) settles all, and tells the truth`, { skip }, async () => {
    const proxy = await Proxy.start(rig.server.port)
    const db = await connect(proxy.address)
    const first = await work(db)
    const bytes = side === 'cutUp' ? proxy.up : proxy.down
    await db.close()
    await proxy.stop()
    assert.ok(bytes > 200, String(bytes))
    const all = new Map(first)
    const counts = { in: 0, out: 0, unknown: 0 }
    // Every byte of the messages' ends; answers to hello are long, so what is inside them is taken in steps.
    for (let at = 1; at <= bytes; at += at < bytes - 450 ? 17 : 1) {
      const told = await through(number => number === 0 ? { [side]: at } : {})
      if (told === null) continue // cut before hello was answered
      for (const [number, what] of told) {
        counts[what]++
        all.set(number, what)
      }
    }
    await check(all)
    assert.ok(counts.in > 0 && counts.unknown > 0, JSON.stringify(counts))
    assert.equal((await rig.client.holds()).length, 0)
  })
}

test('faults: a transaction is run again on a new connection', { skip }, async () => {
  const proxy = await Proxy.start(rig.server.port)
  const db = await connect(proxy.address)
  const seen = []
  db.on('disconnect', () => seen.push('disconnect'))
  db.on('connect', () => seen.push('connect'))
  let runs = 0
  const value = await db.transaction(async tx => {
    await tx.put('counter', runs, 'again')
    if (++runs < 3) proxy.cut()
    return tx.get('counter', 'again')
  })
  assert.equal(value, 2)
  assert.equal(runs, 3)
  assert.deepEqual(seen, ['disconnect', 'connect', 'disconnect', 'connect'])
  assert.equal(await db.ping(), 'pong')
  await db.close()
  await proxy.stop()
})

test('faults: a commit whose answer is lost is found by its token, and one that never arrived is done again', { skip }, async t => {
  if (!hasTokens) return t.skip('the server keeps no outcomes of commits')
  const proxy = await Proxy.start(rig.server.port)
  const db = await connect(proxy.address)
  for (const lose of ['isMute', 'isDeaf']) {
    const number = ++works
    let runs = 0
    let tx
    const done = db.transaction(async transaction => {
      tx = transaction
      await tx.insert('ledger', number)
      if (++runs === 1) proxy[lose] = true
      return runs
    })
    if (lose === 'isMute') {
      const isThere = async () => (await rig.client.scan('ledger', null, { only: 'values' }).all()).includes(number)
      while (!await isThere()) await rig.client.ping()
    } else while (runs === 0) await rig.client.ping()
    await rig.client.ping()
    proxy.cut()
    assert.equal(await done, lose === 'isMute' ? 1 : 2)
    assert.ok(tx.committed > 0)
    await check(new Map([[number, 'in']]))
  }
  const token = newToken()
  const number = ++works
  proxy.isMute = true
  const ran = db.run([['insert', ['ledger', number]]], { token })
  while ((await rig.client.count('ledger')) === 0) await rig.client.ping()
  proxy.cut()
  const { results, commit } = await ran
  assert.ok(results === null || results.length === 1)
  assert.ok(commit > 0)
  await check(new Map([[number, 'in']]))
  assert.deepEqual(await db.outcome(token), { state: 'committed', commit })
  assert.equal((await db.outcome(newToken(), { snapshot: commit })).state, 'not-committed')
  await db.close()
  await proxy.stop()
})

test('faults: events come over the next connection too', { skip }, async t => {
  if (!(await rig.client.describe()).some(method => method.name === 'subscribe')) return t.skip('the server has no events')
  const own = await Server.start()
  const proxy = await Proxy.start(own.port)
  const db = await connect(proxy.address)
  const other = await connect(own.address)
  await db.createStore('x')
  await db.subscribe(['doomed', 'shutdown'])
  for (const round of ['first', 'next']) {
    const tx = await db.begin({ label: round })
    await tx.put('x', 1, 'k')
    assert.equal(await tx.check(), null)
    const doomed = once(db, 'doomed')
    await other.put('x', round, 'k')
    const [who, error] = await doomed
    assert.equal(who, tx)
    assert.equal(error.name, 'CONFLICT')
    assert.equal(error.details.key, 'k')
    assert.ok(tx.signal.aborted)
    assert.equal(tx.signal.reason, error)
    await assert.rejects(tx.check(), { name: 'CONFLICT' })
    await assert.rejects(tx.commit(), { name: 'CONFLICT' })
    if (round === 'first') {
      const back = once(db, 'connect')
      proxy.cut()
      await back
    }
  }
  const stops = once(db, 'shutdown')
  await other.close()
  const stopped = own.stop()
  assert.ok((await stops)[0] >= 0)
  await db.close()
  await proxy.stop()
  await stopped
})

test('faults: what becomes of the connection is told', { skip }, async () => {
  const own = await Server.start()
  const told = []
  const db = await connect(own.address)
  for (const event of ['connect', 'disconnect', 'close']) db.on(event, () => told.push(event))
  const tries = []
  db.on('reconnecting', (attempt, error) => {
    tries.push(attempt)
    assert.equal(typeof error.message, 'string')
  })
  await own.kill()
  await once(db, 'reconnecting')
  const back = once(db, 'connect')
  await own.run()
  await back
  assert.deepEqual(tries, tries.map((_, i) => i + 1))
  await db.close()
  await db.close()
  assert.deepEqual(told, ['disconnect', 'connect', 'close'])
  // One that is not to connect again is closed by the loss.
  const single = await connect(own.address, { reconnect: false })
  const closed = once(single, 'close')
  await own.kill()
  await closed
  await single.close()
  // Who comes before the server may wait for it.
  await assert.rejects(connect(own.address), { name: 'CONNECTION' })
  await assert.rejects(connect(own.address, { waitForServer: true, connectTimeoutMs: 50 }), { name: 'CONNECTION' })
  const waiting = connect(own.address, { waitForServer: true })
  await own.run()
  const late = await waiting
  assert.equal(await late.ping(), 'pong')
  await late.close()
  await own.stop()
})

test('faults: a scan whose connection is lost ends with an error', { skip }, async () => {
  await rig.client.createStore('long')
  await rig.client.transaction(tx => { for (let i = 0; i < 500; i++) tx.put('long', i, i) })
  const proxy = await Proxy.start(rig.server.port)
  const db = await connect(proxy.address)
  await assert.rejects(async () => {
    for await (const [key] of db.scan('long', null, { page: 10 })) if (key === 15) proxy.cut()
  }, { name: 'CONNECTION', retryable: true })
  await db.close()
  await proxy.stop()
})

test('faults: a server that is killed settles everything, and is found again when it is back', { skip }, async () => {
  const own = await Server.start()
  const db = await connect(own.address, { connectTimeoutMs: 20_000 })
  await db.createStore('x', { generate: true })
  const told = []
  const all = Array.from({ length: 300 }, (_, i) => db.insert('x', i).then(() => told.push(i), error => {
    assert.equal(error.name, 'CONNECTION')
    assert.equal(error.maybeCommitted, true)
  }))
  await all[0]
  await own.kill()
  await Promise.all(all)
  const waiting = db.scan('x', null, { only: 'values' }).all()
  await own.run()
  const there = new Set(await waiting)
  for (const i of told) assert.ok(there.has(i))
  await db.close()
  await own.stop()
})

test('faults: with no server, requests wait as long as they are told to, then fail', { skip }, async () => {
  const own = await Server.start()
  const db = await connect(own.address, { connectTimeoutMs: 200 })
  await own.kill()
  await assert.rejects(db.ping(), { name: 'CONNECTION' })
  await assert.rejects(db.transaction(tx => tx.stores(), { retryMs: 100 }), { name: 'CONNECTION' })
  await own.run()
  assert.equal(await db.ping(), 'pong')
  await db.close()
  await assert.rejects(db.ping(), { name: 'CONNECTION', message: /closed/ })
  const once = await connect(own.address, { reconnect: false })
  await own.stop()
  await assert.rejects(once.ping(), { name: 'CONNECTION' })
  await once.close()
})

test('faults: a server that says nothing is given up, and a signal ends a single wait', { skip }, async () => {
  const own = await Server.start()
  const db = await connect(own.address, { heartbeatMs: 50, connectTimeoutMs: 100, closeTimeoutMs: 100 })
  await db.createStore('x')
  own.freeze()
  const controller = new AbortController()
  const aborted = db.put('x', 1, 1, { signal: controller.signal })
  const silent = db.put('x', 1, 1)
  controller.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  await assert.rejects(silent, { name: 'CONNECTION', maybeCommitted: true, message: /silent/ })
  own.thaw()
  await db.close()
  await own.stop()
})

test('faults: an answer that is none ends the connection, not the process', { skip: false }, async () => {
  const net = await import('node:net')
  const hello = Buffer.from('940101c0' + '80', 'hex')
  for (const bytes of ['c1', '05', '9401630000', '9301c0c0', 'ddffffffff']) {
    const fake = net.createServer(socket => {
      let count = 0
      socket.on('error', () => {})
      socket.on('data', () => { if (count < 2) socket.write(count++ === 0 ? hello : Buffer.from(bytes, 'hex')) })
    })
    await new Promise(resolve => fake.listen(0, '127.0.0.1', resolve))
    const db = await connect(`127.0.0.1:${fake.address().port}`, { reconnect: false, heartbeatMs: 100 })
    await assert.rejects(db.put('x', 1, 1), error => {
      assert.ok(error.name === 'PROTOCOL' || (bytes === 'ddffffffff' && error.name === 'CONNECTION'), error.stack)
      assert.equal(error.maybeCommitted, true)
      return true
    })
    await db.close()
    fake.close()
  }
})

test('faults: an answer to gets that is not a list of as many ends the connection, and leaves none open', { skip: false }, async () => {
  const net = await import('node:net')
  for (const result of ['c0', '90', '9101', '93010203', '01', '81a16101']) {
    const fake = net.createServer(socket => {
      let count = 0
      socket.on('error', () => {})
      socket.on('data', () => { socket.write(Buffer.from(count++ === 0 ? '940101c080' : '940102c0' + result, 'hex')) })
    })
    await new Promise(resolve => fake.listen(0, '127.0.0.1', resolve))
    const db = await connect(`127.0.0.1:${fake.address().port}`, { reconnect: false, heartbeatMs: 100 })
    for (const { reason } of await Promise.allSettled([db.get('s', 1), db.get('s', 2)])) assert.match(reason.name, /^(PROTOCOL|CONNECTION)$/, result)
    await db.close()
    fake.close()
  }
})

test('faults: a server that accepts and says nothing is no connection', { skip: false }, async () => {
  const net = await import('node:net')
  const sockets = []
  const mute = net.createServer(socket => { sockets.push(socket.on('error', () => {})) })
  await new Promise(resolve => mute.listen(0, '127.0.0.1', resolve))
  await assert.rejects(connect(`127.0.0.1:${mute.address().port}`, { connectTimeoutMs: 50 }), { name: 'CONNECTION' })
  for (const socket of sockets) socket.destroy()
  mute.close()
})
