// object-store.js - IDBObjectStore: an object store as a transaction has it.
import { clone, realValue, refuse } from './clone.js'
import { Index } from './store-index.js'
import { Range, toRange } from './key-range.js'
import { ABSENT, convert, copyKey, decodeKey, encodeKey, evaluate, INVALID, isInjectable, isKeyPath, keyBytes, toKey } from './keys.js'
import { checkLargeKey, isLarge, putPieces, recordBytes, whole } from './pieces.js'
import { allRows } from './rows.js'
import { IndexMeta } from './schema.js'
import { defineReading, Source } from './source.js'
import { domException, finish, illegalConstructor, inner, need, stringList, toDictionary, toDomString, toStringOrSequence, wrap } from './webidl.js'

const KEY_BYTES = 4096
const SAVEPOINT = 'put'

export class ObjectStore extends Source {
  isIndex = false
  serial = 0 // of writes: what cursors have fetched before may be old
  #indexes = new Map() // IndexMeta: Index, the handles of this transaction
  #keyPath = undefined

  constructor (transaction, meta) {
    super(transaction)
    this.meta = meta
    this.wrapper = wrap(IDBObjectStore, this)
  }

  get isDeleted () { return this.meta.isDeleted }
  get wire () { return this.meta.server }
  get store () { return this }

  /** The same object each time. */
  get keyPath () {
    if (this.#keyPath === undefined) this.#keyPath = Array.isArray(this.meta.keyPath) ? [...this.meta.keyPath] : this.meta.keyPath
    return this.#keyPath
  }

  // ---- Writing ---------------------------------------------------------------------------

  #checkWrite () {
    this.check()
    if (!this.transaction.canWrite) throw domException('ReadOnlyError', 'The transaction is read-only.')
  }

  put (value, keyArgument, isNew) {
    this.#checkWrite()
    const { meta } = this
    const isInline = meta.keyPath !== null
    if (isInline && keyArgument !== undefined) throw domException('DataError', 'The object store takes its keys from the values.')
    if (!isInline && !meta.autoIncrement && keyArgument === undefined) throw domException('DataError', 'The object store needs a key.')
    let key = keyArgument === undefined ? undefined : toKey(keyArgument)
    const cloned = this.clone(value)
    if (isInline) {
      const found = this.keyOf(cloned)
      if (found === INVALID) throw domException('DataError', 'What is at the key path is not a valid key.')
      if (found !== ABSENT) key = found
      else if (!meta.autoIncrement) throw domException('DataError', 'The value has nothing at the key path.')
      else if (!isInjectable(cloned.copy, meta.keyPath)) throw domException('DataError', 'A key cannot be put into the value.')
    }
    if (key !== undefined) checkSize(key)
    return this.putCloned(cloned, key, isNew, this)
  }

  /** The structured clone of a value; what it calls finds the transaction inactive. */
  clone (value) {
    const { transaction } = this
    transaction.state = 'inactive'
    try {
      return clone(value)
    } finally {
      if (transaction.state === 'inactive') transaction.state = 'active'
    }
  }

  /** The key in a cloned value, ABSENT or INVALID. */
  keyOf (cloned) {
    const found = evaluate(cloned.copy, this.meta.keyPath, realValue)
    return found === ABSENT ? ABSENT : convert(found)
  }

  /** Put what was cloned; the request's source is `source`. */
  putCloned (cloned, key, isNew, source) {
    const { meta } = this
    const method = isNew ? 'insert' : 'put'
    const { blobs } = cloned
    const isDependent = key === undefined && meta.hasDependents
    const record = meta.record(cloned, key)
    const bytes = recordBytes(record, blobs)
    if (isLarge(bytes) && key !== undefined) checkLargeKey(key)
    if (key !== undefined) this.#touch(new Range(key, key, false, false))
    else this.serial++
    meta.isEmpty = false
    const wireKey = key === undefined ? undefined : encodeKey(key)
    const decode = key === undefined ? decodeKey : () => copyKey(key)
    if (blobs.length === 0 && !isDependent && !isLarge(bytes)) {
      const params = key === undefined || meta.autoIncrement ? [meta.server, record] : [meta.server, record, wireKey]
      return source.ask(remote => remote.call(method, ...params), decode)
    }
    const write = isLarge(bytes) ? this.#largePut() : putSmall
    return source.ask(async remote => {
      if (blobs.length > 0) record.b = await Promise.all(blobs.map(async blob => new Uint8Array(await blob.arrayBuffer())))
      return isDependent ? await this.#putDependent(remote, write, method, record) : await write(remote, method, meta, record, wireKey)
    }, decode, true)
  }

