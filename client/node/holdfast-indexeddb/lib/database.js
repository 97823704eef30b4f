// database.js - a connection of a program to a database: IDBDatabase.
import { connect } from 'holdfast'
import { refuse } from './clone.js'
import { defineHandlers, defineTarget, dispatch, queueTask, Target } from './events.js'
import { isKeyPath } from './keys.js'
import { SETTINGS } from './link.js'
import { ObjectStore } from './object-store.js'
import { PIECES } from './pieces.js'
import { IDBVersionChangeEvent } from './request.js'
import { CATALOGUE, StoreMeta } from './schema.js'
import { Transaction } from './transaction.js'
import { domException, finish, illegalConstructor, inner, need, stringList, toDictionary, toDomString, toEnum, toStringOrSequence, wrap } from './webidl.js'

const OUTCOME_MS = 5_000 // for a connection to ask what became of a commit
const DURABILITY = { default: undefined, strict: 'sync', relaxed: 'interval' }

export class Database extends Target {
  stores = new Map() // name: StoreMeta
  version = 0
  isClosing = false
  isClosed = false
  transactions = new Set()
  upgrade = null // the Transaction that upgrades
  #nextStore = 1
  #saved = null // how it was before the upgrade
  #factory

  constructor (factory, link, name) {
    super()
    this.#factory = factory
    this.link = link
    this.name = name
    this.opener = link.register({
      onVersionChange: (old, to) => this.#versionChange(old, to),
      onBlocked: (old, to) => this.onBlocked?.(old, to),
      onLost: error => this.#lost(error)
    })
    this.wrapper = wrap(IDBDatabase, this)
  }

  // ---- Opening and closing ---------------------------------------------------------------

  /** Read the object stores; in the transaction, or by itself. */
  async load (reader) {
    const rows = await reader.scan(CATALOGUE).all().catch(e => {
      if (e.name === 'NO_STORE') return []
      throw e
    })
    for (const [number, record] of rows) {
      const meta = StoreMeta.fromRecord(number, record)
      this.stores.set(meta.name, meta)
      this.#nextStore = number + 1
    }
    return rows.length > 0
  }

