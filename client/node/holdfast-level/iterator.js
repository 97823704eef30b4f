// iterator.js - iterators of holdfast-level. The scan leaves when the iterator is made, so that it
// sees nothing that is written later, and a short one is done in one trip.
import { Utf8 } from 'holdfast'
import { AbstractIterator, AbstractKeyIterator, AbstractValueIterator } from 'abstract-level'

const PAGE_FIRST = 100
const PAGE = 1000

// ---- Keys, values, ranges, errors ----------------------------------------------------------

/** The bytes of a text or a view, as a Buffer. */
export function binary (data) {
  if (typeof data === 'string') return Buffer.from(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength)
}

/** A key as it is sent: a binary. */
export function toKey (key) { return typeof key === 'string' ? new Utf8(key) : binary(key) }

/** Text stays text, so that other clients can read it; a text that is none in UTF-8 is made one. */
export function toStore (value) {
  if (typeof value === 'string') return value.isWellFormed() ? value : value.toWellFormed()
  return binary(value)
}

/** A stored value in the encoding that is asked for; undefined where there is none. */
export function fromStore (value, encoding) {
  if (value === null) return undefined
  if (encoding === 'utf8') return typeof value === 'string' ? value : Buffer.isBuffer(value) ? value.toString() : foreign(value)
  return typeof value === 'string' ? Buffer.from(value) : Buffer.isBuffer(value) ? value : foreign(value)
}

function foreign (value) {
  throw Object.assign(new Error(`the record is not of Level: ${typeof value}`), { code: 'LEVEL_CORRUPTION' })
}

/** The range of the server for options of abstract-level. */
export function rangeOf (options) {
  const range = {}
  if (options.gte !== undefined) range.gte = binary(options.gte)
  else if (options.gt !== undefined) range.gt = binary(options.gt)
  if (options.lte !== undefined) range.lte = binary(options.lte)
  else if (options.lt !== undefined) range.lt = binary(options.lt)
  return range
}

const CODES = {
  CONNECTION: 'LEVEL_CONNECTION_LOST',
  PROTOCOL: 'LEVEL_CONNECTION_LOST',
  SHUTDOWN: 'LEVEL_CONNECTION_LOST',
  CORRUPT: 'LEVEL_CORRUPTION',
  IO: 'LEVEL_IO_ERROR',
  LOG_FAILED: 'LEVEL_IO_ERROR',
  NO_SPACE: 'LEVEL_IO_ERROR',
  READ_ONLY: 'LEVEL_READONLY',
  BAD_KEY: 'LEVEL_INVALID_KEY'
}

/** Level's error for one of Holdfast: `code` as Level has it, `cause` the error itself. */
export function levelError (error) {
  if (typeof error.code === 'string' && error.code.startsWith('LEVEL_')) return error
  if (typeof error.code !== 'number') return error
  const isKey = error.name === 'TOO_LARGE' && error.details.limit === 'key-size'
  const code = isKey ? 'LEVEL_INVALID_KEY' : CODES[error.name] ?? 'LEVEL_REMOTE_ERROR'
  return Object.assign(new Error(error.message, { cause: error }), { code })
}

function abortError (cause) {
  const error = new Error('Operation has been aborted', { cause })
  error.name = 'AbortError'
  error.code = 'LEVEL_ABORTED'
  return error
}

// ---- The rows of an iterator ---------------------------------------------------------------

class Rows {
  #cursor
  #range
  #isReverse
  #signal
  #left // rows that the limit still allows to be fetched
  #page // rows to ask for next
  #rows = []
  #at = 0
  #whole = null // all rows of the range, where they have come in one page
  #ahead = null
  #pages = 0
  #isOver = false
  #limit
  #asciiText

