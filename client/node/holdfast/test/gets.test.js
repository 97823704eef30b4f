// Gets that leave as one request, and batches: for whoever asks they are what they were one by one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Batch, connect, decode, encode, EncodeError, Timestamp, Utf8 } from '../index.js'
import { Decoder } from '../lib/codec.js'
import { dice, Proxy } from '../../testing/proxy.js'
import { serve } from '../../testing/rig.js'
import { noServer, Server } from '../../testing/server.js'

const skip = noServer
const rig = serve({
  open: async server => {
    const client = await connect(server.address)
    await client.createStore('s')
    await client.createStore('other')
    return client
  }
})

/** What `work(client)` sends, as [method, number of keys]. */
async function sent (work) {
  const seen = new Decoder()
  const proxy = await Proxy.start(rig.server.port, () => ({ onUp: piece => seen.push(Buffer.from(piece)) }))
  const client = await connect(proxy.address)
  await work(client)
  await client.close()
  await proxy.stop()
  const list = []
  for (let message = seen.read(); message !== undefined; message = seen.read()) {
    if (message[2] !== 'hello') list.push(message[2] === 'get_many' ? ['get_many', message[3][2].length] : message[2])
  }
  return list
}

test('gets: those of one turn leave as one request, in their place among others', { skip }, async () => {
  await rig.client.put('s', 'a value', 1)
  await rig.client.put('other', 'another', 1)
  assert.deepEqual(await sent(async client => {
    assert.deepEqual(await Promise.all([1, 2, 1].map(key => client.get('s', key))), ['a value', null, 'a value'])
    assert.equal(await client.get('s', 1), 'a value')
    const all = [client.get('s', 1), client.get('s', 1), client.ping(), client.get('s', 2), client.get('other', 1),
      client.get('other', 2), client.get('s', 1, { deadlineMs: 60_000 }), client.get('s', 1)]
    assert.deepEqual(await Promise.all(all), ['a value', 'a value', 'pong', null, 'another', null, 'a value', 'a value'])
    await client.transaction(tx => Promise.all([tx.get('s', 1), tx.get('s', 2)]))
  }), [['get_many', 3], 'get', ['get_many', 2], 'ping', 'get', ['get_many', 2], 'get', 'get', 'begin', 'get', 'get', 'commit'])
  const methods = await sent(client => Promise.all(Array.from({ length: 100 }, (_, i) => client.get('s', i))))
  assert.ok(methods.length >= 3 && methods.every(([, keys]) => keys <= 40), JSON.stringify(methods))
})

test('gets: each sees what was asked before it, and nothing that was asked after it', { skip }, async () => {
  const seed = Number(process.env.SEED ?? 1)
  const random = dice(seed)
  for (let round = 0; round < 20; round++) {
    const model = new Map()
    const answers = []
    await rig.client.clearStore('s')
    for (let i = 0; i < 300; i++) {
      const key = Math.floor(random() * 5)
      const what = random()
      if (what < 0.2) {
        rig.client.put('s', i, key)
        model.set(key, i)
      } else if (what < 0.3) {
        rig.client.delete('s', key)
        model.delete(key)
      } else {
        const expected = model.get(key) ?? null
        answers.push(rig.client.get('s', key).then(value => assert.equal(value, expected, `SEED=${seed}, round ${round}, ${i}`)))
      }
      if (random() < 0.02) await null
      if (random() < 0.01) await new Promise(setImmediate)
    }
    await Promise.all(answers)
  }
})

test('gets: each has its own error', { skip }, async () => {
  await rig.client.put('s', 'there', 'k')
  const keys = ['k', { a: 1 }, 'none', new Map(), () => {}, undefined, NaN, [Symbol.iterator], 'k']
  const results = await Promise.allSettled(keys.map(key => rig.client.get('s', key)))
  assert.deepEqual(results.map(r => r.status === 'fulfilled' ? r.value : r.reason.name),
    ['there', 'BAD_KEY', null, 'BAD_KEY', 'EncodeError', 'MISUSE', 'BAD_KEY', 'EncodeError', 'there'])
  assert.match(results[7].reason.message, /^get: .*\(at \[0\]\)/)
  for (const r of await Promise.allSettled([rig.client.get('nowhere', 1), rig.client.get('nowhere', 2)])) assert.equal(r.reason.name, 'NO_STORE')
  await assert.rejects(rig.client.get('half \ud800', 1), EncodeError)
  await assert.rejects(Promise.all([rig.client.get('s'), rig.client.get('s', 'k')]), { name: 'MISUSE' })
  const huge = 'x'.repeat(20 * 1024 * 1024)
  const [, refused, got] = await Promise.allSettled([rig.client.get('s', 'k'), rig.client.get('s', huge), rig.client.get('s', 'k')])
  assert.equal(refused.reason.name, 'TOO_LARGE')
  assert.equal(got.value, 'there')
})