  /** The transaction of an upgrade, which has begun. */
  startUpgrade (remote, to, onEnd) {
    this.#saved = {
      version: this.version,
      stores: new Map(this.stores),
      metas: [...this.stores.values()].map(meta => [meta, meta.save()])
    }
    this.version = to
    const transaction = new Transaction({
      database: this,
      mode: 'versionchange',
      names: null,
      durability: 'default',
      start: remote,
      onEnd: isCommitted => this.#ended(transaction, onEnd, isCommitted)
    })
    transaction.state = 'inactive'
    this.upgrade = transaction
    this.transactions.add(transaction)
    return transaction
  }

  upgradeEnded () { this.upgrade = null }

  /** The object stores and indexes become what they were before the upgrade. */
  revert () {
    const { version, stores, metas } = this.#saved
    for (const meta of this.stores.values()) {
      if (metas.some(([known]) => known === meta)) continue
      meta.isDeleted = true
      meta.indexes = new Map()
    }
    for (const [meta, saved] of metas) meta.restore(saved)
    this.stores = stores
    this.version = version
  }

  #ended (transaction, onEnd, isCommitted) {
    if (transaction.isUpgrade) for (const meta of this.stores.values()) meta.isNew = meta.isEmpty = false
    this.transactions.delete(transaction)
    onEnd?.(isCommitted)
    if (this.isClosing) this.#closeIfIdle()
  }

  close () {
    this.isClosing = true
    this.#closeIfIdle()
  }

  #closeIfIdle () {
    if (this.isClosed || this.transactions.size > 0) return
    this.isClosed = true
    this.link.detach(this.opener)
    this.#factory.links.release(this.link)
  }

  #versionChange (old, to) {
    queueTask(() => {
      if (!this.isClosing) dispatch(new IDBVersionChangeEvent('versionchange', { oldVersion: old, newVersion: to }), this)
      this.link.seen(this.opener)
    })
  }

  #lost (error) {
    if (this.isClosed) return
    const wasOpen = !this.isClosing
    this.isClosing = true
    queueTask(() => {
      for (const transaction of [...this.transactions]) if (transaction.state !== 'committing') transaction.abort(lostError(error))
      queueTask(() => {
        this.#closeIfIdle()
        if (wasOpen) dispatch(new Event('close'), this)
      })
    })
  }

  /** Whether a commit whose answer was lost is in force. Where that is certain, `error` says so from then on. */
  async hasCommitted (remote, error) {
    if (remote.token === undefined) return false
    try {
      const client = await connect(this.#factory.address, { ...SETTINGS, connectTimeoutMs: OUTCOME_MS })
      try {
        const known = remote.snapshot === undefined ? undefined : { snapshot: remote.snapshot }
        const { state } = await client.outcome(remote.token, known)
        error.maybeCommitted = state === 'unknown'
        return state === 'committed'
      } finally {
        client.close().catch(ignore)
      }
    } catch {
      return false
    }
  }

  // ---- Transactions and object stores ----------------------------------------------------

  transaction (storeNames, mode, durability) {
    if (this.upgrade !== null) throw domException('InvalidStateError', 'A version change transaction is running.')
    if (this.isClosing) throw domException('InvalidStateError', 'The database connection is closed.')
    const names = new Set(Array.isArray(storeNames) ? storeNames : [storeNames])
    const metas = [...names].map(name => {
      const meta = this.stores.get(name)
      if (meta === undefined) throw domException('NotFoundError', `The database has no object store "${name}".`)
      return meta
    })
    if (names.size === 0) throw domException('InvalidAccessError', 'A transaction needs an object store.')
    if (mode === 'versionchange') throw new TypeError('A program cannot begin a version change transaction.')
    const readOnly = mode === 'readonly'
    const lock = { [readOnly ? 'shared' : 'exclusive']: metas.map(meta => meta.server) }
    const start = this.link.begin(lock, { readOnly, onError: 'continue', durability: DURABILITY[durability] })
    const transaction = new Transaction({
      database: this, mode, names, durability, start, onEnd: isCommitted => this.#ended(transaction, null, isCommitted)
    })
    this.transactions.add(transaction)
    transaction.deactivateSoon()
    return transaction
  }

  #upgrading () {
    if (this.upgrade === null) throw domException('InvalidStateError', 'The database is not being upgraded.')
    this.upgrade.mustBeActive()
    return this.upgrade
  }

  createObjectStore (name, keyPath, autoIncrement) {
    const transaction = this.#upgrading()
    if (keyPath !== null && !isKeyPath(keyPath)) throw domException('SyntaxError', 'The key path is not valid.')
    if (this.stores.has(name)) throw domException('ConstraintError', `The database has an object store "${name}".`)
    if (autoIncrement && (keyPath === '' || Array.isArray(keyPath))) {
      throw domException('InvalidAccessError', 'Numbers cannot be generated for an empty or compound key path.')
    }
    const meta = new StoreMeta(this.#nextStore++, name, keyPath, autoIncrement)
    meta.isEmpty = meta.isNew = true
    const { server } = meta
    transaction.place(null, remote => remote.call('create_store', server, autoIncrement ? { key: 'k', generate: true } : {}))
    this.writeCatalogue(meta)
    this.stores.set(name, meta)
    const store = new ObjectStore(transaction, meta)
    transaction.stores.set(name, store)
    return store
  }

  deleteObjectStore (name) {
    const transaction = this.#upgrading()
    const meta = this.stores.get(name)
    if (meta === undefined) throw domException('NotFoundError', `The database has no object store "${name}".`)
    this.stores.delete(name)
    transaction.stores.delete(name)
    meta.isDeleted = true
    meta.indexes = new Map()
    const { server, number } = meta
    transaction.place(null, remote => remote.call('drop_store', server))
    transaction.place(null, remote => remote.call('delete', CATALOGUE, number))
    transaction.dropped.push(number)
  }

  renameStore (meta, name) {
    const transaction = this.upgrade
    const store = transaction.stores.get(meta.name)
    this.stores.delete(meta.name)
    transaction.stores.delete(meta.name)
    const before = meta.server
    meta.rename(name)
    this.stores.set(name, meta)
    transaction.stores.set(name, store)
    const { server } = meta
    if (server !== before) transaction.place(null, remote => remote.call('rename_store', before, server))
    this.writeCatalogue(meta)
  }

  /** Write what the catalogue has of an object store. */
  writeCatalogue (meta) {
    const record = meta.toRecord()
    this.upgrade.place(null, remote => remote.call('put', CATALOGUE, record, meta.number))
  }

  createCatalogue () {
    for (const store of [CATALOGUE, PIECES]) {
      this.upgrade.place(null, remote => remote.call('create_store', store).catch(e => { if (e.name !== 'EXISTS') throw e }))
    }
  }
}

function lostError (error) {
  const exception = domException('AbortError', `The connection to the server is lost: ${error?.message ?? 'closed'}`)
  Object.defineProperty(exception, 'cause', { value: error, configurable: true, writable: true })
  return exception
}

function ignore () {}

export class IDBDatabase extends EventTarget {
  constructor () {
    illegalConstructor(arguments)
    super()
  }

  get name () { return inner(this, Database).name }
  get version () { return inner(this, Database).version }
  get objectStoreNames () { return stringList(inner(this, Database).stores.keys()) }

  transaction (storeNames, mode = 'readonly', options = {}) {
    const database = inner(this, Database)
    need(arguments, 1, 'IDBDatabase.transaction')
    const names = toStringOrSequence(storeNames)
    const kind = toEnum(mode, ['readonly', 'readwrite', 'versionchange'], 'IDBDatabase.transaction')
    const { durability = 'default' } = toDictionary(options, 'IDBDatabase.transaction')
    return database.transaction(names, kind, toEnum(durability, Object.keys(DURABILITY), 'durability')).wrapper
  }

  close () { inner(this, Database).close() }

  createObjectStore (name, options = {}) {
    const database = inner(this, Database)
    need(arguments, 1, 'IDBDatabase.createObjectStore')
    const text = toDomString(name)
    const { autoIncrement = false, keyPath = null } = toDictionary(options, 'IDBDatabase.createObjectStore')
    return database.createObjectStore(text, keyPath === null ? null : toStringOrSequence(keyPath), Boolean(autoIncrement)).wrapper
  }

  deleteObjectStore (name) {
    const database = inner(this, Database)
    need(arguments, 1, 'IDBDatabase.deleteObjectStore')
    database.deleteObjectStore(toDomString(name))
  }
}
defineTarget(IDBDatabase)
defineHandlers(IDBDatabase, ['abort', 'close', 'error', 'versionchange'])
finish(IDBDatabase)
refuse(IDBDatabase)
