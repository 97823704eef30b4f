// transaction.js - a transaction: its requests go out one behind the other without waiting, their events are fired in
// their order, a task each, and when there is nothing more to do it commits.
//
//   active <-> inactive --> committing --> finished
//      '----------'-----------'--- abort ----^
import { refuse } from './clone.js'
import { toException } from './errors.js'
import { afterMicrotasks, defineHandlers, defineTarget, dispatch, hasCheckpoints, queueTask, stamp, Target } from './events.js'
import { ObjectStore } from './object-store.js'
import { ofStore, Pieces, PIECES } from './pieces.js'
import { domException, finish, illegalConstructor, inner, need, stringList, toDomString, wrap } from './webidl.js'

// What one request asks of the server, and when the last answer to it has come. Where several answers have come at
// once, all promises must be as many reactions away from them for the stamps to be in order: an answer to `commit`, which
// is an async function, is stamped in the second one, and so are the others.
class Trip {
  arrived = 0
  constructor (remote) { this.remote = remote }

  call (method, ...params) {
    return this.remote.call(method, ...params).then(same).finally(() => { this.arrived = stamp() })
  }
}

function same (answer) { return answer }

export class Transaction extends Target {
  state = 'active'
  error = null
  stores = new Map() // name: ObjectStore, the handles of this transaction
  hasPieces = false // whether it has written values in pieces
  dropped = [] // numbers of object stores that were deleted
  #pieces = new Map() // StoreMeta: Pieces
  #entries = [] // what is to be told, in its order
  #isFiring = false
  #isCommitSent = false
  #gate = null // a promise, where something has to go before what is asked now
  #remote = null // the transaction of the package holdfast
  #isReleased = false
  #onEnd

  /** `start` is the transaction of the package holdfast or the promise of it; onEnd(isCommitted) is called behind the last event. */
  constructor ({ database, mode, names, durability, start, onEnd }) {
    super()
    this.database = database
    this.parent = database
    this.mode = mode
    this.names = names // null: those of the database
    this.durability = durability
    this.#onEnd = onEnd
    this.wrapper = wrap(IDBTransaction, this)
    if (start instanceof Promise) this.#gate = start.then(remote => this.#begun(remote), error => this.#refused(error))
    else this.#begun(start)
  }

  get isUpgrade () { return this.mode === 'versionchange' }
  get isFinished () { return this.state === 'finished' }
  get canWrite () { return this.mode !== 'readonly' }

  #begun (remote) {
    this.#gate = null
    this.#remote = remote
    if (this.isFinished) this.#rollback()
    else remote.ready.catch(error => this.#refused(error))
  }

  #refused (error) {
    this.#gate = null
    if (this.#remote === null) this.#isReleased = true
    queueTask(() => { if (!this.isFinished) this.abort(toException(error)) })
  }

  /** A transaction that a program has made is inactive behind the task that made it. */
  deactivateSoon () {
    afterMicrotasks(() => {
      if (this.state === 'active') this.state = 'inactive'
      this.#next()
    })
  }

  mustBeActive () {
    if (this.state !== 'active') throw domException('TransactionInactiveError', 'The transaction is not active.')
  }

  // ---- Requests --------------------------------------------------------------------------

