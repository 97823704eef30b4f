// cursor.js - cursors. Rows are fetched in pages; what was fetched before the transaction has written into the object
// store is not used any more, and the server's cursor goes back to where the program stands.
import { refuse } from './clone.js'
import { Range } from './key-range.js'
import { ABSENT, compare, decodeKey, encodeKey, INVALID, toKey } from './keys.js'
import { whole } from './pieces.js'
import { Request } from './request.js'
import { scanOptions } from './source.js'
import { domException, finish, illegalConstructor, inner, need, toUnsigned, UNSIGNED_LONG, wrap } from './webidl.js'

const PAGE_FIRST = 8
const PAGE_MAX = 512

export class Cursor {
  key = undefined // where it stands: of an index, the index key
  primaryKey = undefined
  value = undefined
  hasValue = false // false while the next row is on its way, and at the end
  request = null
  #rows = [] // fetched and not yet reached: {key, primaryKey, record}
  #number = null // of the server's cursor, which stands behind them; null where there is nothing more
  #serial = -1 // of the object store when they were fetched
  #page = PAGE_FIRST
  #range

  constructor (source, range, direction, isKeyOnly) {
    Object.assign(this, { source, direction, isKeyOnly })
    this.#range = range
    this.isReverse = direction.startsWith('prev')
    this.isUnique = source.isIndex && direction.endsWith('unique')
    this.wrapper = wrap(isKeyOnly ? IDBCursor : IDBCursorWithValue, this)
  }

  get transaction () { return this.source.transaction }

