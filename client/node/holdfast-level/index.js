// holdfast-level - abstract-level over a Holdfast server: a location is a store, keys are binaries in
// the order of their bytes, a batch is one transaction, a snapshot a read-only one.
import { AbstractLevel, AbstractSnapshot } from 'abstract-level'
import { Batch, connect } from 'holdfast'
import { binary, fromStore, HoldfastIterator, HoldfastKeyIterator, HoldfastValueIterator, levelError, rangeOf, toKey, toStore } from './iterator.js'

const BATCH_OPERATIONS = 10_000 // beyond either, a batch goes as a transaction of many requests
const BATCH_BYTES = 4 * 1024 * 1024
const CLEAR_ROWS = 1000
const ATTEMPTS = 10

// Databases of one address share a connection.
const clients = new Map() // address: {client: promise, users}

function shareClient (address) {
  let shared = clients.get(address)
  if (shared === undefined) {
    shared = { client: connect(address, { client: 'holdfast-level' }), users: 0 }
    // A database that is open and idle keeps no process alive, as in other kinds of Level.
    shared.client.then(client => client.unref(), () => {})
    clients.set(address, shared)
    shared.client.catch(() => { if (clients.get(address) === shared) clients.delete(address) })
  }
  shared.users++
  return shared
}

async function leaveClient (address, shared) {
  if (--shared.users > 0) return
  if (clients.get(address) === shared) clients.delete(address)
  const client = await shared.client.catch(() => null)
  await client?.close()
}

export class HoldfastLevel extends AbstractLevel {
  #location
  #address
  #given // a client that is somebody else's
  #shared = null
  #client = null

  /**
   * `location` is the name of the store. Options: `address` of the server, or `client`, one that is connected
   * (it is left open); and those of abstract-level.
   */
  constructor (location, options = {}) {
    if (typeof location !== 'string' || location === '') {
      throw new TypeError("The first argument 'location' must be a non-empty string")
    }
    const { address, client, ...rest } = options ?? {}
    super({
      encodings: { buffer: true, utf8: true, view: true },
      has: true,
      createIfMissing: true,
      errorIfExists: true,
      explicitSnapshots: true,
      additionalMethods: { approximateSize: true },
      signals: { iterators: true }
    }, rest)
    this.#location = location
    this.#address = address
    this.#given = client ?? null
  }

