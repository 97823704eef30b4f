// cursor.js - Memento's iterators: an asynchronous one of pages, each a synchronous one of rows. A page
// ends early when its mutator has written or it was turned round; the next one is read from the last row on.
import { arrayKey, wholeKey } from './definition.js'

const PAGE_MIN = 16
const PAGE_MAX = 512

/** What `snapshot.cursor` and `mutator.cursor` give: options one after the other, then `for await`. */
export class IteratorBuilder {
  #transaction
  #name
  #key
  #joins = []
  #skips = []
  #terminators = []
  #limit = Infinity
  #isReverse = false
  #isInclusive = true

  constructor (transaction, name, key) {
    this.#transaction = transaction
    this.#name = name
    this.#key = key
  }

  /** Rows become `[row, joined, ...]`; those with nothing to join are left out. `using` makes the key of what came before. */
  join (name, using) {
    this.#joins.push({ name, using, isInner: true })
    return this
  }

  /** The same, with null where there is nothing to join. */
  outer (name, using) {
    this.#joins.push({ name, using, isInner: false })
    return this
  }

  inclusive () {
    this.#isInclusive = true
    return this
  }

  /** Without the rows that have the key. */
  exclusive () {
    this.#isInclusive = false
    return this
  }

  reverse () {
    this.#isReverse = !this.#isReverse
    return this
  }

  limit (limit) {
    this.#limit = Number(limit)
    return this
  }

  /** Pass over the first rows, as long as `f({key, value})` is true. */
  skip (f) {
    this.#skips.push(f)
    return this
  }

  /** End before the first row of which `f(row)` is true. */
  terminate (f) {
    this.#terminators.push(f)
    return this
  }

