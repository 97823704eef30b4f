// holdfast-memento - the interface of Memento 0.1.51 over a Holdfast server: snapshots and mutators are
// transactions, an upgrade is one transaction with everything in it.
import { connect } from 'holdfast'
import { IteratorBuilder, map } from './cursor.js'
import { arrayKey, ASC, DSC, MementoError, partsOf, wholeKey } from './definition.js'

const ROLLBACK = Symbol('rollback')
const CATALOGUE = 'memento' // the store that has the version and the definitions of each database
const PATIENCE_MS = 24 * 3600 * 1000 // a mutator is run again until it is through

// ---- Transactions ------------------------------------------------------------------------

/** What a snapshot and a mutator have: reading. */
class Transaction {
  #memento

  constructor (memento, reader) {
    this.#memento = memento
    this.reader = reader // the transaction of the package holdfast
    this.series = 0 // changes with each write
  }

  /** Where a store, or an index as [store, index], is and how its keys are made. */
  define (name) {
    const [storeName, indexName] = Array.isArray(name) ? name : [name]
    const store = this.#memento._stores[storeName]
    MementoError.assert(store !== undefined, 'DOES_NOT_EXIST', 'store')
    if (indexName === undefined) {
      const { length } = store.parts
      return { isIndex: false, source: store.name, parts: store.parts, keyOf: row => arrayKey(row.key, length) }
    }
    const parts = store.indices[indexName]
    MementoError.assert(parts !== undefined, 'DOES_NOT_EXIST', 'index')
    return {
      isIndex: true,
      source: [store.name, indexName],
      parts,
      keyOf: row => [...arrayKey(row.index, parts.length), ...arrayKey(row.key, store.parts.length)]
    }
  }

  /** The record with the key, of an index the first one; null where there is none. */
  async get (name, key) {
    const { isIndex, source, parts } = this.define(name)
    if (!isIndex || key.length >= parts.length) return this.reader.get(source, wholeKey(key, parts.length))
    const [row] = await this.reader.scan(source, { prefix: key }, { limit: 1 }).all()
    return row === undefined ? null : row[2]
  }

  /** For joins: the record of each key, null where the key or the record is not there. */
  async getEach (name, keys) {
    const { isIndex, source, parts } = this.define(name)
    const isWhole = key => Array.isArray(key) && key.length >= parts.length && key.every(part => part !== undefined && part !== null)
    if (isIndex && !keys.every(isWhole)) {
      return Promise.all(keys.map(key => Array.isArray(key) && key.every(part => part !== undefined && part !== null) ? this.get(name, key) : null))
    }
    const whole = keys.filter(isWhole)
    if (whole.length === 0) return keys.map(() => null)
    const found = await this.#getMany(source, whole.map(key => wholeKey(key, parts.length)))
    let at = 0
    return keys.map(key => isWhole(key) ? found[at++] : null)
  }

  async #getMany (source, keys) {
    // In a transaction an answer that is too large would end it: few at a time.
    const found = []
    for (let at = 0; at < keys.length; at += 64) found.push(...await this.reader.getMany(source, keys.slice(at, at + 64)))
    return found
  }

  /** Rows from the key on (from one end, without a key). See IteratorBuilder. */
  cursor (name, key = null) { return new IteratorBuilder(this, name, key) }

  /** For each of a set of keys what is found: pages of `{key, value, items}`. */
  map (name, set, options) { return map(this, name, set, options) }
}

class Snapshot extends Transaction {}

class Mutator extends Transaction {
  /** Insert or replace. Does not wait; seen by what is read afterwards. */
  set (name, record) {
    this.series++
    this.reader.put(this.define(name).source, record)
  }

  unset (name, key) {
    const { source, parts } = this.define(name)
    this.series++
    this.reader.delete(source, wholeKey(key, parts.length))
  }

  /** End the mutator here and take back what it has written. */
  rollback () { throw ROLLBACK }
}

/** What the upgrade function gets: a mutator that can change stores and indexes. */
class Schema extends Mutator {
  #memento

  constructor (memento, reader, version) {
    super(memento, reader)
    this.#memento = memento
    this.version = version
  }

  async create (name, extraction) {
    const stores = this.#memento._stores
    const parts = partsOf(extraction, this.#memento._comparators)
    this.series++
    if (!Array.isArray(name)) {
      MementoError.assert(stores[name] === undefined, 'ALREADY_EXISTS', 'store')
      stores[name] = { name: this.#memento._storeName(name), parts, indices: {} }
      await this.reader.createStore(stores[name].name, { key: parts })
      return
    }
    const store = this.#store(name[0])
    MementoError.assert(store.indices[name[1]] === undefined, 'ALREADY_EXISTS', 'index')
    store.indices[name[1]] = parts
    await this.reader.createIndex(store.name, name[1], { key: parts })
  }

  async rename (from, to) {
    const stores = this.#memento._stores
    this.series++
    if (!Array.isArray(from)) {
      const store = this.#store(from)
      MementoError.assert(stores[to] === undefined, 'ALREADY_EXISTS', 'store')
      const name = this.#memento._storeName(to)
      await this.reader.renameStore(store.name, name)
      delete stores[from]
      stores[to] = { ...store, name }
      return
    }
    MementoError.assert(from[0] === to[0], 'INVALID_RENAME')
    const store = this.#store(from[0])
    MementoError.assert(store.indices[from[1]] !== undefined, 'DOES_NOT_EXIST', 'index')
    MementoError.assert(store.indices[to[1]] === undefined, 'ALREADY_EXISTS', 'index')
    await this.reader.renameIndex(store.name, from[1], to[1])
    store.indices[to[1]] = store.indices[from[1]]
    delete store.indices[from[1]]
  }

  async remove (name) {
    this.series++
    const store = this.#store(Array.isArray(name) ? name[0] : name)
    if (!Array.isArray(name)) {
      await this.reader.dropStore(store.name)
      delete this.#memento._stores[name]
      return
    }
    MementoError.assert(store.indices[name[1]] !== undefined, 'DOES_NOT_EXIST', 'index')
    await this.reader.dropIndex(store.name, name[1])
    delete store.indices[name[1]]
  }

  #store (name) {
    const store = this.#memento._stores[name]
    MementoError.assert(store !== undefined, 'DOES_NOT_EXIST', 'store')
    return store
  }
}

// ---- The database ------------------------------------------------------------------------

export class Memento {
  static ASC = ASC
  static DSC = DSC
  static Error = MementoError