  get location () { return this.#location }

  /** The client of the package holdfast, while the database is open. */
  get client () { return this.#client }

  async _open (options) {
    if (this.#given === null) this.#shared = shareClient(this.#address)
    try {
      this.#client = this.#given ?? await this.#shared.client
      await this.#openStore(options)
    } catch (e) {
      await this._close()
      throw levelError(e)
    }
  }

  async #openStore ({ createIfMissing, errorIfExists }) {
    const name = this.#location
    if (!createIfMissing || errorIfExists) {
      const isThere = await this.#client.has(name, Buffer.alloc(1)).then(() => true, e => {
        if (e.name !== 'NO_STORE') throw e
        return false
      })
      if (isThere && errorIfExists) throw new Error(`${name} already exists (errorIfExists is true)`)
      if (!isThere && !createIfMissing) throw new Error(`${name} does not exist (createIfMissing is false)`)
    }
    // The last writer wins, as in LevelDB: a put never loses to another.
    await this.#client.ensureStore(name, { conflict: 'none' }).catch(e => {
      if (e.name !== 'EXISTS') throw e
      // Others may have made it; but where records have their keys in them it is none of Level.
      if (e.details.option !== 'conflict') throw new Error(`${name} is not a store of Level`, { cause: e })
    })
  }

  async _close () {
    const shared = this.#shared
    this.#client = null
    this.#shared = null
    if (shared !== null) await leaveClient(this.#address, shared)
  }

  // Where to read: the database, or a snapshot of it.
  #reader (options) { return options.snapshot?.transaction ?? this.#client }

  _get (key, options) {
    if (options.snapshot !== undefined) return this.#getApart(key, options)
    const promise = new Promise(remember)
    this.#client.getTo(this.#location, toKey(key), new Waiter(resolveNew, rejectNew, options.valueEncoding))
    return promise
  }

  async #getApart (key, options) {
    try {
      return fromStore(await this.#reader(options).get(this.#location, toKey(key)), options.valueEncoding)
    } catch (e) {
      throw levelError(e)
    }
  }

  // As of one commit, however large the values are together.
  async _getMany (keys, options) {
    try {
      const results = await this.#reader(options).getEach(this.#location, keys.map(toKey))
      return results.map(({ value, reason }) => {
        if (reason !== undefined) throw reason
        return fromStore(value, options.valueEncoding)
      })
    } catch (e) {
      throw levelError(e)
    }
  }

  async _has (key, options) {
    try {
      return await this.#reader(options).has(this.#location, toKey(key))
    } catch (e) {
      throw levelError(e)
    }
  }

  async _hasMany (keys, options) {
    return Promise.all(keys.map(key => this._has(key, options)))
  }

  async _put (key, value, options) {
    try {
      if (options.sync === undefined) await this.#client.put(this.#location, toStore(value), toKey(key))
      else await this.#run([['put', [this.#location, toStore(value), toKey(key)]]], options)
    } catch (e) {
      throw levelError(e)
    }
  }

  async _del (key, options) {
    try {
      if (options.sync === undefined) await this.#client.delete(this.#location, toKey(key))
      else await this.#run([['delete', [this.#location, toKey(key)]]], options)
    } catch (e) {
      throw levelError(e)
    }
  }

  // What an operation may say of itself it says in its own place: the options are those of the whole batch. abstract-level
  // copies them into every operation, at ten times the cost of the rest, but only what is their own.
  batch (operations, options) {
    if (arguments.length === 0) return super.batch()
    return super.batch(operations, options?.sync === undefined ? options : inherited(options))
  }

  async _batch (operations, options) {
    const batch = new Batch()
    let bytes = 0
    for (const { type, key, value } of operations) {
      const name = toKey(key)
      bytes += sizeOf(key) + 16
      if (type === 'put') {
        const record = toStore(value)
        bytes += sizeOf(record)
        batch.put(this.#location, record, name)
      } else batch.delete(this.#location, name)
    }
    try {
      if (batch.length <= BATCH_OPERATIONS && bytes <= BATCH_BYTES) await this.#run(batch, options)
      else await this.#runLong(operations, options)
    } catch (e) {
      throw levelError(e)
    }
  }

  async #run (operations, { sync }) {
    const options = { durability: durability(sync) }
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#client.run(operations, options)
      } catch (e) {
        if (!e.retryable || e.maybeCommitted || attempt === ATTEMPTS) throw e
        await new Promise(resolve => setTimeout(resolve, Math.max(e.retryAfterMs, Math.random() * 5 * 2 ** attempt)))
      }
    }
  }

  #runLong (operations, { sync }) {
    return this.#client.transaction(async tx => {
      for (const { type, key, value } of operations) {
        if (type === 'put') tx.put(this.#location, toStore(value), toKey(key))
        else tx.delete(this.#location, toKey(key))
        await this.#client.drained()
      }
    }, { durability: durability(sync), label: 'batch' })
  }

  async _clear (options) {
    try {
      if (options.snapshot === undefined) {
        const { reverse } = options
        const limit = options.limit >= 0 ? options.limit : undefined
        await this.#client.deleteRange(this.#location, rangeOf(options), { limit, reverse: limit === undefined ? undefined : reverse })
      } else await this.#clearSnapshot(options)
    } catch (e) {
      throw levelError(e)
    }
  }

  // What was there in the snapshot goes, whatever it has become.
  async #clearSnapshot (options) {
    const scan = options.snapshot.transaction.scan(this.#location, rangeOf(options), {
      only: 'keys', reverse: options.reverse, limit: options.limit >= 0 ? options.limit : undefined, page: CLEAR_ROWS
    })
    for await (const keys of scan.pages()) {
      await this.#run(keys.map(key => ['delete', [this.#location, key]]), {})
    }
  }

  _iterator (options) { return new HoldfastIterator(this, this.#location, options) }
  _keys (options) { return new HoldfastKeyIterator(this, this.#location, options) }
  _values (options) { return new HoldfastValueIterator(this, this.#location, options) }
  _snapshot (options) { return new HoldfastSnapshot(this.#client, options) }

  /** About how many bytes the entries from start up to end take. */
  async approximateSize (start, end, options) {
    if (arguments.length < 2) throw new TypeError("The arguments 'start' and 'end' are required")
    if (this.status === 'opening') return this.deferAsync(() => this.approximateSize(start, end, options))
    if (this.status !== 'open') {
      throw Object.assign(new Error('Database is not open: cannot call approximateSize()'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
    }
    const encoding = this.keyEncoding(options?.keyEncoding)
    try {
      return await this.#client.size(this.#location, { gte: binary(encoding.encode(start)), lt: binary(encoding.encode(end)) })
    } catch (e) {
      throw levelError(e)
    }
  }

  /** Remove the database at a location with all that is in it. */
  static async destroy (location, { address, client } = {}) {
    const own = client ?? await connect(address, { client: 'holdfast-level' })
    try {
      await own.dropStore(location).catch(e => { if (e.name !== 'NO_STORE') throw e })
    } catch (e) {
      throw levelError(e)
    } finally {
      if (own !== client) await own.close()
    }
  }
}

/** A read-only transaction, begun at once: what is written later is not in it. */
class HoldfastSnapshot extends AbstractSnapshot {
  constructor (client, options) {
    super(options)
    try {
      this.transaction = client.start({ readOnly: true, onError: 'continue', label: 'snapshot' })
    } catch (e) {
      throw levelError(e)
    }
  }

  async _close () {
    // Nobody needs its answer.
    this.transaction.rollback().catch(() => {})
  }
}

// What settles the promise that was made last: one function for all of them, instead of a closure for each.
let resolveNew
let rejectNew
function remember (resolve, reject) {
  resolveNew = resolve
  rejectNew = reject
}

// Who waits for a value of the server.
class Waiter {
  constructor (resolve, reject, encoding) {
    this.resolve = resolve
    this.reject = reject
    this.encoding = encoding
  }

  take (value) {
    try {
      this.resolve(fromStore(value, this.encoding))
    } catch (e) {
      this.reject(e)
    }
  }

  fail (error) { this.reject(levelError(error)) }
}

function durability (sync) {
  return sync === undefined ? undefined : sync ? 'sync' : 'interval'
}

// The same options, `sync` among them, but not as their own.
function inherited ({ sync, ...rest }) { return Object.assign(Object.create({ sync }), rest) }

// The most bytes that a text or view takes.
function sizeOf (data) { return typeof data === 'string' ? 3 * data.length : data.byteLength }