  /**
   * Ask for something. `work(trip)` gives the promise of an answer, `decode(answer)` the result of the request. With
   * `isAlone` what is asked later waits until `work` is through. Without a request nobody is told; an error aborts.
   */
  place (request, work, decode = answer => answer, isAlone = false) {
    const entry = { request, decode, trip: null, isSettled: false, answer: undefined, error: null }
    this.#entries.push(entry)
    const settle = () => {
      entry.isSettled = true
      this.#next()
    }
    this.#send(work, entry, isAlone).then(answer => {
      entry.answer = answer
      settle()
    }, error => {
      entry.error = error
      settle()
    })
    return request
  }

  #send (work, entry, isAlone) {
    const run = async () => await work(entry.trip = new Trip(this.#remote))
    if (this.#gate === null && !isAlone) return run()
    const promise = this.#gate === null ? run() : this.#gate.then(() => this.isFinished ? Promise.reject(aborted()) : run())
    if (isAlone) {
      const gate = promise.then(ignore, ignore).then(() => { if (this.#gate === gate) this.#gate = null })
      this.#gate = gate
    }
    return promise
  }

  /** Ask for something that no event tells of. */
  aside (work) { return this.#send(work, {}, false) }

  piecesOf (meta) {
    let pieces = this.#pieces.get(meta)
    if (pieces === undefined) this.#pieces.set(meta, pieces = new Pieces(meta))
    return pieces
  }

  #next () {
    if (this.#isFiring || this.isFinished) return
    if (this.#entries.length > 0) {
      if (!this.#entries[0].isSettled) return
      this.#isFiring = true
      queueTask(() => this.#deliver(), this.#entries[0].trip?.arrived || undefined)
    } else if (this.state === 'inactive' || this.state === 'committing') this.#commit()
  }

  #deliver () {
    this.#isFiring = false
    if (this.isFinished) return
    const { request, decode, answer, error } = this.#entries.shift()
    let failure = error
    if (failure === null) {
      try {
        const result = decode(answer)
        request?.succeed(result)
      } catch (e) {
        failure = e
      }
    }
    if (request === null) {
      if (failure === null) this.#next()
      else this.abort(toException(failure))
    } else if (failure === null) this.#fire(request, new Event('success'), null)
    else {
      request.fail(toException(failure))
      this.#fire(request, new Event('error', { bubbles: true, cancelable: true }), request.error)
    }
  }

  #fire (request, event, error) {
    this.dispatch(event, request, hasThrown => {
      if (this.isFinished) return
      const hasCommitted = this.state === 'committing'
      if (hasThrown && !hasCommitted) this.abort(domException('AbortError', 'A listener has thrown an error.'))
      else if (error !== null && !event.defaultPrevented) this.abort(error)
      else this.#next()
    })
  }

  /** Send an event with the transaction active until its listeners are through; then call `then(hasThrown)`. */
  dispatch (event, target, then) {
    if (this.state === 'inactive') this.state = 'active'
    const hasThrown = dispatch(event, target)
    const done = () => {
      if (this.state === 'active') this.state = 'inactive'
      then(hasThrown)
    }
    if (hasCheckpoints) done()
    else afterMicrotasks(done)
  }

  /** Go on where something outside has kept it: with the first event of an upgrade. */
  resume () { this.#next() }

  // ---- The end ---------------------------------------------------------------------------

  /** As `commit()` of a program. */
  requestCommit () {
    this.mustBeOpen('commit')
    this.state = 'committing'
    this.#next()
  }

  mustBeOpen (method) {
    if (method === 'commit' ? this.state !== 'active' : this.state === 'committing' || this.isFinished) {
      throw domException('InvalidStateError', `The transaction ${this.isFinished ? 'has finished' : `is ${this.state}`}.`)
    }
  }

  #commit () {
    if (this.#isCommitSent) return
    this.#isCommitSent = true
    this.state = 'committing'
    let arrived
    this.#sendCommit(() => { arrived = stamp() }).then(() => queueTask(() => this.#complete(), arrived),
      error => queueTask(() => { if (!this.isFinished) this.abort(toException(error)) }))
  }

  async #sendCommit (onAnswer) {
    await this.#gate
    if (this.isFinished) return
    const remote = this.#remote
    for (const number of this.dropped) remote.call('delete_range', PIECES, ofStore(number)).catch(ignore)
    for (const pieces of this.#pieces.values()) await pieces.sweep(remote, this.hasPieces)
    try {
      await remote.commit().finally(onAnswer)
    } catch (e) {
      // Whether it is in force is asked on another connection, so that nobody is told wrongly.
      if (!e.maybeCommitted || (remote.hasWritten && !await this.database.hasCommitted(remote, e))) throw e
    }
    this.#isReleased = true
    this.database.link.release()
  }

  #complete () {
    if (this.isFinished) return
    this.state = 'finished'
    if (this.isUpgrade) this.database.upgradeEnded()
    dispatch(new Event('complete'), this)
    this.#onEnd(true)
  }

  /** Take back everything and tell all who wait. */
  abort (error) {
    if (this.isFinished) return
    this.state = 'finished'
    this.error = error
    if (this.isUpgrade) this.database.revert()
    if (this.#remote !== null) this.#rollback()
    const waiting = this.#entries.splice(0).map(entry => entry.request).filter(request => request !== null)
    for (const request of waiting) {
      queueTask(() => {
        request.fail(aborted())
        dispatch(new Event('error', { bubbles: true, cancelable: true }), request)
      })
    }
    queueTask(() => {
      if (this.isUpgrade) this.database.upgradeEnded()
      dispatch(new Event('abort', { bubbles: true }), this)
      this.#onEnd(false)
    })
  }

  #rollback () {
    this.rolledBack = this.#remote.rollback().catch(ignore)
    if (this.#isReleased) return
    this.#isReleased = true
    this.database.link.release()
  }

  objectStore (name) {
    if (this.isFinished) throw domException('InvalidStateError', 'The transaction has finished.')
    let store = this.stores.get(name)
    if (store === undefined) {
      const meta = this.names === null || this.names.has(name) ? this.database.stores.get(name) : undefined
      if (meta === undefined) throw domException('NotFoundError', `The transaction has no object store "${name}".`)
      store = new ObjectStore(this, meta)
      this.stores.set(name, store)
    }
    return store
  }
}

function aborted () { return domException('AbortError', 'The transaction was aborted.') }

function ignore () {}

export class IDBTransaction extends EventTarget {
  constructor () {
    illegalConstructor(arguments)
    super()
  }

  get objectStoreNames () {
    const { names, database } = inner(this, Transaction)
    return stringList(names ?? database.stores.keys())
  }

  get mode () { return inner(this, Transaction).mode }
  get durability () { return inner(this, Transaction).durability }
  get db () { return inner(this, Transaction).database.wrapper }
  get error () { return inner(this, Transaction).error }

  objectStore (name) {
    const transaction = inner(this, Transaction)
    need(arguments, 1, 'IDBTransaction.objectStore')
    return transaction.objectStore(toDomString(name)).wrapper
  }

  commit () { inner(this, Transaction).requestCommit() }

  abort () {
    const transaction = inner(this, Transaction)
    transaction.mustBeOpen('abort')
    transaction.abort(null)
  }
}
defineTarget(IDBTransaction)
defineHandlers(IDBTransaction, ['abort', 'complete', 'error'])
finish(IDBTransaction)
refuse(IDBTransaction)
