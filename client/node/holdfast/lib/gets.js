// gets.js - gets that leave as one request.
//
// Outside of transactions each get sees what is committed when the server reads it, which is after the call; of
// several that are asked for at once, with nothing else between them on the connection, one get_many sees as much. With
// its option `each` every key has its own answer and its own error, as it would by itself. Where they do not fit into one
// answer, the server keeps open the transaction in which it has read them, under the handle `rest`, and what is left is
// asked for in it: at the same commit, so that no get sees what was asked for after it.
import { Decoder } from './codec.js'
import { fromServer, local } from './errors.js'

const IN_ORDER = Object.freeze({ owner: null, late: null, always: true })

function wrong () { return local('PROTOCOL', 'the server has sent something other than the answer to get_many') }

const isAnswer = answer => answer === null || (Array.isArray(answer) &&
  (answer.length === 1 || (answer.length === 2 && answer[0] === null && typeof answer[1] === 'object' && answer[1] !== null)))

/** Give the answers of a message to the waiters from `at` on; how many there were. It throws before it has given any. */
function give (message, waiters, at) {
  const answers = message?.answers
  if (!Array.isArray(answers) || answers.length > waiters.length - at || !answers.every(isAnswer) ||
      (answers.length === 0 && waiters.length > at)) throw wrong()
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i]
    if (answer === null) waiters[at + i].take(null)
    else if (answer.length === 1) waiters[at + i].take(answer[0])
    else waiters[at + i].fail(fromServer(answer[1]))
  }
  return answers.length
}

function failAll (waiters, at, error) {
  for (let i = at; i < waiters.length; i++) waiters[i].fail(error)
}

// What is left of the keys from `at` on, within the transaction of this handle.
async function giveRest (connection, handle, source, keys, waiters, at) {
  try {
    while (at < keys.length) {
      at += give(await connection.request('get_many', [handle, source, keys.slice(at)], 3, { each: true }, IN_ORDER), waiters, at)
    }
  } catch (e) {
    failAll(waiters, at, e)
  }
  connection.request('rollback', [handle], 1, undefined, IN_ORDER).catch(() => {}) // nobody needs its answer
}

/**
 * Get these keys outside of any transaction, as of one commit; each waiter is called once, as by Connection.get. What
 * cannot be sent fails as a whole.
 */
export function getEach (connection, source, keys, options, waiters) {
  const rest = connection.takeRest()
  return connection.request('get_many', [null, source, keys], 3, { ...options, each: true, rest }).then(async message => {
    const at = give(message, waiters, 0)
    if (at < keys.length) await giveRest(connection, rest, source, keys, waiters, at)
  })
}

/** The same in the transaction whose requests `ask(keys)` makes. */
export async function getEachWithin (ask, keys, waiters) {
  let at = 0
  do at += give(await ask(keys.slice(at)), waiters, at)
  while (at < keys.length)
}

/** Results as of Promise.allSettled, and the waiters that fill them. */
export class Settled {
  results
  waiters

  constructor (count) {
    this.results = new Array(count)
    this.waiters = Array.from(this.results, (_, i) => ({
      take: value => { this.results[i] = { status: 'fulfilled', value } },
      fail: reason => { this.results[i] = { status: 'rejected', reason } }
    }))
  }
}

// Stands in the place of a Request: settled once, by resolve or reject.
export class Gets {
  method = 'get'
  isWrite = false
  owner = null
  late = null
  isSettled = false
  isAsciiText = false
  keys = null // one behind the other, as they were encoded
  rest = 0 // the handle for those that do not fit
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

  resolve (message) {
    const waiters = this.#waiters
    if (waiters.length === 1) {
      this.#connection._got(1)
      return waiters[0].take(message)
    }
    let at
    try {
      at = give(message, waiters, 0)
    } catch (e) {
      this.fail(e)
      throw e
    }
    this.#connection._got(at, at < waiters.length)
    if (at === waiters.length) return
    const decoder = new Decoder()
    decoder.push(this.keys)
    const keys = waiters.map(() => decoder.read())
    giveRest(this.#connection, this.rest, this.store, keys, waiters, at)
  }

  reject (error) { this.fail(error) }

  fail (error) { failAll(this.#waiters, 0, error) }
}
