// A process of its own: runs what its parent sends, a piece of a program at a time, and answers with what that gives.
// `state` lives as long as the process; `say(text)` sends a word in between.
import { createFactory, IDBKeyRange } from '../index.js'

const indexedDB = createFactory({ address: process.env.HOLDFAST_ADDRESS })
const state = {}
const AsyncFunction = (async () => {}).constructor

const done = request => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result)
  request.onerror = event => {
    event.preventDefault()
    reject(request.error)
  }
})

const complete = transaction => new Promise((resolve, reject) => {
  transaction.oncomplete = () => resolve('complete')
  transaction.onabort = () => reject(transaction.error ?? new Error('aborted'))
})

/** Keep a transaction alive until the function that it gives is called. */
function hold (transaction, name) {
  let isHeld = true
  const spin = () => { if (isHeld) transaction.objectStore(name).count().onsuccess = spin }
  spin()
  return () => { isHeld = false }
}

const say = word => process.send({ word })

process.on('message', async ({ number, code }) => {
  try {
    const work = new AsyncFunction('indexedDB', 'IDBKeyRange', 'state', 'done', 'complete', 'hold', 'say', code)
    process.send({ number, result: await work(indexedDB, IDBKeyRange, state, done, complete, hold, say) ?? null })
  } catch (e) {
    process.send({ number, error: `${e.name}: ${e.message}` })
  }
})
say('ready')