  constructor (reader, location, options, only) {
    this.#range = rangeOf(options)
    this.#isReverse = options.reverse === true
    this.#signal = options.signal ?? undefined
    this.#limit = options.limit >= 0 ? options.limit : Infinity
    this.#page = Math.max(1, Math.min(this.#limit, PAGE_FIRST))
    // Where only texts are wanted, keys need not become Buffers first. One that is not of ASCII comes as a Buffer all the same.
    this.#asciiText = options.keyEncoding === 'utf8' && (only === 'keys' || options.valueEncoding === 'utf8')
    this.#cursor = reader.cursor(location, this.#range,
      { reverse: this.#isReverse || undefined, only, page: this.#page, signal: this.#signal, asciiText: this.#asciiText })
  }

  /** How many rows are there without waiting. */
  get ready () { return this.#rows.length - this.#at }

  shift () { return this.#rows[this.#at++] }

  take (size) {
    const rows = this.#at === 0 && size >= this.#rows.length ? this.#rows : this.#rows.slice(this.#at, this.#at + size)
    this.#at += rows.length
    return rows
  }

  /** Have rows that are ready; false at the end. */
  async fill (most) {
    if (this.#isOver) return false
    let rows
    try {
      rows = await (this.#ahead ?? this.#fetch(most))
    } catch (e) {
      if (this.#signal?.aborted) throw abortError(e)
      throw levelError(e)
    }
    this.#ahead = null
    this.#pages++
    if (this.#pages === 1 && !this.#cursor.isOpen) this.#whole = rows
    this.#rows = rows
    this.#at = 0
    this.#isOver = this.#whole !== null || rows.length === 0
    // Whoever comes for a second page will want a third.
    if (this.#pages > 1 && !this.#isOver && most === Infinity) {
      this.#ahead = this.#fetch(most)
      this.#ahead.catch(ignore)
    }
    return rows.length > 0
  }

  #fetch (most) {
    if (this.#pages === 0) return this.#cursor.next()
    // From the second page on the cursor stays behind its last row, for a seek.
    return this.#cursor.next({ page: Math.max(1, Math.min(PAGE, most)), keep: true, signal: this.#signal, asciiText: this.#asciiText })
  }

  /** Stand before the first row at or beyond the key. */
  seek (key, keyOf) {
    const target = binary(key)
    const before = this.#ahead ?? (this.#pages === 0 ? this.#firstPage() : Promise.resolve())
    this.#rows = []
    this.#at = 0
    this.#isOver = this.#isOutside(target)
    // Where nothing is to be read the first page is still to be taken in by the next seek.
    this.#ahead = this.#isOver ? before.then(() => []) : before.then(() => this.#whole !== null
      ? this.#fromWhole(target, keyOf)
      : this.#cursor.next({ to: target, keep: true, page: PAGE_FIRST, signal: this.#signal, asciiText: this.#asciiText }))
    this.#ahead.catch(ignore)
  }

  // A seek before anything was read: the first page may turn out to be all there is.
  async #firstPage () {
    const rows = await this.#cursor.next()
    this.#pages++
    if (!this.#cursor.isOpen) this.#whole = rows
  }

  #fromWhole (target, keyOf) {
    const isBehind = this.#isReverse ? key => binary(key).compare(target) <= 0 : key => binary(key).compare(target) >= 0
    const at = this.#whole.findIndex(row => isBehind(keyOf(row)))
    return at < 0 ? [] : this.#whole.slice(at)
  }

  #isOutside (target) {
    const { gt, gte, lt, lte } = this.#range
    return (gte !== undefined && target.compare(gte) < 0) || (gt !== undefined && target.compare(gt) <= 0) ||
      (lte !== undefined && target.compare(lte) > 0) || (lt !== undefined && target.compare(lt) >= 0)
  }

  // abstract-level's set of iterators may keep this one alive for a while; its rows need not stay with it.
  close () {
    this.#cursor.close()
    this.#rows = []
    this.#at = 0
    this.#whole = this.#ahead = null
    this.#isOver = true
  }
}

function ignore () {}

// ---- The three kinds -----------------------------------------------------------------------

// `only` as the server takes it; `keyOf` finds the key in a row; `item` makes of a row what is given.
function define (Base, only, makeItem) {
  return class extends Base {
    #rows
    #item

    constructor (db, location, options) {
      super(db, options)
      const reader = options.snapshot?.transaction ?? db.client
      this.#rows = new Rows(reader, location, options, only)
      this.#item = makeItem(options.keyEncoding, options.valueEncoding)
    }

    async _next () {
      const rows = this.#rows
      if (rows.ready === 0 && !await rows.fill(this.limit - this.count)) return undefined
      return this.#item(rows.shift())
    }

    async _nextv (size) {
      const rows = this.#rows
      if (rows.ready === 0 && !await rows.fill(this.limit - this.count)) return []
      return this.#items(rows.take(size))
    }

    async _all () {
      const rows = this.#rows
      let all = []
      let left = this.limit - this.count
      while (left > 0 && (rows.ready > 0 || await rows.fill(left))) {
        const items = this.#items(rows.take(left))
        left -= items.length
        if (all.length === 0) all = items
        else for (let i = 0; i < items.length; i++) all.push(items[i])
      }
      return all
    }

    #items (rows) {
      const items = new Array(rows.length)
      for (let i = 0; i < rows.length; i++) items[i] = this.#item(rows[i])
      return items
    }

    _seek (target) {
      this.#rows.seek(target, row => row[0])
    }

    async _close () { this.#rows.close() }
  }
}

function keyFrom (encoding) {
  return encoding === 'utf8' ? key => typeof key === 'string' ? key : key.utf8Slice() : key => key
}

export const HoldfastIterator = define(AbstractIterator, undefined, (keys, values) => {
  const key = keyFrom(keys)
  return row => [key(row[0]), fromStore(row[1], values)]
})
export const HoldfastKeyIterator = define(AbstractKeyIterator, 'keys', keys => {
  const key = keyFrom(keys)
  return row => key(row[0])
})
// Values come with their keys, by which a seek finds its place.
export const HoldfastValueIterator = define(AbstractValueIterator, undefined, (keys, values) => row => fromStore(row[1], values))
