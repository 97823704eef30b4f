// batch.js - puts and deletes that go to the server as one `run`.
import { EncodeError, Written } from './codec.js'
import { local } from './errors.js'

/**
 * Puts and deletes for `db.run`, which does all of them or none: the same as a list of operations, for less work. It
 * keeps what it is given, and that is encoded when it is sent, which may happen more than once.
 */
export class Batch extends Written {
  #values = [] // store, key, value one behind the other
  #isPut = []

  get length () { return this.#isPut.length }

  put (store, value, key) {
    return this.#add(true, store, key, value)
  }

  delete (store, key) {
    if (key === undefined) throw local('MISUSE', 'delete: the argument "key" is missing')
    return this.#add(false, store, key, null)
  }

  #add (isPut, store, key, value) {
    if (typeof store !== 'string') throw local('MISUSE', `a batch takes the name of a store, not ${String(store)}`)
    this.#isPut.push(isPut)
    this.#values.push(store, key, value)
    return this
  }

  write (encoder, depth) {
    const values = this.#values
    const n = this.#isPut.length
    encoder.array(n)
    for (let i = 0, at = 0; i < n; i++, at += 3) {
      const isPut = this.#isPut[i]
      const isKeyed = values[at + 1] !== undefined
      encoder.array(2)
      encoder.text(isPut ? 'put' : 'delete')
      encoder.array(isPut && isKeyed ? 3 : 2)
      try {
        encoder.text(values[at])
        if (isPut) encoder.value(values[at + 2], depth - 3)
        if (isKeyed) encoder.value(values[at + 1], depth - 3)
      } catch (e) {
        if (e instanceof EncodeError) e.path.unshift(i)
        throw e
      }
    }
  }
}