// A group that the server cannot answer whole, because of a key or because of its size, and writes of the same keys behind it.
test('gets: a bad key and values too large together take none of them behind a later put', { skip }, async () => {
  const large = 'x'.repeat(1_500_000)
  const client = await connect(rig.server.address)
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 6; i++) await client.put('s', large + i, i)
    const keys = [0, { bad: 1 }, 1, 2, 'none', 3, [Symbol.iterator], 4, new Map(), 5]
    const asked = keys.map(key => client.get('s', key))
    const many = client.getEach('s', keys.filter(key => !Array.isArray(key)))
    for (const key of [0, 1, 2, 3, 4, 5, 'none']) client.put('s', 'later', key)
    const got = (await Promise.allSettled(asked)).map(r => r.status === 'fulfilled' ? r.value : r.reason.name)
    const expected = [large + 0, 'BAD_KEY', large + 1, large + 2, null, large + 3, 'EncodeError', large + 4, 'BAD_KEY', large + 5]
    assert.ok(got.every((value, i) => value === expected[i]), JSON.stringify(got.map(value => value?.slice(0, 20))))
    const each = (await many).map(r => r.status === 'fulfilled' ? r.value : r.reason.name)
    assert.ok(each.every((value, i) => value === expected.filter(e => e !== 'EncodeError')[i]))
    assert.deepEqual(await Promise.all([0, 5, 'none'].map(key => client.get('s', key))), ['later', 'later', 'later'])
    await client.delete('s', 'none')
  }
  await client.transaction(async tx => {
    tx.put('s', large + large, 0)
    tx.put('s', large + large, 1)
    const results = await tx.getEach('s', [0, {}, 1, 2, 'none'])
    assert.deepEqual(results.map(r => r.value?.length ?? r.reason?.name ?? null), [3_000_000, 'BAD_KEY', 3_000_000, 5, null])
  })
  assert.deepEqual(await client.getEach('s', []), [])
  await assert.rejects(client.getEach('s', 5), { name: 'MISUSE' })
  await assert.rejects(client.getEach('nowhere', [1, {}]), { name: 'NO_STORE' })
  assert.deepEqual(await client.holds(), [])
  await client.close()
})

// By itself a get takes no transaction, and together they need none.
test('gets: where no transaction can begin they are answered all the same', { skip }, async () => {
  const server = await Server.start(['--transactions', '1', '--transactions-reserved', '0'])
  const client = await connect(server.address)
  await client.createStore('s')
  await client.put('s', 'v', 'k')
  const tx = await client.begin()
  assert.deepEqual(await Promise.all([client.get('s', 'k'), client.get('s', 'none'), client.get('s', 'k')]), ['v', null, 'v'])
  await tx.rollback()
  await client.close()
  assert.equal(await server.stop(), 0)
})

test('gets: keys of every type come to their records, also where one is refused', { skip }, async () => {
  const keys = [0, -1, 1.5, 2 ** 60, 2n ** 63n, 'text', 'é'.repeat(40), Buffer.from([0, 255]), new Date(5), new Timestamp(5, 7),
    ['a', 1, Buffer.from('b')], Buffer.alloc(300, 1)]
  for (const [i, key] of keys.entries()) await rig.client.put('other', i, key)
  assert.deepEqual(await Promise.all(keys.map(key => rig.client.get('other', key))), keys.map((_, i) => i))
  const [bad, ...values] = await Promise.allSettled([{}, ...keys].map(key => rig.client.get('other', key)))
  assert.equal(bad.reason.name, 'BAD_KEY')
  assert.deepEqual(values.map(r => r.value), keys.map((_, i) => i))
  // A key may be changed when it was given.
  const key = Buffer.from([0, 255])
  const asked = [rig.client.get('other', key), rig.client.get('other', {}), rig.client.get('other', key)]
  key[0] = 7
  const [first, , last] = await Promise.allSettled(asked)
  assert.deepEqual([first.value, last.value], [7, 7])
})

test('gets: more than fits into one answer comes all the same, and then in fewer at a time', { skip }, async () => {
  const value = 'x'.repeat(400_000)
  for (let i = 0; i < 32; i++) await rig.client.put('s', value, i)
  const all = client => Promise.all(Array.from({ length: 32 }, (_, i) => client.get('s', i)))
  const methods = await sent(async client => {
    for (let round = 0; round < 3; round++) assert.ok((await all(client)).every(got => got === value))
  })
  const groups = methods.filter(Array.isArray)
  assert.deepEqual(groups[0], ['get_many', 32])
  // What did not fit was asked for in the same transaction, with fewer keys each time, and that was ended.
  const then = groups.slice(1).findIndex(([, keys], i) => keys >= groups[i][1]) + 1
  assert.ok(then > 1 && groups.slice(then).every(([, keys]) => keys < 10), JSON.stringify(methods))
  assert.equal(methods.filter(method => method === 'rollback').length, 1)
  assert.deepEqual(await rig.client.holds(), [])
})

