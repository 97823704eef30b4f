// key-range.js - IDBKeyRange, and ranges as the server takes them.
import { compare, copyKey, encodeKey, toKey } from './keys.js'
import { refuse } from './clone.js'
import { domException, finish, illegalConstructor, inner, isWrapper, need, wrap } from './webidl.js'

/** `undefined` stands for a side without a bound. */
export class Range {
  constructor (lower, upper, lowerOpen, upperOpen) {
    this.lower = lower
    this.upper = upper
    this.lowerOpen = lowerOpen
    this.upperOpen = upperOpen
  }

  /** The one key of a range, or undefined. */
  get only () {
    if (this.lowerOpen || this.upperOpen || this.lower === undefined || this.upper === undefined) return undefined
    return this.lower === this.upper || compare(this.lower, this.upper) === 0 ? this.lower : undefined
  }

  includes (key) {
    if (this.lower !== undefined) {
      const difference = compare(key, this.lower)
      if (difference < 0 || (difference === 0 && this.lowerOpen)) return false
    }
    if (this.upper === undefined) return true
    const difference = compare(key, this.upper)
    return difference < 0 || (difference === 0 && !this.upperOpen)
  }

  /** As the server takes it. */
  toWire () {
    const { only } = this
    if (only !== undefined) return { eq: encodeKey(only) }
    const range = {}
    if (this.lower !== undefined) range[this.lowerOpen ? 'gt' : 'gte'] = encodeKey(this.lower)
    if (this.upper !== undefined) range[this.upperOpen ? 'lt' : 'lte'] = encodeKey(this.upper)
    return range
  }
}

const ALL = new Range(undefined, undefined, true, true)

/** The range that a query is: an IDBKeyRange or a key. Without one, all keys if that is allowed. */
export function toRange (query, isOptional) {
  if (isWrapper(query, Range)) return inner(query, Range)
  if (query === undefined || query === null) {
    if (!isOptional) throw domException('DataError', 'A key or a key range is required.')
    return ALL
  }
  const key = toKey(query)
  return new Range(key, key, false, false)
}

/** Whether an argument of getAll is the options rather than a query. */
export function isOptions (value) {
  if (typeof value !== 'object' || value === null || isWrapper(value, Range)) return false
  return !(Array.isArray(value) || value instanceof Date || value instanceof ArrayBuffer || ArrayBuffer.isView(value))
}

const bound = key => key === undefined ? undefined : copyKey(key)

export class IDBKeyRange {
  #shown = null // the same objects each time
  constructor () { illegalConstructor(arguments) }

  get lower () { return this.#bounds().lower }
  get upper () { return this.#bounds().upper }
  get lowerOpen () { return inner(this, Range).lowerOpen }
  get upperOpen () { return inner(this, Range).upperOpen }

  #bounds () {
    const { lower, upper } = inner(this, Range)
    this.#shown ??= { lower: bound(lower), upper: bound(upper) }
    return this.#shown
  }

  static only (value) {
    need(arguments, 1, 'IDBKeyRange.only')
    const key = toKey(value)
    return wrap(IDBKeyRange, new Range(key, key, false, false))
  }

  static lowerBound (lower, open = false) {
    need(arguments, 1, 'IDBKeyRange.lowerBound')
    return wrap(IDBKeyRange, new Range(toKey(lower), undefined, Boolean(open), true))
  }

  static upperBound (upper, open = false) {
    need(arguments, 1, 'IDBKeyRange.upperBound')
    return wrap(IDBKeyRange, new Range(undefined, toKey(upper), true, Boolean(open)))
  }

  static bound (lower, upper, lowerOpen = false, upperOpen = false) {
    need(arguments, 2, 'IDBKeyRange.bound')
    const range = new Range(toKey(lower), toKey(upper), Boolean(lowerOpen), Boolean(upperOpen))
    const difference = compare(range.lower, range.upper)
    if (difference > 0 || (difference === 0 && (range.lowerOpen || range.upperOpen))) {
      throw domException('DataError', 'The lower bound is greater than the upper bound, or the range is empty.')
    }
    return wrap(IDBKeyRange, range)
  }

  includes (key) {
    const range = inner(this, Range)
    need(arguments, 1, 'IDBKeyRange.includes')
    return range.includes(toKey(key))
  }
}
finish(IDBKeyRange)
refuse(IDBKeyRange)