  #client
  #isOwn
  #destructible
  #working = new Set()
  #closing = null
  _stores = {}
  _comparators

  /** For programs that purge Memento's cache of pages: there is none here. */
  pages = { purge () {} }

  constructor (client, isOwn, options) {
    this.#client = client
    this.#isOwn = isOwn
    this.#destructible = options.destructible
    this.directory = options.directory
    this._comparators = options.comparators ?? {}
    this.version = 0
  }

  /**
   * Open the database that `directory` names, and upgrade it where its version is below `version` (1).
   * Besides Memento's own: `address` of the server or `client`, one that is connected, and `fresh`: true
   * removes what is there first.
   */
  static async open (options = {}, upgrade) {
    const { directory, version = 1, address, client, fresh = false } = options
    if (typeof directory !== 'string' || directory === '') throw new TypeError('directory: the name of the database is missing')
    let own = client
    try {
      own ??= await connect(address ?? process.env.HOLDFAST_ADDRESS, { client: 'holdfast-memento' })
      const memento = new Memento(own, own !== client, options)
      await own.createStore(CATALOGUE, { key: 'name' }).catch(e => { if (e.name !== 'EXISTS') throw e })
      if (fresh) await memento.#remove()
      await memento.#upgrade(version, upgrade)
      options.destructible?.destruct?.(() => { memento.close().catch(() => {}) })
      return memento
    } catch (error) {
      if (own !== undefined && own !== client) await own.close()
      await options.destructible?.destroy?.().promise
      if (error === ROLLBACK) throw new MementoError('ROLLBACK')
      if (error.name === 'CONNECTION') throw new MementoError('IO_ERROR', '', error)
      throw error
    }
  }

  _storeName (name) { return `${this.directory}/${name}` }

  #remove () {
    return this.#client.transaction(async tx => {
      const there = await tx.get(CATALOGUE, this.directory)
      if (there === null) return
      for (const store of Object.values(there.stores)) tx.dropStore(store.name)
      await tx.delete(CATALOGUE, this.directory)
    }, { label: `Memento: remove ${this.directory}` })
  }

  // Definitions, records and the version are one transaction; of two programs that upgrade at once
  // the later one finds it done.
  async #upgrade (version, upgrade) {
    await this.#client.transaction(async tx => {
      const there = await tx.get(CATALOGUE, this.directory) ?? { name: this.directory, version: 0, stores: {} }
      this._stores = there.stores
      this.version = there.version
      if (there.version >= version) return
      await upgrade(new Schema(this, tx, { target: version, current: there.version }))
      await tx.put(CATALOGUE, { name: this.directory, version, stores: this._stores })
      this.version = version
    }, { label: `Memento: upgrade ${this.directory}`, attempts: Infinity, retryMs: PATIENCE_MS })
  }

  /** The names of a store's indexes. */
  indices (name) {
    MementoError.assert(this._stores[name] !== undefined, 'DOES_NOT_EXIST', 'store')
    return Object.keys(this._stores[name].indices)
  }

  /** Run `block(snapshot)` on one state of the database; gives what it gives. */
  snapshot (block) {
    return this.#work(async () => {
      const tx = await this.#client.begin({ readOnly: true, label: 'Memento: snapshot' })
      try {
        return await block(new Snapshot(this, tx))
      } finally {
        await tx.rollback()
      }
    })
  }

  /**
   * Run `block(mutator)` as a transaction; it is run again where it conflicts with another. Gives what it
   * gives; undefined where it called `mutator.rollback()`.
   */
  mutator (block) {
    return this.#work(() => this.#client.transaction(tx => block(new Mutator(this, tx)),
      { label: 'Memento: mutator', attempts: Infinity, retryMs: PATIENCE_MS }).catch(error => {
      if (error !== ROLLBACK) throw error
    }))
  }

  #work (f) {
    if (this.#closing !== null) return Promise.reject(new Error('the database is closed'))
    const work = f()
    const settled = work.catch(() => {}).finally(() => this.#working.delete(settled))
    this.#working.add(settled)
    return work
  }

  /** Wait for the snapshots and mutators that run, and close. */
  close () {
    this.#closing ??= (async () => {
      await Promise.all(this.#working)
      if (this.#isOwn) await this.#client.close()
      await this.#destructible?.destroy?.().promise
    })()
    return this.#closing
  }
}

export default Memento
// What require('holdfast-memento') gives, as require('memento') does.
export { Memento as 'module.exports' }
