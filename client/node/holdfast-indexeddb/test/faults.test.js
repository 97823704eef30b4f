// Through a proxy that cuts, splits and joins: every request gets its event, and no commit is told wrongly.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'holdfast'
import { Proxy } from '../../testing/proxy.js'
import { noServer, Server } from '../../testing/server.js'
import { closeFactory, createFactory } from '../index.js'

const PATIENCE_MS = 20_000
const STEP = 11 // bytes between two cuts
let server
let client

before(async () => {
  if (noServer) return
  server = await Server.start()
  const factory = createFactory({ address: server.address })
  await new Promise((resolve, reject) => {
    const request = factory.open('faults', 1)
    request.onupgradeneeded = () => request.result.createObjectStore('s').createIndex('n', 'n')
    request.onsuccess = () => {
      request.result.close()
      resolve()
    }
    request.onerror = () => reject(new Error(request.error.message))
  })
  await closeFactory(factory)
  client = await connect(server.address, { database: 'faults' })
})

after(async () => {
  if (noServer) return
  await client.close()
  await server.stop()
})

/** Put n, twice in one transaction; gives 'complete', 'aborted', 'unknown', or 'not opened'. Every event must come. */
function put (factory, n) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no event for ${PATIENCE_MS} ms at ${n}`)), PATIENCE_MS)
    const end = word => {
      clearTimeout(timer)
      resolve(word)
    }
    let open = 0
    const count = request => {
      open++
      request.onsuccess = request.onerror = () => { open-- }
    }
    const request = factory.open('faults')
    request.onerror = () => end('not opened')
    request.onsuccess = () => {
      const db = request.result
      const transaction = db.transaction('s', 'readwrite')
      const store = transaction.objectStore('s')
      count(store.put({ n }, 'first'))
      count(store.index('n').getAll())
      count(store.put({ n }, 'second'))
      transaction.oncomplete = () => {
        db.close()
        end(open === 0 ? 'complete' : 'complete with requests open')
      }
      transaction.onabort = () => {
        db.close()
        if (open > 0) end('aborted with requests open')
        else end(transaction.error?.cause?.maybeCommitted ? 'unknown' : 'aborted')
      }
    }
  })
}

const read = async () => [(await client.get('s', 'first'))?.v.n ?? null, (await client.get('s', 'second'))?.v.n ?? null]

for (const side of ['cutUp', 'cutDown']) {
  test(`indexeddb: a connection that is cut after any number of bytes, ${side}`, { skip: noServer, timeout: 200_000 }, async () => {
    const words = {}
    let whole = Infinity
    for (let bytes = 1, n = 0; bytes < whole; bytes += STEP, n++) {
      // What asks for the outcome of a commit comes later, and comes through.
      const proxy = await Proxy.start(server.port, number => number === 0 ? { [side]: bytes } : {})
      const factory = createFactory({ address: proxy.address })
      const [before] = await read()
      const mark = `${side} ${n}`
      const word = await put(factory, mark)
      const found = await read()
      if (word === 'complete') assert.deepEqual(found, [mark, mark], `told complete at ${bytes} bytes`)
      else if (word === 'aborted' || word === 'not opened') assert.deepEqual(found, [before, before], `told ${word} at ${bytes} bytes`)
      else assert.equal(word, 'unknown', `at ${bytes} bytes`)
      words[word] = (words[word] ?? 0) + 1
      if (word === 'complete' && (side === 'cutUp' ? proxy.up : proxy.down) < bytes) whole = bytes
      await closeFactory(factory)
      await proxy.stop()
    }
    for (const word of ['complete', 'aborted', 'not opened']) assert.ok(words[word] > 0, `${word} has not come up: ${JSON.stringify(words)}`)
    assert.equal(words.unknown, undefined, 'the outcome could be asked for')
  })
}

for (const faults of [{ split: 1 }, { join: 4096 }, { split: 7, join: 100 }, { late: { seed: 1, ms: 5 } }]) {
  test(`indexeddb: pieces of messages, ${JSON.stringify(faults)}`, { skip: noServer }, async () => {
    const proxy = await Proxy.start(server.port, () => faults)
    const factory = createFactory({ address: proxy.address })
    assert.equal(await put(factory, 'pieces'), 'complete')
    await closeFactory(factory)
    await proxy.stop()
  })
}

test('indexeddb: events are in the order of the answers, however many of those come at once', { skip: noServer }, async () => {
  const proxy = await Proxy.start(server.port, () => ({ join: 1 << 20 }))
  const factory = createFactory({ address: proxy.address })
  const db = await new Promise((resolve, reject) => {
    const request = factory.open('faults')
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(new Error(request.error.message))
  })
  const told = []
  const expected = []
  await Promise.all(Array.from({ length: 300 }, (_, n) => new Promise((resolve, reject) => {
    const transaction = db.transaction('s', 'readwrite', { durability: 'relaxed' })
    transaction.objectStore('s').put({ n }, 'order').onsuccess = () => told.push(`put ${n}`)
    transaction.oncomplete = () => {
      told.push(`complete ${n}`)
      resolve()
    }
    transaction.onabort = () => reject(new Error(transaction.error.message))
    expected.push(`put ${n}`, `complete ${n}`)
  })))
  assert.deepEqual(told, expected)
  db.close()
  await closeFactory(factory)
  await proxy.stop()
})

test('indexeddb: a server that cannot be reached is an error of the request', async () => {
  const factory = createFactory({ address: 'holdfast://127.0.0.1:1' })
  for (const request of [factory.open('x'), factory.deleteDatabase('x')]) {
    await new Promise((resolve, reject) => {
      request.onerror = resolve
      request.onsuccess = () => reject(new Error('success'))
    })
    assert.equal(request.error.name, 'AbortError')
  }
  await assert.rejects(factory.databases(), { name: 'CONNECTION' })
})
