// Several processes on one database: locks, upgrades, deletion, and processes and servers that are killed.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { afterEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from 'holdfast'
import { serve } from '../../testing/rig.js'
import { noServer } from '../../testing/server.js'

const file = fileURLToPath(new URL('child.js', import.meta.url))
const PATIENCE_MS = 20_000
const children = new Set()
const rig = serve()

class Child {
  #number = 0
  #waiting = new Map()
  #words = []
  #listening = []

  static async start () {
    const child = new Child()
    child.process = fork(file, { env: { ...process.env, HOLDFAST_ADDRESS: rig.server.address } })
    children.add(child)
    child.process.on('message', message => child.#take(message))
    child.ended = new Promise(resolve => child.process.once('exit', resolve))
    await child.hears('ready')
    return child
  }

  #take ({ word, number, result, error }) {
    if (word !== undefined) {
      this.#words.push(word)
      for (const listen of this.#listening.splice(0)) listen()
    } else if (error === undefined) this.#waiting.get(number).resolve(result)
    else this.#waiting.get(number).reject(new Error(error))
  }

  /** Run a piece of a program there; gives what it returns. */
  run (code) {
    const number = ++this.#number
    return patient(new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.process.send({ number, code })
    }), code)
  }

  /** Resolves when the child says the word. */
  hears (word) {
    const wait = async () => {
      while (!this.#words.includes(word)) await new Promise(resolve => this.#listening.push(resolve))
      this.#words.splice(this.#words.indexOf(word), 1)
    }
    return patient(wait(), `the word ${word}`)
  }

  get words () { return [...this.#words] }

  async kill () {
    this.process.kill('SIGKILL')
    await this.ended
    children.delete(this)
  }
}

function patient (promise, what) {
  let timer
  const late = new Promise((resolve, reject) => { timer = setTimeout(() => reject(new Error(`nothing has come: ${what}`)), PATIENCE_MS) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Until so many wait for a lock at the server. */
async function waiting (count) {
  await patient((async () => {
    while ((await rig.client.holds()).filter(({ kind }) => kind === 'waiting').length < count) await new Promise(resolve => setImmediate(resolve))
  })(), `${count} transactions that wait`)
}

const OPEN = (name, version = 1) => `
  const request = indexedDB.open('${name}', ${version})
  request.onupgradeneeded = () => { if (!request.result.objectStoreNames.contains('s')) request.result.createObjectStore('s') }
  request.onblocked = () => say('blocked')
  state.db = await done(request)
  state.db.onversionchange = event => say('versionchange ' + event.oldVersion + ' ' + event.newVersion)
  state.db.onclose = () => say('close')`

afterEach(() => Promise.all([...children].map(child => child.kill())))

const pair = () => Promise.all([Child.start(), Child.start()])

test('indexeddb: processes that add to one counter at once lose nothing and never abort', { skip: noServer }, async () => {
  const all = [...await pair(), await Child.start()]
  await Promise.all(all.map(child => child.run(OPEN('counter'))))
  await Promise.all(all.map(child => child.run(`
    await Promise.all(Array.from({ length: 40 }, () => {
      const transaction = state.db.transaction('s', 'readwrite')
      const store = transaction.objectStore('s')
      store.get('n').onsuccess = event => store.put((event.target.result ?? 0) + 1, 'n')
      return complete(transaction)
    }))`)))
  assert.equal(await all[0].run("return done(state.db.transaction('s').objectStore('s').get('n'))"), 120)
})

test('indexeddb: a reader in one process waits for a writer in another, and sees what it wrote', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await Promise.all([a.run(OPEN('order')), b.run(OPEN('order'))])
  await a.run("const t = state.db.transaction('s', 'readwrite'); state.done = complete(t); t.objectStore('s').put(1, 'k'); state.go = hold(t, 's'); state.t = t")
  const read = b.run("return done(state.db.transaction('s').objectStore('s').get('k'))")
  const write = b.run(`
    const t = state.db.transaction('s', 'readwrite')
    t.objectStore('s').put('b', 'k')
    return complete(t)`)
  await waiting(2)
  await a.run("state.t.objectStore('s').put(2, 'k'); state.go()").catch(() => {}) // not active there: the next line does it
  await a.run('state.go()')
  assert.equal(await a.run('return state.done'), 'complete')
  assert.equal(await read, 1)
  assert.equal(await write, 'complete')
  assert.equal(await a.run("return done(state.db.transaction('s').objectStore('s').get('k'))"), 'b')
})

test('indexeddb: the end of a process that holds a lock lets the others on, without what it wrote', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await Promise.all([a.run(OPEN('killed')), b.run(OPEN('killed'))])
  await a.run("const t = state.db.transaction('s', 'readwrite'); await done(t.objectStore('s').put('of a', 'k')); hold(t, 's')")
  const write = b.run(`
    const t = state.db.transaction('s', 'readwrite')
    const found = done(t.objectStore('s').get('k'))
    t.objectStore('s').put('of b', 'k')
    await complete(t)
    return await found`)
  await waiting(1)
  await a.kill()
  assert.equal(await write, null)
})

test('indexeddb: an upgrade asks the connections of other processes to close', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await a.run(OPEN('upgrade'))
  await a.run("state.db.onversionchange = event => { say('asked ' + event.oldVersion + ' ' + event.newVersion); state.db.close() }")
  await b.run(OPEN('upgrade', 3))
  await a.hears('asked 1 3')
  assert.deepEqual(b.words, [])
  assert.equal(await b.run('return state.db.version'), 3)
  await assert.rejects(a.run(OPEN('upgrade', 2)), /VersionError/)
})

test('indexeddb: an upgrade is blocked by a connection that stays open, until its process ends', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await a.run(OPEN('blocked'))
  const upgrade = b.run(OPEN('blocked', 2))
  await b.hears('blocked')
  await a.hears('versionchange 1 2')
  const late = Child.start().then(async c => {
    await c.run(OPEN('blocked', 2))
    return c.run('return state.db.version')
  })
  await a.kill()
  await upgrade
  assert.equal(await late, 2)
})

test('indexeddb: a database that another process has open is deleted when that closes it', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await a.run(OPEN('deleted', 7))
  const deleted = b.run(`
    const request = indexedDB.deleteDatabase('deleted')
    request.onblocked = event => say('blocked ' + event.oldVersion + ' ' + event.newVersion)
    return new Promise(resolve => { request.onsuccess = event => resolve([event.oldVersion, event.newVersion]) })`)
  await a.hears('versionchange 7 null')
  await b.hears('blocked 7 null')
  await a.run('state.db.close()')
  assert.deepEqual(await deleted, [7, null])
  await a.run(OPEN('deleted'))
  assert.equal(await a.run('return state.db.version'), 1)
})

