// client.js - a database: connects, connects again, retries transactions, and finds out by token
// what became of a commit whose answer was lost.
import { randomFillSync } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { parseAddress } from './address.js'
import { ALWAYS, Connection } from './connection.js'
import { ensureIndex, ensureStore } from './definitions.js'
import { fromServer, HoldfastError, local } from './errors.js'
import { getEach, Settled } from './gets.js'
import { login } from './login.js'
import { checkArguments, defineMethods, isPage, listPages, Records, Transaction } from './transaction.js'

const DEFAULTS = {
  client: undefined, // what logs and `holds` call this program
  database: undefined,
  user: undefined, // to log in as, with
  tls: undefined, // true, or options of node:tls such as {ca, cert, key}
  password: undefined, // a text, or a function that gives one or the promise of one
  reconnect: true,
  waitForServer: false, // the first connection is tried for as often as one that was lost
  connectTimeoutMs: 10_000, // for a connection, also for all tries to get a lost one back
  closeTimeoutMs: 5_000, // for answers that are still on their way when closing
  heartbeatMs: 30_000, // of silence after which the server is asked whether it is there
  queueBytesMax: 64 * 1024 * 1024, // that wait to be sent; more is refused (OVERLOADED)
  attempts: 10, // of a transaction
  retryMs: 30_000, // after which no further attempt begins
  delayFirstMs: 5, // bound of the first pause between attempts; it doubles,
  delayMaxMs: 1_000 // up to this
}

const LOCK_AFTER_LOSSES = 4

/** Connect to a server. Rejects where that fails; what is lost later is connected again. */
export async function connect (address, options = {}) {
  const client = new Client(address, options)
  await client._connect()
  return client
}

export class Client extends EventEmitter {
  #target
  #settings
  #connection = null
  #connecting = null // the promise of the next connection
  #waiting = [] // {resolve, reject}: who wants it, in their order
  #events = new Set() // subscribed to
  #isClosed = false
  #isSaid = false // that it is closed
  #error = null // why the last connection was lost or could not be made
  #closing = null
  #isKeeping = true
  #known = {} // of the password (login.js)

