// gets.js - gets that leave as one request.
//
// Outside of transactions each get sees what is committed when the server reads it, which is after the call; of
// several that are asked for at once, with nothing else between them on the connection, one get_many sees as much. So
// each keeps what it had by itself, its own answer and its own error included: where the server refuses the request,
// for the sake of one of them or because get_many takes a transaction of its own, each asks again alone. That is behind
// what was asked for meanwhile, and may see it.
import { Decoder } from './codec.js'
import { local } from './errors.js'

// Stands in the place of a Request: settled once, by resolve or reject.
export class Gets {
  method = 'get'
  isWrite = false
  owner = null
  late = null
  isSettled = false
  isAsciiText = false
  keys = null // as they were encoded
  #connection
  #waiters = []

  /** `place`: where in the message the length of the list of keys is. */
  constructor (connection, store, msgid, place) {
    this.#connection = connection
    this.store = store
    this.msgid = msgid
    this.place = place
  }

  get length () { return this.#waiters.length }

  add (waiter) { this.#waiters.push(waiter) }

  settle () { this.isSettled = true }

  resolve (answer) {
    const waiters = this.#waiters
    this.#connection._got(waiters.length)
    if (waiters.length === 1) return waiters[0].take(answer)
    if (!Array.isArray(answer) || answer.length !== waiters.length) {
      const error = local('PROTOCOL', 'the server has sent something other than the answer to get_many')
      this.fail(error)
      throw error
    }
    for (let i = 0; i < waiters.length; i++) waiters[i].take(answer[i])
  }

  reject (error) {
    if (this.#waiters.length === 1 || error.name === 'SHUTDOWN' || !this.#connection.isOpen) return this.fail(error)
    if (error.name === 'TOO_LARGE') this.#connection._got(this.length, true)
    const decoder = new Decoder()
    decoder.push(this.keys)
    for (const waiter of this.#waiters) {
      this.#connection.request('get', [null, this.store, decoder.read()], 3)
        .then(value => waiter.take(value), e => waiter.fail(e))
    }
  }

  fail (error) {
    for (const waiter of this.#waiters) waiter.fail(error)
  }
}
