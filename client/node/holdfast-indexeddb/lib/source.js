// source.js - what object stores and indexes have in common: reading.
import { refuse } from './clone.js'
import { Cursor } from './cursor.js'
import { toRange, isOptions } from './key-range.js'
import { copyKey, decodeKey, encodeKey } from './keys.js'
import { whole } from './pieces.js'
import { Request } from './request.js'
import { allRows } from './rows.js'
import { domException, finish, illegalConstructor, inner, need, toDictionary, toEnum, toUnsigned, UNSIGNED_LONG, wrap } from './webidl.js'

export const DIRECTIONS = ['next', 'nextunique', 'prev', 'prevunique']
/** Options of a scan in a direction. */
export function scanOptions (direction, isIndex) {
  const options = {}
  if (direction.startsWith('prev')) options.reverse = true
  if (isIndex && direction.endsWith('unique')) options.unique = true
  return options
}

/** What is inside of an object store or an index. */
export class Source {
  constructor (transaction) { this.transaction = transaction }

  // Of each kind: `isDeleted`; `isIndex`; `meta`, of the object store; `wire`, the source as the server calls it; `wrapper`.

  check () {
    if (this.isDeleted) throw domException('InvalidStateError', `The ${this.isIndex ? 'index' : 'object store'} has been deleted.`)
    this.transaction.mustBeActive()
  }

  /** Ask for something; gives its request. */
  ask (work, decode, isAlone) {
    return this.transaction.place(new Request(this.transaction, this.wrapper), work, decode, isAlone)
  }

  get (query) {
    this.check()
    const range = toRange(query, false)
    const { meta, wire, isIndex } = this
    const { only } = range
    const key = only === undefined ? undefined : encodeKey(only)
    return this.ask(async remote => {
      const record = key === undefined
        ? (await remote.call('scan', wire, range.toWire(), { limit: 1, only: 'values' })).rows[0]?.[0]
        : await remote.call('get', wire, key)
      if (record?.p === undefined) return record
      if (!isIndex && key !== undefined) return await whole(remote, meta, key, record)
      const { rows } = await remote.call('scan', wire, range.toWire(), { limit: 1 })
      return await whole(remote, meta, rows[0].at(-2), rows[0].at(-1))
    }, record => meta.value(record))
  }

  getKey (query) {
    this.check()
    const range = toRange(query, false).toWire()
    const { wire } = this
    return this.ask(remote => remote.call('scan', wire, range, { limit: 1, only: 'keys' }),
      ({ rows }) => rows.length === 0 ? undefined : decodeKey(rows[0].at(-1)))
  }

  count (query) {
    this.check()
    const range = toRange(query, true)
    const { wire } = this
    return this.ask(remote => remote.call('count', wire, range.toWire()))
  }

  /** `what` is "values", "keys" or "records". */
  getAll (what, queryOrOptions, count) {
    this.check()
    let query = queryOrOptions
    let direction = 'next'
    if (what === 'records' || isOptions(queryOrOptions)) {
      const options = toDictionary(queryOrOptions, 'getAll')
      if (options.count !== undefined) count = toUnsigned(options.count, UNSIGNED_LONG, 'count')
      if (options.direction !== undefined) direction = toEnum(options.direction, DIRECTIONS, 'direction')
      query = options.query
    }
    const range = toRange(query, true).toWire()
    const options = scanOptions(direction, this.isIndex)
    if (what !== 'records') options.only = what
    if (count > 0) options.limit = count
    const { meta, wire } = this
    const decode = what === 'values'
      ? ([record]) => meta.value(record)
      : what === 'keys' ? row => decodeKey(row.at(-1)) : row => new Row(row, meta).wrapper
    // Between its pages nothing of the transaction may be written.
    return this.ask(async remote => {
      let rows = await allRows(remote, wire, range, options)
      if (what === 'keys' || !rows.some(row => row.at(-1).p !== undefined)) return rows
      if (what === 'values') {
        const { only, ...rest } = options
        rows = await allRows(remote, wire, range, rest)
      }
      for (const row of rows) row[row.length - 1] = await whole(remote, meta, row.at(-2), row.at(-1))
      return what === 'values' ? rows.map(row => [row.at(-1)]) : rows
    }, rows => rows.map(decode), this.transaction.canWrite)
  }

  openCursor (query, direction, isKeyOnly) {
    this.check()
    return new Cursor(this, toRange(query, true), direction, isKeyOnly).open()
  }
}

class Row {
  constructor (row, meta) {
    this.key = decodeKey(row[0])
    this.primaryKey = row.length === 3 ? decodeKey(row[1]) : copyKey(this.key)
    this.value = meta.value(row.at(-1))
    this.wrapper = wrap(IDBRecord, this)
  }
}

/** A row as getAllRecords gives it. */
export class IDBRecord {
  constructor () { illegalConstructor(arguments) }
  get key () { return inner(this, Row).key }
  get primaryKey () { return inner(this, Row).primaryKey }
  get value () { return inner(this, Row).value }
}
finish(IDBRecord)
refuse(IDBRecord)

/** Give an interface the methods of reading. */
export function defineReading (Interface, Class) {
  const name = Interface.name
  const source = (wrapper, args, count, method) => {
    const found = inner(wrapper, Class)
    need(args, count, `${name}.${method}`)
    return found
  }
  const limit = (count, method) => count === undefined ? 0 : toUnsigned(count, UNSIGNED_LONG, `${name}.${method}`)
  const methods = {
    get (query) { return source(this, arguments, 1, 'get').get(query).wrapper },
    getKey (query) { return source(this, arguments, 1, 'getKey').getKey(query).wrapper },
    getAll (queryOrOptions = undefined, count = undefined) {
      return source(this, arguments, 0, 'getAll').getAll('values', queryOrOptions, limit(count, 'getAll')).wrapper
    },
    getAllKeys (queryOrOptions = undefined, count = undefined) {
      return source(this, arguments, 0, 'getAllKeys').getAll('keys', queryOrOptions, limit(count, 'getAllKeys')).wrapper
    },
    getAllRecords (options = {}) { return source(this, arguments, 0, 'getAllRecords').getAll('records', options, 0).wrapper },
    count (query = undefined) { return source(this, arguments, 0, 'count').count(query).wrapper },
    openCursor (query = undefined, direction = 'next') {
      return source(this, arguments, 0, 'openCursor').openCursor(query, toEnum(direction, DIRECTIONS, 'direction'), false).wrapper
    },
    openKeyCursor (query = undefined, direction = 'next') {
      return source(this, arguments, 0, 'openKeyCursor').openCursor(query, toEnum(direction, DIRECTIONS, 'direction'), true).wrapper
    }
  }
  for (const [method, value] of Object.entries(methods)) {
    Object.defineProperty(Interface.prototype, method, { value, writable: true, enumerable: true, configurable: true })
  }
}