  constructor (address, options = {}) {
    super()
    for (const name of Object.keys(options)) {
      if (!(name in DEFAULTS)) {
        throw local('MISUSE', `connect: unknown option "${name}"; there are ${Object.keys(DEFAULTS).join(', ')}`)
      }
    }
    this.#target = parseAddress(address)
    this.#settings = { ...DEFAULTS, ...options }
    this.#settings.database ??= this.#target.database
    this.#settings.user ??= this.#target.user
    if (this.#target.tls && this.#settings.tls === false) throw local('MISUSE', 'connect: the address is one of TLS, which is off')
    this.#settings.tls ??= this.#target.tls
    if (this.#settings.tls && this.#target.path !== undefined) throw local('MISUSE', 'connect: a Unix socket has no TLS')
    if (this.#settings.user !== undefined && this.#settings.password === undefined) {
      throw local('MISUSE', 'connect: a user needs a password (option password)')
    }
  }

  /** What the server has said of itself: {server, version, protocol, features, limits}. */
  get server () { return this.#connection?.server ?? null }
  get limits () { return this.#connection?.limits ?? {} }
  get isConnected () { return this.#connection !== null }

  /** Whether the server has this feature, as `server.features` lists them. */
  hasFeature (feature) { return this.#connection?.features.has(feature) === true }

  // ---- The connection --------------------------------------------------------------------

  async _connect () {
    this.#connection = await (this.#settings.waitForServer ? this.#tryAgain() : this.#open())
    this.emit('connect')
  }

  async #open () {
    const settings = this.#settings
    let connection = null
    const isCurrent = () => connection !== null && this.#connection === connection
    connection = await Connection.open(this.#target, settings,
      (name, params) => this.#pushed(connection, name, params),
      error => { if (isCurrent()) this.#lost(error) })
    try {
      const hello = { client: settings.client ?? `holdfast (Node ${process.versions.node})`, protocol: 1 }
      if (settings.database !== undefined) hello.database = settings.database
      connection.greet(await connection.request('hello', [hello], 1, { signal: AbortSignal.timeout(settings.connectTimeoutMs) }, ALWAYS))
      if (settings.user !== undefined) await this.#logIn(connection)
      if (this.#events.size > 0) await connection.request('subscribe', [[...this.#events]], 1, undefined, ALWAYS)
    } catch (e) {
      connection.destroy(null)
      if (e instanceof HoldfastError) throw e
      throw local('CONNECTION', `no answer to hello after ${settings.connectTimeoutMs} ms`, { retryable: true, cause: e })
    }
    if (!this.#isKeeping) connection.unref()
    if (!connection.isOpen) throw local('CONNECTION', 'the server has closed the connection', { retryable: true })
    return connection
  }

  async #logIn (connection) {
    const { user, password, connectTimeoutMs } = this.#settings
    const timer = setTimeout(() => connection.destroy(local('CONNECTION', `the login has taken more than ${connectTimeoutMs} ms`)),
      connectTimeoutMs)
    try {
      await login(connection, user, typeof password === 'function' ? await password() : password, this.#known,
        connection.binding, connection.server.login ?? [])
    } finally {
      clearTimeout(timer)
    }
  }

  #lost (error) {
    this.#connection = null
    if (this.#isClosed) return
    this.#error = error
    this.emit('disconnect', error)
    if (this.#settings.reconnect) this.#reconnect()
    else this.#sayClosed()
  }

  // Try until a connection is there or connectTimeoutMs is over; then the next request tries again.
  #reconnect () {
    this.#connecting ??= this.#tryAgain().then(connection => {
      this.#connecting = null
      if (this.#isClosed) {
        connection.destroy(null)
        throw closedError()
      }
      this.#connection = connection
      for (const { resolve } of this.#waiting.splice(0)) resolve(connection)
      this.emit('connect')
    }).catch(error => {
      this.#connecting = null
      for (const { reject } of this.#waiting.splice(0)) reject(error)
    })
  }

  async #tryAgain () {
    const until = performance.now() + this.#settings.connectTimeoutMs
    for (let failures = 1; ; failures++) {
      if (this.#isClosed) throw closedError()
      if (this.#error !== null) this.emit('reconnecting', failures, this.#error)
      try {
        return await this.#open()
      } catch (e) {
        this.#error = e
        if (!e.retryable) throw e
        const delay = Math.max(e.retryAfterMs, pause(failures, 20, 1000))
        if (performance.now() + delay > until) throw e
        await sleep(delay, null, this.#waiting.length === 0)
      }
    }
  }

  // The connection, or the promise of the next one. Whoever waits gets it in the order of the calls.
  #ready () {
    if (this.#isReady()) return this.#connection
    if (this.#isClosed || !this.#settings.reconnect) {
      return Promise.reject(this.#isClosed ? closedError() : local('CONNECTION', 'the connection is lost', { retryable: false }))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#reconnect()
    })
  }

  /** End: what was asked is still answered, then the connection is closed. */
  close () {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end () {
    this.#isClosed = true
    const connection = this.#connection
    for (const { reject } of this.#waiting.splice(0)) reject(closedError())
    if (connection !== null) await connection.end(this.#settings.closeTimeoutMs)
    this.#connection = null
    this.#sayClosed()
  }

  #sayClosed () {
    if (this.#isSaid) return
    this.#isSaid = true
    this.emit('close')
  }

  async [Symbol.asyncDispose] () { await this.close() }

  /** Keep the process alive as long as the client is not closed: what it does unless unref is called. */
  ref () {
    this.#isKeeping = true
    this.#connection?.ref()
  }

  /** Keep the process alive only while an answer is waited for. */
  unref () {
    this.#isKeeping = false
    this.#connection?.unref()
  }

  /** Resolves when less than a quarter of queueBytesMax waits to be sent. */
  async drained () { await this.#connection?.drained() }

  // ---- Requests --------------------------------------------------------------------------

  _place () {
    const ready = this.#ready()
    if (ready instanceof Promise) return ready.then(connection => ({ connection, owner: null }))
    return { connection: ready, owner: null }
  }

  // An async function would settle a tick later; where the connection is there this is the hot path.
  _call (method, args, names) {
    try {
      const { params, options } = checkArguments(method, args, names)
      params.unshift(null)
      return this.#request(method, params, names.length + 1, options)
    } catch (e) {
      return Promise.reject(e)
    }
  }

  _server (method, args, names) {
    try {
      const { params, options } = checkArguments(method, args, names)
      return this.#request(method, params, names.length, options)
    } catch (e) {
      return Promise.reject(e)
    }
  }

  #request (method, params, places, options, place) {
    const ready = this.#ready()
    if (ready instanceof Promise) return ready.then(connection => connection.request(method, params, places, options, place))
    return ready.request(method, params, places, options, place)
  }

  // Those of one turn leave as one request; with options each by itself.
  get (source, key) {
    const isPlain = arguments.length === 2 && typeof source === 'string' && key !== undefined && !Number.isNaN(key)
    if (!isPlain || !this.#isReady()) return Records.prototype.get.apply(this, arguments)
    return new Promise((take, fail) => this.#connection.get(source, key, { take, fail }))
  }

  /** For layers on top of this: as `get`, but waiter.take(value) or waiter.fail(error) is called instead of settling a promise. */
  getTo (store, key, waiter) {
    if (this.#isReady()) this.#connection.get(store, key, waiter)
    else this.get(store, key).then(value => waiter.take(value), error => waiter.fail(error))
  }

  /**
   * Several records as of one commit, however large they are together, each with its own error: as of Promise.allSettled.
   */
  async getEach (source, keys, options) {
    if (!Array.isArray(keys)) throw local('MISUSE', 'getEach: keys must be an array')
    const settled = new Settled(keys.length)
    const ready = this.#ready() // the place of the request is that of the call
    const connection = ready instanceof Promise ? await ready : ready
    await getEach(connection, source, [...keys], options, settled.waiters)
    return settled.results
  }

  // Nobody waits for a connection, and there is one.
  #isReady () { return this.#connection !== null && this.#waiting.length === 0 }

  /** Any method of the protocol by its name, with all of its parameters: `db.call('get', null, 'users', 7)`. */
  call (method, ...params) {
    try {
      return this.#request(method, params, params.length, undefined)
    } catch (e) {
      return Promise.reject(e)
    }
  }

  /** From now on these events are emitted, instead of those before: 'doomed', 'warning', 'shutdown'. */
  async subscribe (events) {
    await this.call('subscribe', [...events])
    this.#events = new Set(events)
  }

  #pushed (connection, name, params) {
    const [first, second] = params
    const event = name.replace(/^\$/, '')
    if (event === 'doomed') {
      const transaction = connection.owner(first)
      const error = fromServer(second)
      transaction?._doomed(error)
      this.emit('doomed', transaction, error)
    } else if (event === 'warning') this.emit('warning', first, connection.owner(first?.t))
    else if (event !== 'error') this.emit(event, ...params)
  }

  // ---- Transactions ----------------------------------------------------------------------

  /** Begin a transaction; commit it or roll it back. `transaction` does that, and retries. */
  async begin (options = {}) {
    const transaction = await this.#begin(options, options.signal, this.#settings.retryMs)
    await transaction.ready
    return transaction
  }

  /**
   * Begin a transaction without waiting, so that it sees nothing that is sent later; requests in it follow
   * right behind. Throws where no connection is there, or as many are open as the server takes.
   */
  start (options = {}) {
    const { transaction, handle } = this.#take('start')
    return transaction._begin(handle, options)
  }

  /**
   * The transaction that changes the database's version, for an opener (see `attach`): it begins, with the whole
   * database locked, when no other opener is left. Its commit sets the version.
   */
  upgrade (opener, to, options = {}) {
    const { transaction, handle } = this.#take('upgrade')
    return transaction._begin(handle, options, 'upgrade', [opener, handle, to])
  }

  #take (what) {
    const connection = this.#ready()
    if (connection instanceof Promise) {
      connection.catch(ignore)
      throw local('CONNECTION', `${what}: the connection is lost`, { retryable: true })
    }
    const transaction = new Transaction(this, connection)
    const handle = connection.takeHandle(transaction)
    if (handle === 0) throw local('OVERLOADED', `${what}: too many transactions are open`, { retryable: true })
    return { transaction, handle }
  }

  async #begin (options, signal, waitMs) {
    signal?.throwIfAborted()
    const connection = await this.#ready()
    const transaction = new Transaction(this, connection)
    const handle = connection.takeHandle(transaction) || await connection.waitForHandle(transaction, signal, waitMs)
    return transaction._begin(handle, options)
  }

  /**
   * Run `work(tx)` in a transaction and commit it; gives what `work` gives. Where the transaction loses to
   * another or the connection is lost, it is run again from its beginning, so what `work` does besides
   * must bear repetition. What may be in force is never run again.
   */
  async transaction (work, options = {}) {
    const { signal, attempts = this.#settings.attempts, retryMs = this.#settings.retryMs, ...begin } = options
    const until = performance.now() + retryMs
    for (let losses = 1; ; losses++) {
      const { value, error } = await this.#attempt(work, begin, signal, until)
      if (error === undefined) return value
      const isOver = !(error instanceof HoldfastError) || !error.retryable || error.maybeCommitted || losses >= attempts
      if (isOver) throw error
      const delay = Math.max(error.retryAfterMs, pause(losses, this.#settings.delayFirstMs, this.#settings.delayMaxMs))
      if (performance.now() + delay > until) throw error
      await sleep(delay, signal)
      // Whoever has lost so often asks to be the one that others lose to.
      const { wrote } = error.details
      if (losses >= LOCK_AFTER_LOSSES && begin.lock === undefined && wrote?.length > 0 && this.hasFeature('locks')) {
        begin.lock = { exclusive: wrote }
      }
    }
  }

  // One attempt: {value}, or {error} with error.retryable where another one may go well.
  async #attempt (work, options, signal, until) {
    let transaction
    try {
      transaction = await this.#begin(options, signal, Math.max(1, until - performance.now()))
      if (options.lock !== undefined) await abortable(transaction, transaction.ready, signal)
    } catch (error) {
      signal?.throwIfAborted()
      return { error }
    }
    let value
    try {
      value = await abortable(transaction, work(transaction), signal)
    } catch (error) {
      await transaction.rollback().catch(ignore)
      signal?.throwIfAborted()
      return { error: transaction.refused ?? error }
    }
    return this.#commit(transaction, value)
  }

  async #commit (transaction, value) {
    if (transaction.refused !== null) return { error: transaction.refused }
    if (transaction.hasEnded) return { value } // by the work itself
    try {
      await transaction.commit()
      return { value }
    } catch (error) {
      if (transaction.refused === null && !error.maybeCommitted) await transaction.rollback().catch(ignore)
      return await this.#becameOf(transaction, value, error)
    }
  }

  // The commit has answered an error. Is it in force?
  async #becameOf (transaction, value, error) {
    if (!error.maybeCommitted) return { error }
    if (!transaction.hasWritten) return { error: local('CONNECTION', error.message, { cause: error, retryable: true }) }
    if (transaction.token === undefined) return { error }
    const known = transaction.snapshot === undefined ? undefined : { snapshot: transaction.snapshot }
    const { state, commit } = await this.#ask(transaction.token, known).catch(cause => ({ state: 'unknown', cause }))
    if (state === 'committed') {
      transaction.committed = commit
      return { value }
    }
    if (state === 'unknown') return { error }
    return { error: local('CONNECTION', error.message, { cause: error, retryable: true }) }
  }

  // The question may be lost as well.
  async #ask (token, known) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#request('outcome', [token], 1, known)
      } catch (e) {
        if (!e.retryable || attempt >= this.#settings.attempts) throw e
        await sleep(Math.max(e.retryAfterMs, pause(attempt, this.#settings.delayFirstMs, this.#settings.delayMaxMs)))
      }
    }
  }

  /**
   * Several operations as one transaction in one trip: {results, commit}. With a `token` (newToken()) it is sent again when
   * the connection is lost, and still done once; `results` is then null where it had been done already.
   */
  async run (operations, options) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#request('run', [operations], 1, options)
      } catch (e) {
        const isAgain = e.name === 'CONNECTION' && e.maybeCommitted && options?.token !== undefined
        if (!isAgain || attempt >= this.#settings.attempts) throw e
      }
    }
  }

  /** Create a store unless it is there: true where it was not. EXISTS where one with another definition is. */
  ensureStore (name, options) { return ensureStore(this, name, options) }

  /** The same of an index. */
  ensureIndex (store, name, options) { return ensureIndex(this, store, name, options) }

  /** What became of the commit with this token: {state, commit}. */
  outcome (token, options) {
    return this.#request('outcome', [token], 1, options)
  }

  /** The databases that exist; with `from` or `limit` a page of them, {databases, next}. */
  databases (options) {
    if (isPage(options)) return this._server('databases', [options], [])
    return listPages('databases', o => this._server('databases', [o], []), options)
  }

  // Read as of one moment.
  async _apart (label, work) {
    const transaction = await this.begin({ readOnly: true, label })
    try {
      return await work(transaction)
    } finally {
      await transaction.rollback().catch(ignore)
    }
  }

  _newToken () { return this.hasFeature('tokens') ? newToken() : undefined }
}

// The methods of stores and records, and those of the server.
for (const name of Object.getOwnPropertyNames(Records.prototype)) {
  if (name === 'constructor' || Object.hasOwn(Client.prototype, name)) continue
  Object.defineProperty(Client.prototype, name, Object.getOwnPropertyDescriptor(Records.prototype, name))
}
const SPECIAL = new Set(['hello', 'next', 'close', 'cancel', 'login_begin', 'login_end'])
defineMethods(Client.prototype, (method, parameters) => parameters[0] !== 't' && !SPECIAL.has(method), '_server')

/** 16 random bytes: the token of a commit. */
export function newToken () {
  if (randomAt === RANDOM_BYTES) {
    randomFillSync(random)
    randomAt = 0
  }
  const token = Buffer.allocUnsafe(16)
  random.copy(token, 0, randomAt, randomAt + 16)
  random.fill(0, randomAt, randomAt + 16) // nobody else has it
  randomAt += 16
  return token
}

// Random bytes for many tokens: to ask for 16 takes as long as to ask for thousands.
const RANDOM_BYTES = 4096
const random = Buffer.alloc(RANDOM_BYTES)
let randomAt = RANDOM_BYTES

// Full jitter: 0 to first, the bound doubling with each loss up to max.
function pause (losses, first, max) {
  return Math.random() * Math.min(max, first * 2 ** (losses - 1))
}

function sleep (ms, signal, isIdle = false) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (isIdle) timer.unref()
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

// The promise, or the reason of the signal as soon as that is aborted; the transaction is then rolled back.
async function abortable (transaction, promise, signal) {
  if (!signal) return promise
  let onAbort
  const aborted = new Promise((resolve, reject) => {
    onAbort = () => {
      transaction._abandon(signal.reason)
      reject(signal.reason)
    }
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
    aborted.catch(ignore)
    Promise.resolve(promise).catch(ignore)
  }
}

function closedError () {
  return local('CONNECTION', 'the client is closed', { retryable: false })
}

function ignore () {}
