// scan.js - rows page by page: an async iterable that has the next page fetched ahead, and a cursor
// that can be turned and moved.
import { local } from './errors.js'

/**
 * The rows of a range: `for await (const [key, value] of tx.scan('users', {gte: 'a'}))`. A row of an
 * index is `[index key, key, value]`; with `only` it is what is left of that, alone where it is one thing.
 * Leaving the loop closes the scan. `all()` gives the rows as an array, `pages()` arrays of rows.
 */
export class Scan {
  #open // () => Promise of {connection, owner}
  #source
  #range
  #options
  #isAhead
  #connection = null
  #owner = null
  #page = null // the promise of the next page
  #cursor = null
  #rows = []
  #at = 0
  #isOver = false
  #isClosed = false

  constructor (open, source, range, options = {}) {
    const { ahead = true, ...rest } = options
    this.#open = open
    this.#source = source
    this.#range = range
    this.#options = rest
    this.#isAhead = ahead
  }

  [Symbol.asyncIterator] () { return this }

  async next () {
    while (this.#at >= this.#rows.length) {
      if (!await this.#turn()) return { done: true, value: undefined }
    }
    return { done: false, value: this.#rows[this.#at++] }
  }

  async return (value) {
    this.#close()
    return { done: true, value }
  }

  async throw (error) {
    this.#close()
    throw error
  }

  async [Symbol.asyncDispose] () { this.#close() }

  /** The rows as an array: all of them, or with `limit` in the options at most so many. */
  async all () {
    const rows = []
    for await (const page of this.pages()) {
      for (let i = 0; i < page.length; i++) rows.push(page[i])
    }
    return rows
  }

  /** The rows as the pages in which they arrive. */
  async * pages () {
    try {
      while (this.#at < this.#rows.length || await this.#turn()) {
        const page = this.#at === 0 ? this.#rows : this.#rows.slice(this.#at)
        this.#at = this.#rows.length
        if (page.length > 0) yield page
      }
    } finally {
      this.#close()
    }
  }

  // The next page becomes the one that is read. False where there is none.
  async #turn () {
    if (this.#isOver || this.#isClosed) return false
    const page = this.#page ?? this.#fetch()
    this.#page = null
    let answer
    try {
      answer = await page
    } catch (e) {
      this.#isOver = true
      throw e
    }
    if (this.#isClosed) return false
    this.#cursor = answer.cursor
    this.#rows = plainRows(answer.rows)
    this.#at = 0
    if (this.#cursor === null) this.#isOver = true
    else if (this.#isAhead) {
      this.#page = this.#fetch()
      this.#page.catch(ignore) // it is reported when its turn comes
    }
    return true
  }

  async #fetch () {
    const { signal, page, deadlineMs } = this.#options
    if (this.#cursor !== null) {
      return this.#connection.request('next', [this.#cursor], 1, { page, deadlineMs, signal }, this.#place())
    }
    if (this.#connection === null) {
      const place = this.#open()
      // Where the place is known the request leaves now, in its order.
      const { connection, owner } = place instanceof Promise ? await place : place
      this.#connection = connection
      this.#owner = owner
    }
    const late = answer => this.#closeCursor(answer.cursor)
    return this.#connection.request('scan', [this.#owner?.handle ?? null, this.#source, this.#range ?? null], 3,
      this.#options, { owner: this.#owner, late, always: false })
  }

  #place () { return { owner: this.#owner, late: null, always: false } }

  #close () {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#rows = []
    if (this.#cursor !== null) this.#closeCursor(this.#cursor)
    else if (this.#page !== null) this.#page.then(answer => this.#closeCursor(answer.cursor), ignore)
  }

  #closeCursor (cursor) {
    if (cursor === null || cursor === undefined || this.#connection === null || !this.#connection.isOpen) return
    this.#connection.request('close', [cursor], 1, undefined, { owner: null, late: null, always: true }).catch(ignore)
  }
}

/** A row of one thing is that thing. */
function plainRows (rows) {
  if (rows.length > 0 && rows[0].length === 1) return rows.map(row => row[0])
  return rows
}

/**
 * A cursor: `next({page, reverse, to, unique, skip, keep})` gives rows as an array, `[]` at the end. It can
 * be turned and moved, and with `keep: true` goes on after its last row. Close it. Its snapshot is taken
 * when it is made, where the connection is there.
 */
export class Cursor {
  #first // the answer of the first page, not yet given; null afterwards
  #connection = null
  #owner = null
  #cursor = null
  #page
  #isClosed = false

  constructor (place, source, range, options = {}) {
    this.#page = options.page
    this.#first = place instanceof Promise
      ? place.then(there => this.#scan(there, source, range, options))
      : this.#scan(place, source, range, options)
    this.#first.catch(ignore)
  }

  #scan ({ connection, owner }, source, range, options) {
    this.#connection = connection
    this.#owner = owner
    return connection.request('scan', [owner?.handle ?? null, source, range ?? null], 3, options,
      { owner, late: answer => this.#drop(answer.cursor), always: false })
  }

  /** The rows of the first page, then of the next; `[]` at the end. */
  async next (options) {
    if (this.#isClosed) throw local('MISUSE', 'the cursor is closed')
    if (this.#first !== null) {
      const first = this.#first
      this.#first = null
      const answer = await first
      this.#cursor = answer.cursor
      if (this.#isClosed) this.#drop(answer.cursor)
      if (options === undefined || isEmpty(options)) return answer.rows
    }
    if (this.#cursor === null || this.#isClosed) return []
    const answer = await this.#connection.request('next', [this.#cursor], 1, { page: this.#page, ...options },
      { owner: this.#owner, late: null, always: false })
    this.#cursor = answer.cursor
    return answer.rows
  }

  /** Whether there may be more. */
  get isOpen () { return !this.#isClosed && (this.#first !== null || this.#cursor !== null) }

  /** Does not wait for the server. */
  close () {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#first !== null) this.#first.then(answer => this.#drop(answer.cursor), ignore)
    else this.#drop(this.#cursor)
  }

  async [Symbol.asyncDispose] () { this.close() }

  #drop (cursor) {
    if (cursor === null || cursor === undefined || this.#connection === null || !this.#connection.isOpen) return
    this.#connection.request('close', [cursor], 1, undefined, { owner: null, late: null, always: true }).catch(ignore)
  }
}

/**
 * The answer to a query. `await` gives it whole, `{columns, rows}` or `{changed}`; `for await` gives the rows one by one,
 * page by page from the server; `objects()` gives rows as objects. It is sent at once, whatever is done with it.
 */
export class Query {
  #answer
  #connection = null
  #owner = null
  #page
  #whole = null

  constructor (place, text, args, options = {}) {
    this.#page = options.page
    this.#answer = place instanceof Promise
      ? place.then(there => this.#send(there, text, args, options))
      : this.#send(place, text, args, options)
    // A commit repeats what went wrong in its transaction; elsewhere somebody has to look.
    if (this.#owner !== null) this.#answer.catch(ignore)
  }

  #send ({ connection, owner }, text, args, options) {
    this.#connection = connection
    this.#owner = owner
    return connection.request('query', [owner?.handle ?? null, text, args ?? null], 3, options,
      { owner, late: answer => this.#close(answer.cursor), always: false, isWrite: !READS.test(text) })
  }

  /** Everything: {columns, rows} or {changed}. */
  then (resolve, reject) {
    this.#whole ??= this.#readAll()
    return this.#whole.then(resolve, reject)
  }

  catch (reject) { return this.then(undefined, reject) }
  finally (f) { return this.then().finally(f) }

  async #readAll () {
    const { cursor, ...answer } = await this.#answer
    for await (const page of this.#pages(cursor)) {
      for (let i = 0; i < page.length; i++) answer.rows.push(page[i])
    }
    return answer
  }

  /** Rows as objects by the names of their columns. */
  async objects () {
    const { columns, rows = [] } = await this
    return rows.map(row => Object.fromEntries(row.map((value, i) => [columns[i], value])))
  }

  async * [Symbol.asyncIterator] () {
    const { rows = [], cursor } = await this.#answer
    yield * rows
    for await (const page of this.#pages(cursor)) yield * page
  }

  // The pages behind the first, one fetched ahead.
  async * #pages (cursor) {
    let next = cursor === null || cursor === undefined ? null : this.#next(cursor)
    try {
      while (next !== null) {
        const answer = await next
        cursor = answer.cursor
        next = cursor === null ? null : this.#next(cursor)
        yield answer.rows
      }
    } finally {
      next?.catch(ignore)
      if (next !== null) this.#close(cursor)
    }
  }

  #next (cursor) {
    return this.#connection.request('next', [cursor], 1, { page: this.#page }, { owner: this.#owner, late: null, always: false })
  }

  #close (cursor) {
    if (cursor === null || cursor === undefined || !this.#connection.isOpen) return
    this.#connection.request('close', [cursor], 1, undefined, { owner: null, late: null, always: true }).catch(ignore)
  }
}

const READS = /^[\s(]*(select|values)\b/i

function isEmpty (options) {
  for (const name in options) if (options[name] !== undefined && name !== 'signal' && name !== 'asciiText') return false
  return true
}

function ignore () {}