  open () {
    this.request = new Request(this.transaction, this.source.wrapper)
    const { wire } = this.source
    this.#serial = this.source.store.serial
    return this.transaction.place(this.request, async remote => {
      await this.#scan(remote, wire, this.#range)
      return await this.#whole(remote, this.#rows.shift() ?? null)
    }, row => this.#land(row))
  }

  // ---- Rows ------------------------------------------------------------------------------

  #take ({ rows, cursor }) {
    const { isIndex } = this.source
    this.#number = cursor
    this.#rows = rows.map(row => {
      const key = decodeKey(row[0])
      return { key, primaryKey: isIndex ? decodeKey(row[1]) : key, record: this.isKeyOnly ? undefined : row.at(-1) }
    })
  }

  async #scan (remote, wire, range) {
    const options = { ...scanOptions(this.direction, this.source.isIndex), page: this.#page }
    if (this.isKeyOnly) options.only = 'keys'
    this.#take(await remote.call('scan', wire, range.toWire(), options))
  }

  async #next (remote, options) {
    this.#page = Math.min(PAGE_MAX, this.#page * 4)
    this.#take(await remote.call('next', this.#number, { page: this.#page, ...options }))
  }

  async #whole (remote, row) {
    if (row?.record?.p !== undefined) row.record = await whole(remote, this.source.meta, encodeKey(row.primaryKey), row.record)
    return row
  }

  /** < 0 where a comes first in the direction of the cursor. */
  #order (a, b) { return this.isReverse ? compare(b, a) : compare(a, b) }

  // Whether a row is beyond where the cursor stands.
  #isBeyond (row) {
    const difference = this.#order(row.key, this.key)
    if (difference !== 0 || !this.source.isIndex || this.isUnique) return difference > 0
    return this.#order(row.primaryKey, this.primaryKey) > 0
  }

  #isAt (row, to, toPrimary) {
    const difference = this.#order(row.key, to)
    return difference > 0 || (difference === 0 && (toPrimary === undefined || this.#order(row.primaryKey, toPrimary) >= 0))
  }

  // Fetch again what is beyond where it stands.
  async #again (remote, wire) {
    this.#page = Math.max(2, this.#page >> 2)
    const { key, primaryKey } = this
    const isExact = !this.source.isIndex || this.isUnique
    const to = isExact ? encodeKey(key) : { index: encodeKey(key), key: encodeKey(primaryKey) }
    if (this.#number !== null) await this.#next(remote, { to, page: this.#page })
    else await this.#scan(remote, wire, this.#beyond(key, isExact))
    this.#rows = this.#rows.filter(row => this.#isBeyond(row))
    if (this.#rows.length > 0 || this.#number === null) return
    await this.#next(remote, { to })
    this.#rows = this.#rows.filter(row => this.#isBeyond(row))
  }

  #beyond (key, isOpen) {
    const { lower, upper, lowerOpen, upperOpen } = this.#range
    return this.isReverse ? new Range(lower, key, lowerOpen, isOpen) : new Range(key, upper, isOpen, upperOpen)
  }

  /** The row after `count` steps, or the first at or beyond a key; null at the end. */
  async #step (remote, wire, { isCurrent, count, to, toPrimary }) {
    if (!isCurrent) await this.#again(remote, wire)
    let rest = count
    for (;;) {
      while (this.#rows.length > 0) {
        const row = this.#rows.shift()
        if (to === undefined ? --rest === 0 : this.#isAt(row, to, toPrimary)) return row
      }
      if (this.#number === null) return null
      if (to === undefined) {
        await this.#next(remote, rest > 1 ? { skip: rest - 1 } : {})
        rest = 1
      } else if (toPrimary === undefined) await this.#next(remote, { to: encodeKey(to) })
      else await this.#next(remote, { to: { index: encodeKey(to), key: encodeKey(toPrimary) } })
    }
  }

  #place (step) {
    const { store, wire } = this.source
    this.hasValue = false
    this.request.isDone = false
    const isCurrent = this.#serial === store.serial
    this.#serial = store.serial
    const isNear = isCurrent && this.#rows.length >= (step.to === undefined ? step.count : Infinity)
    this.transaction.place(this.request, async remote => {
      const row = await this.#step(remote, wire, { isCurrent, ...step })
      return row?.record?.p === undefined ? row : await this.#whole(remote, row)
    }, row => this.#land(row), this.transaction.canWrite && !isNear)
  }

  #land (row) {
    if (row === null) {
      this.key = this.primaryKey = this.value = undefined
      return null
    }
    this.key = row.key
    this.primaryKey = row.primaryKey
    this.value = this.isKeyOnly ? undefined : this.source.meta.value(row.record)
    this.hasValue = true
    return this.wrapper
  }

  // ---- For programs ----------------------------------------------------------------------

  #check () {
    this.transaction.mustBeActive()
    if (this.source.isDeleted) throw domException('InvalidStateError', 'The source of the cursor has been deleted.')
  }

  #checkValue () {
    if (!this.hasValue) throw domException('InvalidStateError', 'The cursor is being iterated or has gone past its end.')
  }

  advance (count) {
    if (count === 0) throw new TypeError('IDBCursor.advance: the count is 0')
    this.#check()
    this.#checkValue()
    this.#place({ count })
  }

  continue (argument) {
    this.#check()
    this.#checkValue()
    if (argument === undefined) return this.#place({ count: 1 })
    const to = toKey(argument)
    if (this.#order(to, this.key) <= 0) throw domException('DataError', 'The key is not beyond the position of the cursor.')
    this.#place({ to })
  }

  continuePrimaryKey (keyArgument, primaryArgument) {
    this.#check()
    if (!this.source.isIndex) throw domException('InvalidAccessError', 'The source of the cursor is not an index.')
    if (this.direction.endsWith('unique')) throw domException('InvalidAccessError', `The direction of the cursor is ${this.direction}.`)
    this.#checkValue()
    const to = toKey(keyArgument)
    const toPrimary = toKey(primaryArgument)
    const difference = this.#order(to, this.key)
    if (difference < 0 || (difference === 0 && this.#order(toPrimary, this.primaryKey) <= 0)) {
      throw domException('DataError', 'The keys are not beyond the position of the cursor.')
    }
    this.#place({ to, toPrimary })
  }

  #checkWrite () {
    this.transaction.mustBeActive()
    if (!this.transaction.canWrite) throw domException('ReadOnlyError', 'The transaction is read-only.')
    this.#check()
    this.#checkValue()
    if (this.isKeyOnly) throw domException('InvalidStateError', 'The cursor has no values.')
  }

  // A write of the record that it stands on does not change what lies beyond, except in an index.
  #write (write) {
    const { store, isIndex } = this.source
    const isCurrent = this.#serial === store.serial
    const request = write(store)
    if (isCurrent && !isIndex) this.#serial = store.serial
    return request
  }

  update (value) {
    this.#checkWrite()
    const { store } = this.source
    const cloned = store.clone(value)
    if (store.meta.keyPath !== null) {
      const key = store.keyOf(cloned)
      if (key === ABSENT || key === INVALID || compare(key, this.primaryKey) !== 0) {
        throw domException('DataError', 'The key of the value is not that of the cursor.')
      }
    }
    return this.#write(store => store.putCloned(cloned, this.primaryKey, false, this))
  }

  delete () {
    this.#checkWrite()
    return this.#write(store => store.deleteKey(this.primaryKey, this))
  }

  /** Ask for something with the cursor as the source. */
  ask (work, decode, isAlone) {
    return this.transaction.place(new Request(this.transaction, this.wrapper), work, decode, isAlone)
  }
}

export class IDBCursor {
  constructor () { illegalConstructor(arguments) }

  get source () { return inner(this, Cursor).source.wrapper }
  get direction () { return inner(this, Cursor).direction }
  get key () { return inner(this, Cursor).key }
  get primaryKey () { return inner(this, Cursor).primaryKey }
  get request () { return inner(this, Cursor).request.wrapper }

  advance (count) {
    const cursor = inner(this, Cursor)
    need(arguments, 1, 'IDBCursor.advance')
    cursor.advance(toUnsigned(count, UNSIGNED_LONG, 'IDBCursor.advance'))
  }

  continue (key = undefined) { inner(this, Cursor).continue(key) }

  continuePrimaryKey (key, primaryKey) {
    const cursor = inner(this, Cursor)
    need(arguments, 2, 'IDBCursor.continuePrimaryKey')
    cursor.continuePrimaryKey(key, primaryKey)
  }

  update (value) {
    const cursor = inner(this, Cursor)
    need(arguments, 1, 'IDBCursor.update')
    return cursor.update(value).wrapper
  }

  delete () { return inner(this, Cursor).delete().wrapper }
}
finish(IDBCursor)

export class IDBCursorWithValue extends IDBCursor {
  constructor () {
    illegalConstructor(arguments)
    super(arguments[0])
  }

  get value () { return inner(this, Cursor).value }
}
finish(IDBCursorWithValue)
refuse(IDBCursor)