test('gets: none stays open when the client closes or the connection is lost', { skip }, async () => {
  await rig.client.put('s', 'v', 'k')
  const proxy = await Proxy.start(rig.server.port)
  const client = await connect(proxy.address, { reconnect: false })
  const other = await connect(rig.server.address)
  const answered = Promise.all([other.get('s', 'k'), other.get('s', 'k')])
  await other.close()
  assert.deepEqual(await answered, ['v', 'v'])
  await assert.rejects(other.get('s', 'k'), { name: 'CONNECTION' })
  proxy.isMute = true
  const waiting = Promise.allSettled([client.get('s', 'k'), client.get('s', 'k')])
  setImmediate(() => proxy.cut())
  for (const r of await waiting) {
    assert.equal(r.reason.name, 'CONNECTION')
    assert.equal(r.reason.retryable, true)
    assert.equal(r.reason.maybeCommitted, false)
  }
  await client.close()
  await proxy.stop()
})

test('gets: for layers on top there is a waiter instead of a promise', { skip }, async () => {
  await rig.client.put('s', 'v', 'k')
  const told = await new Promise(resolve => {
    const told = []
    const waiter = { take: value => told.push(value), fail: error => { told.push(error.name); resolve(told) } }
    rig.client.getTo('s', 'k', waiter)
    rig.client.getTo('s', 'none', waiter)
    rig.client.getTo('s', 'k', waiter)
    rig.client.getTo('nowhere', 'k', waiter)
  })
  assert.deepEqual(told, ['v', null, 'v', 'NO_STORE'])
})

test('gets: bytes are as they were given, however slowly they leave', { skip }, async () => {
  const random = dice(Number(process.env.SEED ?? 1))
  const client = await connect(rig.server.address)
  const given = []
  for (let round = 0; round < 3; round++) {
    rig.server.freeze() // what is sent meanwhile fills the system's buffers, and then waits here
    for (let i = 0; i < 150; i++) {
      const value = Buffer.alloc(Math.floor(random() ** 3 * 300_000), given.length)
      client.put('s', value, given.length)
      given.push(value)
      if (random() < 0.3) await new Promise(setImmediate)
    }
    rig.server.thaw()
    if (round === 1) await client.ping()
  }
  for (const [i, value] of given.entries()) assert.ok(value.equals(await client.get('s', i)), String(i))
  await client.close()
})

test('batch: it is the list of operations, in the same bytes', { skip }, async () => {
  const keys = [1, 'k', Buffer.from('b'), [1, 'x'], undefined]
  const values = [null, 'v'.repeat(100), { a: [1, { b: 2n ** 60n }] }, Buffer.alloc(70_000), 'ü'.repeat(20_000)]
  const batch = new Batch()
  const list = []
  for (const key of keys) {
    for (const value of values) {
      batch.put('s', value, key)
      list.push(['put', key === undefined ? ['s', value] : ['s', value, key]])
    }
    if (key !== undefined) {
      batch.delete('s', key)
      list.push(['delete', ['s', key]])
    }
  }
  assert.equal(batch.length, list.length)
  assert.ok(encode(batch).equals(encode(list)))
  const { commit, results } = await rig.client.run(new Batch().put('s', 'new', 'b1').delete('s', 'b2').put('s', 'newer', new Utf8('b3')))
  assert.ok(commit > 0)
  assert.deepEqual(results, ['b1', false, Buffer.from('b3')])
  assert.equal(await rig.client.get('s', Buffer.from('b3')), 'newer')
  await assert.rejects(rig.client.run(new Batch().put('s', 1, 1).put('s', () => {}, 2)), { name: 'EncodeError', message: /^run: .*at \[1\]/ })
  await assert.rejects(rig.client.run(new Batch().put('s', 1, 'never').put('nowhere', 1, 1)), { name: 'NO_STORE' })
  assert.equal(await rig.client.get('s', 'never'), null)
  assert.throws(() => new Batch().delete('s'), { name: 'MISUSE' })
  assert.throws(() => new Batch().put(undefined, 1), { name: 'MISUSE' })
})

test('batch: a text as a binary has the bytes that Buffer.from gives', () => {
  for (const text of ['', 'a', 'x'.repeat(24), 'x'.repeat(25), 'x'.repeat(255), 'x'.repeat(256), 'é'.repeat(12), 'é'.repeat(127), 'é'.repeat(128),
    '€'.repeat(85), '€'.repeat(86), '\u{1f600}'.repeat(100), 'half \ud800', 'x'.repeat(5000), '€'.repeat(5000), '€'.repeat(30_000), 'é'.repeat(32_768)]) {
    assert.deepEqual(decode(encode(new Utf8(text))), Buffer.from(text))
    assert.ok(encode(new Utf8(text)).equals(encode(Buffer.from(text))), String(text.length))
    if (text.isWellFormed()) assert.equal(decode(encode(text)), text)
  }
  assert.throws(() => new Utf8(5), TypeError)
})