  #largePut () {
    const { transaction } = this
    const pieces = transaction.piecesOf(this.meta)
    const at = pieces.expect()
    return async (remote, method, meta, record, wireKey) => {
      const { key, id } = await putPieces(remote, method, meta, record, wireKey)
      pieces.written(decodeKey(key), id, at)
      transaction.hasPieces = true
      return key
    }
  }

  // An index needs the number that the server makes: the record is written again with it.
  async #putDependent (remote, write, method, record) {
    const { meta } = this
    await remote.call('savepoint', SAVEPOINT)
    try {
      const key = await write(remote, method, meta, record, undefined)
      const i = meta.entries(meta.value({ ...record, v: copyPlain(record.v), k: key }))
      const { p } = await remote.call('get', meta.server, key)
      const { x, b, v, ...rest } = { ...record, k: key, i }
      await remote.call('put', meta.server, p === undefined ? { ...record, k: key, i } : { ...rest, p })
      remote.call('release', SAVEPOINT).catch(nothing)
      return key
    } catch (e) {
      remote.call('rollback_to', SAVEPOINT).catch(nothing)
      remote.call('release', SAVEPOINT).catch(nothing)
      throw e
    }
  }

  // Before each write: what cursors have fetched is old, and values in pieces may go.
  #touch (range) {
    const { transaction, meta } = this
    this.serial++
    transaction.piecesOf(meta).touch(range, work => transaction.aside(work), meta.isNew)
  }

  delete (query) {
    this.#checkWrite()
    const range = toRange(query, false)
    const { only } = range
    return only === undefined ? this.#deleteRange(range) : this.deleteKey(only, this)
  }

  deleteKey (key, source) {
    const { server } = this.meta
    const wire = encodeKey(key)
    this.#touch(new Range(key, key, false, false))
    return source.ask(remote => remote.call('delete', server, wire), nothing)
  }

  #deleteRange (range) {
    const { server } = this.meta
    this.#touch(range)
    return this.ask(remote => remote.call('delete_range', server, range.toWire()), nothing)
  }

  clear () {
    this.#checkWrite()
    const { server } = this.meta
    this.#touch(toRange(undefined, true))
    return this.ask(remote => remote.call('clear_store', server), nothing)
  }

  // ---- Indexes ---------------------------------------------------------------------------

  index (name) {
    if (this.isDeleted) throw domException('InvalidStateError', 'The object store has been deleted.')
    if (this.transaction.isFinished) throw domException('InvalidStateError', 'The transaction has finished.')
    const meta = this.meta.indexes.get(name)
    if (meta === undefined) throw domException('NotFoundError', `The object store has no index "${name}".`)
    return this.#handle(meta)
  }

  #handle (meta) {
    let index = this.#indexes.get(meta)
    if (index === undefined) {
      index = new Index(this, meta)
      this.#indexes.set(meta, index)
    }
    return index
  }

  #checkUpgrade () {
    if (!this.transaction.isUpgrade) throw domException('InvalidStateError', 'The transaction is not a version change transaction.')
    this.check()
  }

  createIndex (name, keyPath, unique, multiEntry) {
    this.#checkUpgrade()
    const { meta, transaction } = this
    if (meta.indexes.has(name)) throw domException('ConstraintError', `The object store has an index "${name}".`)
    if (!isKeyPath(keyPath)) throw domException('SyntaxError', 'The key path is not valid.')
    if (multiEntry && Array.isArray(keyPath)) throw domException('InvalidAccessError', 'A multiEntry index takes a single key path.')
    const index = new IndexMeta(meta.nextIndex++, name, keyPath, unique, multiEntry)
    meta.indexes.set(name, index)
    this.serial++
    const { server } = meta
    const { server: indexName } = index
    const options = { key: [['i', String(index.number)]], multi: true, unique }
    if (meta.isEmpty) transaction.place(null, remote => remote.call('create_index', server, indexName, options))
    else transaction.place(null, remote => this.#fill(remote, index, server, indexName, options), undefined, true)
    transaction.database.writeCatalogue(meta)
    return this.#handle(index)
  }

  // The records that are there get their entries; then the server makes the index of them.
  async #fill (remote, index, server, indexName, options) {
    const { meta } = this
    for (const [key, record] of await allRows(remote, server, {}, {})) {
      const keys = index.keys(meta.value({ ...await whole(remote, meta, key, record), v: copyPlain(record.v) }))
      if (keys.length === 0) continue
      record.i = { ...record.i, [index.number]: keys.map(encodeKey) }
      await remote.call('put', server, record, ...(meta.autoIncrement ? [] : [key]))
    }
    await remote.call('create_index', server, indexName, options)
  }

  deleteIndex (name) {
    this.#checkUpgrade()
    const { meta, transaction } = this
    const index = meta.indexes.get(name)
    if (index === undefined) throw domException('NotFoundError', `The object store has no index "${name}".`)
    meta.indexes.delete(name)
    index.isDeleted = true
    const { server } = meta
    const { server: indexName } = index
    transaction.place(null, remote => remote.call('drop_index', server, indexName))
    transaction.database.writeCatalogue(meta)
  }

  renameIndex (index, name) {
    const { meta, transaction } = this
    const before = index.server
    const { server } = meta
    meta.indexes.delete(index.name)
    index.rename(name)
    meta.indexes.set(name, index)
    const { server: after } = index
    if (after !== before) transaction.place(null, remote => remote.call('rename_index', server, before, after))
    transaction.database.writeCatalogue(meta)
  }

  rename (name) {
    if (this.isDeleted) throw domException('InvalidStateError', 'The object store has been deleted.')
    const { transaction, meta } = this
    if (!transaction.isUpgrade) throw domException('InvalidStateError', 'The transaction is not a version change transaction.')
    transaction.mustBeActive()
    if (meta.name === name) return
    if (transaction.database.stores.has(name)) throw domException('ConstraintError', `The database has an object store "${name}".`)
    transaction.database.renameStore(meta, name)
  }
}

