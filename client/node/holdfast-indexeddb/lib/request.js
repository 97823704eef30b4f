// request.js - IDBRequest and IDBOpenDBRequest, and the events that carry versions.
import { refuse } from './clone.js'
import { defineHandlers, defineTarget, Target } from './events.js'
import { domException, finish, illegalConstructor, inner, need, toDictionary, toDomString, toUnsigned, UNSIGNED_LONG_LONG, wrap } from './webidl.js'

/** What is inside of a request. */
export class Request extends Target {
  isDone = false
  result = undefined
  error = null
  constructor (transaction, source) {
    super()
    this.transaction = transaction
    this.parent = transaction
    this.source = source // an object of the program
    this.wrapper = wrap(IDBRequest, this)
  }

  succeed (result) {
    this.isDone = true
    this.result = result
    this.error = null
  }

  fail (error) {
    this.isDone = true
    this.result = undefined
    this.error = error
  }
}

export class OpenRequest extends Request {
  constructor () {
    super(null, null)
    this.wrapper = wrap(IDBOpenDBRequest, this)
  }
}

function finished (wrapper) {
  const request = inner(wrapper, Request)
  if (!request.isDone) throw domException('InvalidStateError', 'The request has not finished.')
  return request
}

export class IDBRequest extends EventTarget {
  constructor () {
    illegalConstructor(arguments)
    super()
  }

  get result () { return finished(this).result }
  get error () { return finished(this).error }
  get source () { return inner(this, Request).source }
  get transaction () { return inner(this, Request).transaction?.wrapper ?? null }
  get readyState () { return inner(this, Request).isDone ? 'done' : 'pending' }
}
defineTarget(IDBRequest)
defineHandlers(IDBRequest, ['success', 'error'])
finish(IDBRequest)

export class IDBOpenDBRequest extends IDBRequest {
  constructor () {
    illegalConstructor(arguments)
    super(arguments[0])
  }
}
defineHandlers(IDBOpenDBRequest, ['blocked', 'upgradeneeded'])
finish(IDBOpenDBRequest)

const versions = new WeakMap()

export class IDBVersionChangeEvent extends Event {
  constructor (type, options = {}) {
    need(arguments, 1, 'IDBVersionChangeEvent')
    const init = toDictionary(options, 'IDBVersionChangeEvent')
    super(toDomString(type), init)
    const { newVersion = null, oldVersion = 0 } = init
    versions.set(this, {
      oldVersion: toUnsigned(oldVersion, UNSIGNED_LONG_LONG, 'oldVersion'),
      newVersion: newVersion === null ? null : toUnsigned(newVersion, UNSIGNED_LONG_LONG, 'newVersion')
    })
  }

  get oldVersion () { return versionsOf(this).oldVersion }
  get newVersion () { return versionsOf(this).newVersion }
}
finish(IDBVersionChangeEvent)

function versionsOf (event) {
  const found = versions.get(event)
  if (found === undefined) throw new TypeError('Illegal invocation')
  return found
}

refuse(IDBRequest, IDBOpenDBRequest, IDBVersionChangeEvent)
