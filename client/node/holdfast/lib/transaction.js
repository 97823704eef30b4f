// transaction.js - the methods of stores and records, and the transaction that has them.
import { HoldfastError, local } from './errors.js'
import { getEachWithin, Settled } from './gets.js'
import { camel, IN_TRANSACTION, METHODS, WRITES } from './methods.js'
import { Cursor, Query, Scan } from './scan.js'


const PAGE = 65535 // entries of a list: as many as the server gives at once

/** A list that the server gives in pages, whole; `apart` reads one of more than a page again, as of one moment. */
export async function listPages (list, ask, options, apart) {
  const all = []
  for (let from; ;) {
    const page = await ask({ ...options, limit: PAGE, ...(from !== undefined && { from }) })
    if (page.next !== null && apart) return await apart()
    all.push(...page[list])
    if (page.next === null) return all
    from = page.next
  }
}

/** Whether the options ask for a page. */
export const isPage = options => (options?.from ?? options?.limit ?? null) !== null

/** The methods of stores and records. A client has them, each call by itself, and a transaction. */
export class Records {
  /** The rows of a range, as an async iterable that fetches a page ahead. See Scan. */
  scan (source, range, options) {
    return new Scan(() => this._place(), source, range, options)
  }

  /** The answer to a query: to be awaited, or iterated over. See Query. `args` is a list or an object. */
  query (text, args, options) {
    if (typeof text !== 'string') throw local('MISUSE', 'query: the text is missing')
    this._writes?.()
    return new Query(this._place(), text, args, options ?? undefined)
  }

  /** The stores; with `from` or `limit` a page of them, {stores, next}. */
  stores (options) {
    if (isPage(options)) return this._call('stores', [options], [])
    const apart = this._apart && (() => this._apart('stores', t => t.stores(options)))
    const all = listPages('stores', o => this._call('stores', [o], []), options, apart)
    all.catch(ignore)
    return all
  }

  /** A cursor that can be turned and moved. See Cursor. */
  cursor (source, range, options) {
    let place
    try {
      place = this._place()
    } catch (e) {
      place = Promise.reject(e) // the first page says so
    }
    return new Cursor(place, source, range, options)
  }
}

/** Make methods of a class of those of the table for which `isMeant(method, parameters)`. */
export function defineMethods (prototype, isMeant, call) {
  for (const [method, parameters] of Object.entries(METHODS)) {
    const name = camel(method)
    if (!isMeant(method, parameters) || Object.hasOwn(prototype, name)) continue
    const names = parameters[0] === 't' ? parameters.slice(1) : parameters
    Object.defineProperty(prototype, name, {
      value: { [name] (...args) { return this[call](method, args, names) } }[name],
      configurable: true,
      writable: true
    })
  }
}

defineMethods(Records.prototype, (method, parameters) => parameters[0] === 't' && !IN_TRANSACTION.has(method), '_call')

/** Split what a method was called with into parameters and options; complain of what is missing. */
export function checkArguments (method, args, names) {
  if (args.length > names.length + 1) {
    throw local('MISUSE', `${method}: ${args.length} arguments; it takes ${names.join(', ')} and options`)
  }
  const options = args.length > names.length ? args[names.length] : undefined
  const isMap = options === undefined || options === null ||
    (typeof options === 'object' && !Array.isArray(options))
  if (!isMap) throw local('MISUSE', `${method}: options are an object, not ${String(options)}`)
  const params = args.length > names.length ? args.slice(0, names.length) : args
  while (params.length > 0 && params[params.length - 1] === undefined) params.pop()
  for (let i = 0; i < names.length; i++) {
    const name = names[i]
    const isOptional = name.endsWith('?')
    if (params[i] === undefined) {
      if (!isOptional) throw local('MISUSE', `${method}: the argument "${name}" is missing`)
      if (i < params.length) params[i] = null
    } else if (name === 'key' || name === 'key?') checkKey(method, params[i])
  }
  return { params, options }
}

function checkKey (method, key) {
  if (typeof key === 'number' && Number.isNaN(key)) throw local('BAD_KEY', `${method}: NaN cannot be a key`)
}

/** A transaction that is open. `db.transaction` and `db.begin` make one. */
export class Transaction extends Records {
  #client
  #connection
  #handle
  #state = 'open' // 'ending' while commit or rollback is on its way, then 'over'
  #abort = null
  #doom = null
  #fails = true // on_error: 'fail'
  #failed = null // the first error that the server knows nothing of

  /** Resolves to {version, snapshot} when the server has begun it; with a lock, when that is granted. */
  ready
  /** The server's number of it, and the last commit that it sees; known when `ready`. */
  version
  snapshot
  /** The number of its commit; null where nothing was written, undefined before. */
  committed
  /** Why `begin` was refused, if it was. */
  refused = null
  /** Whether it has asked for anything that writes. */
  hasWritten = false

  constructor (client, connection) {
    super()
    this.#client = client
    this.#connection = connection
  }