function putSmall (remote, method, meta, record, wireKey) {
  return remote.call(method, meta.server, record, ...(wireKey === undefined || meta.autoIncrement ? [] : [wireKey]))
}

// What `meta.value` may change.
function copyPlain (value) {
  return value === undefined ? undefined : structuredClone(value)
}

export function checkSize (key) {
  if (keyBytes(key) > KEY_BYTES) throw domException('DataError', `The key has more than ${KEY_BYTES} bytes.`)
}

function nothing () { return undefined }

export class IDBObjectStore {
  constructor () { illegalConstructor(arguments) }

  get name () { return inner(this, ObjectStore).meta.name }
  set name (name) {
    const store = inner(this, ObjectStore)
    store.rename(toDomString(name))
  }

  get keyPath () { return inner(this, ObjectStore).keyPath }
  get indexNames () { return stringList(inner(this, ObjectStore).meta.indexes.keys()) }
  get transaction () { return inner(this, ObjectStore).transaction.wrapper }
  get autoIncrement () { return inner(this, ObjectStore).meta.autoIncrement }

  put (value, key = undefined) {
    const store = inner(this, ObjectStore)
    need(arguments, 1, 'IDBObjectStore.put')
    return store.put(value, key, false).wrapper
  }

  add (value, key = undefined) {
    const store = inner(this, ObjectStore)
    need(arguments, 1, 'IDBObjectStore.add')
    return store.put(value, key, true).wrapper
  }

  delete (query) {
    const store = inner(this, ObjectStore)
    need(arguments, 1, 'IDBObjectStore.delete')
    return store.delete(query).wrapper
  }

  clear () { return inner(this, ObjectStore).clear().wrapper }

  index (name) {
    const store = inner(this, ObjectStore)
    need(arguments, 1, 'IDBObjectStore.index')
    return store.index(toDomString(name)).wrapper
  }

  createIndex (name, keyPath, options = {}) {
    const store = inner(this, ObjectStore)
    need(arguments, 2, 'IDBObjectStore.createIndex')
    const text = toDomString(name)
    const path = toStringOrSequence(keyPath)
    const { multiEntry = false, unique = false } = toDictionary(options, 'IDBObjectStore.createIndex')
    return store.createIndex(text, path, Boolean(unique), Boolean(multiEntry)).wrapper
  }

  deleteIndex (name) {
    const store = inner(this, ObjectStore)
    need(arguments, 1, 'IDBObjectStore.deleteIndex')
    store.deleteIndex(toDomString(name))
  }
}
defineReading(IDBObjectStore, ObjectStore)
finish(IDBObjectStore)
refuse(IDBObjectStore)