  [Symbol.asyncIterator] () {
    return new OuterIterator(this.#transaction, this.#name, this.#key, {
      joins: [...this.#joins],
      skips: [...this.#skips],
      terminators: [...this.#terminators],
      limit: this.#limit,
      isReverse: this.#isReverse,
      isInclusive: this.#isInclusive
    })
  }

  /** All rows. */
  async array () {
    const array = []
    for await (const items of this) {
      for (const item of items) array.push(item)
    }
    return array
  }
}

class OuterIterator {
  #transaction
  #definition
  #name
  #options
  #start // the key to begin at, or null
  #isReverse
  #isTurned = false // since the scan was begun
  #last = null // the row that was given last: {key, index}
  #cursor = null
  #page = PAGE_MIN
  #rows = []
  #at = 0
  #series
  #left
  #isOver = false
  #isSkipping

  constructor (transaction, name, key, options) {
    this.#transaction = transaction
    this.#name = name
    this.#definition = transaction.define(name)
    this.#options = options
    this.#start = key === null ? null : wholeKey(key, this.#definition.parts.length)
    this.#isReverse = options.isReverse
    this.#left = options.limit
    this.#isSkipping = options.skips.length > 0
  }

  get reversed () { return this.#isReverse }

  set reversed (value) {
    const isReverse = Boolean(value)
    if (isReverse === this.#isReverse) return
    this.#isReverse = isReverse
    this.#isTurned = true
    this.#isOver = false
    this.#rows = []
    this.#at = 0
  }

  async next () {
    if (this.#isOver) return this.#end()
    const rows = await this.#read()
    this.#series = this.#transaction.series
    this.#rows = await this.#join(rows)
    this.#at = 0
    // Rows may all have failed to join; what follows them may not.
    if (rows.length === 0) return this.#end()
    return { done: false, value: new InnerIterator(this) }
  }

  async return () { return this.#end() }

  #end () {
    this.#isOver = true
    this.#cursor?.close()
    this.#cursor = null
    return { done: true, value: null }
  }

  // ---- Pages -----------------------------------------------------------------------------

  // The next rows from the server, behind the last one that was given.
  async #read () {
    // Whoever reads on wants more; whoever writes while reading, less.
    const wasCut = this.#at < this.#rows.length || this.#series !== this.#transaction.series
    this.#page = wasCut ? PAGE_MIN : Math.min(PAGE_MAX, this.#page * 2)
    if (this.#cursor === null || (this.#last === null && wasCut)) return this.#open()
    if (this.#isTurned) return this.#turn()
    const options = { page: this.#page }
    if (!wasCut) return this.#plain(await this.#cursor.next(options))
    return this.#withoutLast(await this.#cursor.next({ ...options, to: this.#place() }))
  }

  async #open () {
    this.#cursor?.close()
    let range = null
    if (this.#start !== null && this.#last === null) {
      const bound = this.#isReverse ? 'lt' : 'gt'
      range = { [this.#options.isInclusive ? bound + 'e' : bound]: this.#start }
    }
    this.#isTurned = false
    this.#cursor = this.#scan(range, { reverse: this.#isReverse, page: this.#page })
    return this.#plain(await this.#cursor.next())
  }

  // The key that it began at is no bound any more.
  async #turn () {
    if (this.#last === null) return this.#open()
    this.#isTurned = false
    this.#cursor.close()
    this.#cursor = this.#scan(null, { reverse: this.#isReverse, limit: undefined, page: 1 })
    await this.#cursor.next()
    return this.#withoutLast(await this.#cursor.next({ to: this.#place(), page: this.#page }))
  }

  #scan (range, options) {
    return this.#transaction.reader.cursor(this.#definition.source, range, { ...options, keep: true })
  }

  #place () {
    return this.#definition.isIndex ? { index: this.#last.index, key: this.#last.key } : this.#last.key
  }

  // {key, index, value} of each row.
  #plain (rows) {
    if (this.#definition.isIndex) return rows.map(([index, key, value]) => ({ index, key, value }))
    return rows.map(([key, value]) => ({ index: null, key, value }))
  }

  // A page that goes on from a row begins with it, where it is still there.
  #withoutLast (answer) {
    const rows = this.#plain(answer)
    if (rows.length === 0 || !isSame(rows[0], this.#last)) return rows
    rows.shift()
    if (rows.length > 0) return rows
    return this.#cursor.next({ page: this.#page }).then(next => this.#plain(next))
  }

  async #join (rows) {
    const { joins } = this.#options
    if (joins.length === 0) return rows
    const values = rows.map(row => [row.value])
    for (const { name, using } of joins) {
      const found = await this.#transaction.getEach(name, values.map(value => using(value)))
      for (let i = 0; i < values.length; i++) values[i].push(found[i])
    }
    return rows.map((row, i) => ({ ...row, joined: values[i] }))
  }

  // ---- Rows ------------------------------------------------------------------------------

  /** The next row of this page, as an iterator says it. */
  inner () {
    while (!this.#isOver && this.#at < this.#rows.length && this.#series === this.#transaction.series) {
      const row = this.#rows[this.#at++]
      this.#last = row
      if (this.#isPassedOver(row)) continue
      const value = row.joined ?? row.value
      if (this.#left <= 0 || this.#options.terminators.some(f => f(value))) {
        this.#isOver = true
        break
      }
      this.#left--
      return { done: false, value }
    }
    return { done: true, value: null }
  }

  #isPassedOver (row) {
    if (this.#isSkipping) {
      const key = this.#definition.keyOf(row)
      if (this.#options.skips.some(f => f({ key: [key], value: row.value, parts: [{ method: 'insert' }, row.value] }))) return true
      this.#isSkipping = false
    }
    return this.#options.joins.some(({ isInner }, i) => isInner && row.joined[i + 1] === null)
  }
}

/** The rows of one page. `reversed = true` turns the whole iteration round: rows come again, but for the last. */
class InnerIterator {
  #outer

  constructor (outer) { this.#outer = outer }

  [Symbol.iterator] () { return this }
  next () { return this.#outer.inner() }
  get reversed () { return this.#outer.reversed }
  set reversed (value) { this.#outer.reversed = value }
}

function isSame (a, b) {
  return equal(a.key, b.key) && equal(a.index, b.index)
}

function equal (a, b) {
  if (a === b) return true
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return false
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime()
  if (Buffer.isBuffer(a)) return Buffer.isBuffer(b) && a.equals(b)
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((part, i) => equal(part, b[i]))
  return a.seconds === b.seconds && a.nanoseconds === b.nanoseconds && a.seconds !== undefined
}

/** What is found for each of a set of keys: pages of `{key, value, items: [{key, value}]}`. */
export async function * map (transaction, name, set, { extractor = $ => $ } = {}) {
  const definition = transaction.define(name)
  for (let at = 0; at < set.length; at += PAGE_MAX) {
    const part = set.slice(at, at + PAGE_MAX)
    const keys = part.map(value => extractor(value))
    const items = await Promise.all(keys.map(key => itemsOf(transaction, definition, key)))
    yield part.map((value, i) => ({ key: keys[i], value, items: items[i] }))
  }
}

async function itemsOf (transaction, definition, key) {
  const parts = definition.parts.length
  if (!definition.isIndex) {
    const value = await transaction.reader.get(definition.source, wholeKey(key, parts))
    return value === null ? [] : [{ key: arrayKey(wholeKey(key, parts), parts), value }]
  }
  const range = parts === 1 ? { eq: key[0] } : { prefix: key.slice(0, parts) }
  const rows = await transaction.reader.scan(definition.source, range).all()
  return rows.map(([index, own, value]) => ({ key: definition.keyOf({ index, key: own }), value }))
}