  /** Take the handle and send `begin`, or another method that begins it. */
  _begin (handle, options, method = 'begin', params = [handle]) {
    this.#handle = handle
    this.#fails = options.onError !== 'continue' && options.on_error !== 'continue'
    this.ready = this.#connection.request(method, params, params.length, options, { owner: this, late: null, always: true })
      .then(answer => {
        this.version = answer.version
        this.snapshot = answer.snapshot
        return answer
      }, error => {
        this.refused = error
        if (error instanceof HoldfastError) this.#over()
        else this.#sendRollback().catch(ignore) // nobody waits for it, but the server will begin it
        throw error
      })
    this.ready.catch(ignore)
    return this
  }

  get handle () { return this.#handle }
  get isOpen () { return this.#state === 'open' && this.#connection.isOpen }
  get hasEnded () { return this.#state !== 'open' }
  get connection () { return this.#connection }

  /** Aborted when the transaction is certain to lose (needs `db.subscribe(['doomed'])`) or was aborted. */
  get signal () {
    if (this.#abort === null) {
      this.#abort = new AbortController()
      if (this.#doom !== null) this.#abort.abort(this.#doom)
    }
    return this.#abort.signal
  }

  _doomed (error) {
    this.#doom ??= error
    this.#abort?.abort(error)
  }

  /** Reject all that waits in it with `reason`, and roll it back. */
  _abandon (reason) {
    this._doomed(reason)
    this.#connection.abandon(this, reason)
    return this.rollback().catch(ignore)
  }

  _writes () { this.hasWritten = true }

  _place () {
    this.#check('scan')
    return { connection: this.#connection, owner: this }
  }

  /** A request in it was refused before it was sent: as with the server's errors, it cannot commit. */
  _refuse (error) {
    if (this.#fails) this.#failed ??= error
  }

  #check (method) {
    if (this.#state === 'open') return
    throw this.refused ?? local('MISUSE', `${method}: the transaction has ended`)
  }

  _call (method, args, names) {
    try {
      const { params, options } = checkArguments(method, args, names)
      params.unshift(this.#handle)
      return this.#request(method, params, names.length + 1, options)
    } catch (e) {
      return this.#refused(e)
    }
  }

  // Its commit repeats what went wrong, so nobody has to wait for each request.
  #request (method, params, places, options) {
    try {
      this.#check(method)
      if (WRITES.has(method)) this.hasWritten = true
      const promise = this.#connection.request(method, params, places, options, { owner: this, late: null, always: false })
      promise.catch(ignore)
      return promise
    } catch (e) {
      return this.#refused(e)
    }
  }

  #refused (error) {
    this._refuse(error)
    const promise = Promise.reject(error)
    promise.catch(ignore)
    return promise
  }

  /** As `getEach` of the client, in it. The error of a key is no error of the transaction. */
  async getEach (source, keys, options) {
    if (!Array.isArray(keys)) throw local('MISUSE', 'getEach: keys must be an array')
    const settled = new Settled(keys.length)
    await getEachWithin(left => this.getMany(source, left, { ...options, each: true }), [...keys], settled.waiters)
    return settled.results
  }

  /** Any method that takes a transaction or a cursor in it, by its name, with all of its parameters but the transaction. */
  call (method, ...params) {
    if (method !== 'next' && method !== 'close') params.unshift(this.#handle)
    return this.#request(method, params, params.length, undefined)
  }

  /**
   * Commit. Gives the number of the commit, null where nothing was written. `token` in the options is 16
   * bytes by which `db.outcome` tells what became of it.
   */
  async commit (options) {
    this.#check('commit')
    if (this.#failed !== null) {
      await this.#sendRollback()
      throw this.#failed
    }
    this.#state = 'ending'
    this.token = options?.token ?? (this.hasWritten ? this.#client._newToken() : undefined)
    try {
      const answer = await this.#connection.request('commit', [this.#handle], 1, { ...options, token: this.token },
        { owner: this, late: null, always: true })
      this.#over()
      this.committed = answer.commit
      return answer.commit
    } catch (e) {
      // A deadline that passed before the commit began leaves the transaction as it was.
      if (e.name === 'DEADLINE' && !e.maybeCommitted) this.#state = 'open'
      else this.#over()
      throw this.refused ?? e
    }
  }

  /** Roll back; harmless where it has ended already. */
  async rollback (options) {
    if (this.#state === 'open') await this.#sendRollback(options)
  }

  async #sendRollback (options) {
    this.#state = 'ending'
    try {
      await this.#connection.request('rollback', [this.#handle], 1, options, { owner: null, late: null, always: true })
    } catch (e) {
      // With the connection or its handle the transaction is gone: what was asked for.
      if (e.name !== 'CONNECTION' && e.name !== 'NO_TXN' && e.name !== 'PROTOCOL') throw e
    } finally {
      this.#over()
    }
  }

  #over () {
    this.#state = 'over'
    this.#connection.freeHandle(this.#handle)
  }

  async [Symbol.asyncDispose] () { await this.rollback() }
}

defineMethods(Transaction.prototype, method => IN_TRANSACTION.has(method) && method !== 'begin', '_call')

function ignore () {}
