// Through a proxy that cuts, splits and joins: every request gets its event, and no commit is told wrongly.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'holdfast'
import { HARMLESS, serve, through } from '../../testing/rig.js'
import { noServer } from '../../testing/server.js'
import { closeFactory, createFactory } from '../index.js'

const PATIENCE_MS = 20_000
const STEP = 11 // bytes between two cuts

async function open (server) {
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
  return connect(server.address, { database: 'faults' })
}

const rig = serve({ open })

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

/** What `work(factory, proxy)` gives. What asks for the outcome of a commit comes later, and comes through. */
const withFactory = (faults, work) => through(rig.server, faults, async proxy => {
  const factory = createFactory({ address: proxy.address })
  try {
    return await work(factory, proxy)
  } finally {
    await closeFactory(factory)
  }
})

const read = async () => [(await rig.client.get('s', 'first'))?.v.n ?? null, (await rig.client.get('s', 'second'))?.v.n ?? null]

for (const side of ['cutUp', 'cutDown']) {
  test(`indexeddb: a connection that is cut after any number of bytes, ${side}`, { skip: noServer, timeout: 200_000 }, async () => {
    const words = {}
    let whole = Infinity
    for (let bytes = 1, n = 0; bytes < whole; bytes += STEP, n++) {
      const [before] = await read()
      const mark = `${side} ${n}`
      let carried
      const word = await withFactory({ [side]: bytes }, async (factory, proxy) => {
        const word = await put(factory, mark)
        carried = side === 'cutUp' ? proxy.up : proxy.down
        return word
      })
      const found = await read()
      if (word === 'complete') assert.deepEqual(found, [mark, mark], `told complete at ${bytes} bytes`)
      else if (word === 'aborted' || word === 'not opened') assert.deepEqual(found, [before, before], `told ${word} at ${bytes} bytes`)
      else assert.equal(word, 'unknown', `at ${bytes} bytes`)
      words[word] = (words[word] ?? 0) + 1
      if (word === 'complete' && carried < bytes) whole = bytes
    }
    for (const word of ['complete', 'aborted', 'not opened']) assert.ok(words[word] > 0, `${word} has not come up: ${JSON.stringify(words)}`)
    assert.equal(words.unknown, undefined, 'the outcome could be asked for')
  })
}

for (const faults of HARMLESS) {
  test(`indexeddb: pieces of messages, ${JSON.stringify(faults)}`, { skip: noServer }, async () => {
    const word = await withFactory(faults, factory => put(factory, 'pieces'))
    assert.equal(word, 'complete')
  })
}

test('indexeddb: events are in the order of the answers, however many of those come at once', { skip: noServer }, async () => {
  await withFactory({ join: 1 << 20 }, checkOrder)
})

async function checkOrder (factory) {
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
}

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
