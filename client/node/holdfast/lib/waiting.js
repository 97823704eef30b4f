// waiting.js - requests by their numbers. A Map makes its table anew again and again where entries come and go, and each table that has
// been moved to the old generation keeps the next one alive, with all that has ever been in it, until the next
// full collection. Here a place is written to again.

const PLACES = 256

/** Numbers are given one behind the other, so that their last bits are a place of their own for each. */
export class Waiting {
  #places = new Array(PLACES).fill(null)
  #last = 0
  size = 0

  /** The next number whose place is free. */
  next () {
    if (2 * this.size >= this.#places.length) this.#grow()
    const mask = this.#places.length - 1
    do {
      this.#last = this.#last + 1 >>> 0
    } while (this.#places[this.#last & mask] !== null)
    return this.#last
  }

  /** `request` has the number msgid, which `next` has given. */
  add (request) {
    this.#places[request.msgid & this.#places.length - 1] = request
    this.size++
  }

  get (msgid) {
    const request = this.#places[msgid & this.#places.length - 1]
    return request !== null && request.msgid === msgid ? request : undefined
  }

  delete (request) {
    this.#places[request.msgid & this.#places.length - 1] = null
    this.size--
  }

  /** All of them, the oldest first. */
  all () {
    const age = request => this.#last - request.msgid >>> 0
    return this.#places.filter(request => request !== null).sort((a, b) => age(b) - age(a))
  }

  clear () {
    this.#places = new Array(PLACES).fill(null)
    this.size = 0
  }

  #grow () {
    const places = new Array(2 * this.#places.length).fill(null)
    for (const request of this.#places) if (request !== null) places[request.msgid & places.length - 1] = request
    this.#places = places
  }
}
