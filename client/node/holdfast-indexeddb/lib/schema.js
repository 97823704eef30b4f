// schema.js - the object stores and indexes of a database, and how they stand at the server.
//
// The store CATALOGUE has a record for each object store: by its number, {name, store, keyPath, autoIncrement, next,
// indexes: [{number, name, index, keyPath, unique, multiEntry}]}. `store` and `index` are the names at the server: those
// of the program wherever the server can have them, so that others find them.
import { ABSENT, convert, convertMulti, decodeText, encodeKey, encodeText, evaluate, inject, INVALID } from './keys.js'
import { fromRecord, realValue, toRecord } from './clone.js'

export const CATALOGUE = '~indexeddb'
const NAME_BYTES = 200

/** The server's name for a name of a program. */
function serverName (name, number) {
  const isPlain = name !== '' && name[0] !== '~' && name.isWellFormed() && Buffer.byteLength(name) <= NAME_BYTES && !/\p{Cc}/u.test(name)
  return isPlain ? name : `~${number}`
}

export class IndexMeta {
  isDeleted = false
  constructor (number, name, keyPath, unique, multiEntry) {
    Object.assign(this, { number, name, keyPath, unique, multiEntry })
    this.server = serverName(name, number)
  }

  rename (name) {
    this.name = name
    this.server = serverName(name, this.number)
  }

  /** The keys by which a value is in the index. */
  keys (value, real) {
    const found = evaluate(value, this.keyPath, real)
    if (found === ABSENT) return []
    if (this.multiEntry) {
      const keys = convertMulti(found)
      return keys === INVALID ? [] : keys
    }
    const key = convert(found)
    return key === INVALID ? [] : [key]
  }

  /** Whether it needs the key that the server has yet to generate. */
  needs (keyPath) { return Array.isArray(this.keyPath) ? this.keyPath.includes(keyPath) : this.keyPath === keyPath }
}

export class StoreMeta {
  isDeleted = false
  isEmpty = false // certainly
  isNew = false // made by the upgrade that runs
  indexes = new Map()
  nextIndex = 1

  constructor (number, name, keyPath, autoIncrement) {
    Object.assign(this, { number, name, keyPath, autoIncrement })
    this.server = serverName(name, number)
  }

  rename (name) {
    this.name = name
    this.server = serverName(name, this.number)
  }

  /** Whether the server puts its numbers into the value. */
  get injects () { return this.autoIncrement && this.keyPath !== null }

  // ---- The catalogue ---------------------------------------------------------------------

  toRecord () {
    return {
      name: encodeText(this.name),
      store: this.server,
      keyPath: this.keyPath,
      autoIncrement: this.autoIncrement,
      next: this.nextIndex,
      indexes: [...this.indexes.values()].map(({ number, name, server, keyPath, unique, multiEntry }) =>
        ({ number, name: encodeText(name), index: server, keyPath, unique, multiEntry }))
    }
  }

  static fromRecord (number, record) {
    const meta = new StoreMeta(number, decodeText(record.name), record.keyPath, record.autoIncrement)
    meta.nextIndex = record.next
    for (const { number, name, keyPath, unique, multiEntry } of record.indexes) {
      const index = new IndexMeta(number, decodeText(name), keyPath, unique, multiEntry)
      meta.indexes.set(index.name, index)
    }
    return meta
  }

  /** What `restore` takes back to. */
  save () {
    return { name: this.name, indexes: new Map(this.indexes), names: [...this.indexes.values()].map(index => [index, index.name]) }
  }

  restore ({ name, indexes, names }) {
    this.rename(name)
    this.isDeleted = false
    for (const index of this.indexes.values()) index.isDeleted = true
    this.indexes = indexes
    for (const [index, name] of names) {
      index.rename(name)
      index.isDeleted = false
    }
  }

  // ---- Records ---------------------------------------------------------------------------

  /** The record of a cloned value; `key` is undefined where the server makes one. */
  record (cloned, key) {
    const record = toRecord(cloned)
    const entries = this.entries(cloned.copy, realValue)
    if (entries !== null) record.i = entries
    if (this.autoIncrement && key !== undefined) record.k = encodeKey(key)
    return record
  }

  /** By which keys a value is in the indexes: {number: [keys]}. */
  entries (value, real = value => value) {
    let entries = null
    for (const index of this.indexes.values()) {
      const keys = index.keys(value, real)
      if (keys.length > 0) (entries ??= {})[index.number] = keys.map(encodeKey)
    }
    return entries
  }

  /** Whether entries depend on a number that is not known. */
  get hasDependents () { return this.injects && [...this.indexes.values()].some(index => index.needs(this.keyPath)) }

  /** The value of a record. */
  value (record) {
    if (record === null || record === undefined) return undefined
    const value = fromRecord(record)
    if (this.injects && record.k !== undefined && evaluate(value, this.keyPath) === ABSENT) inject(value, this.keyPath, record.k)
    return value
  }
}