test('indexeddb: the end of a process in an upgrade takes the upgrade back', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await a.run(OPEN('half'))
  await a.run('state.db.close()')
  const half = a.run(`
    const request = indexedDB.open('half', 2)
    request.onupgradeneeded = () => {
      request.result.deleteObjectStore('s')
      request.result.createObjectStore('t').put(1, 1).onsuccess = () => { hold(request.transaction, 't'); say('upgrading') }
    }
    await done(request)`)
  half.catch(() => {})
  await a.hears('upgrading')
  const open = b.run("state.db = await done(indexedDB.open('half')); return [state.db.version, ...state.db.objectStoreNames]")
  await a.kill()
  assert.deepEqual(await open, [1, 's'])
})

test('indexeddb: a server that is killed in an upgrade has the database as it was', { skip: noServer }, async () => {
  const [a, b] = await pair()
  await a.run(OPEN('crash'))
  await a.run("const t = state.db.transaction('s', 'readwrite'); t.objectStore('s').put('kept', 1); await complete(t); state.db.close()")
  await b.run(OPEN('other'))
  const upgrade = a.run(`
    const request = indexedDB.open('crash', 2)
    request.onupgradeneeded = () => {
      request.transaction.objectStore('s').clear()
      request.result.createObjectStore('t').put(1, 1).onsuccess = () => { hold(request.transaction, 't'); say('upgrading') }
      request.transaction.onabort = () => say('aborted')
    }
    await done(request)`)
  upgrade.catch(() => {})
  await a.hears('upgrading')
  await rig.client.close()
  await rig.server.kill()
  await assert.rejects(upgrade, /AbortError/)
  await a.hears('aborted')
  await b.hears('close')
  await rig.server.run()
  rig.client = await connect(rig.server.address)
  await a.run(OPEN('crash'))
  assert.deepEqual(await a.run("return [state.db.version, ...state.db.objectStoreNames, await done(state.db.transaction('s').objectStore('s').get(1))]"), [1, 's', 'kept'])
  await b.run(OPEN('other'))
  assert.deepEqual(await b.run('return [state.db.version, ...state.db.objectStoreNames]'), [1, 's'])
})
