// factory.js - IDBFactory: opening and deleting databases. Requests for one database are served one at a time, here in this
// process and, in the server's queue, among all processes.
import { connect } from 'holdfast'
import { refuse } from './clone.js'
import { Database } from './database.js'
import { toException } from './errors.js'
import { dispatch, queueTask } from './events.js'
import { compare, decodeText, toKey } from './keys.js'
import { Link, Links, SETTINGS } from './link.js'
import { IDBVersionChangeEvent, OpenRequest } from './request.js'
import { domException, finish, illegalConstructor, inner, need, toDomString, toUnsigned, UNSIGNED_LONG_LONG, wrap } from './webidl.js'

export class Factory {
  #queues = new Map() // name: the promise of the last request
  constructor (address) {
    this.address = address
    this.links = new Links(name => Link.open(address, name))
    this.wrapper = wrap(IDBFactory, this)
  }

  // Run `work` when all that was asked of the database before is through.
  #enqueue (name, work) {
    const run = (this.#queues.get(name) ?? Promise.resolve()).then(work)
    const last = run.then(() => { if (this.#queues.get(name) === last) this.#queues.delete(name) })
    this.#queues.set(name, last)
  }

  open (name, version) {
    const request = new OpenRequest()
    this.#enqueue(name, () => this.#open(request, name, version).catch(error => failed(request, error)))
    return request
  }

  async #open (request, name, version) {
    const link = await this.links.take(name)
    const database = new Database(this, link, name)
    try {
      const answer = await link.attach(database.opener, version)
      database.version = answer.version
      if (answer.version === 0 || answer.upgrade) await this.#upgrade(request, database, version ?? 1)
      else await database.load(link.client)
    } catch (e) {
      database.close()
      throw e
    }
    await told(() => {
      request.succeed(database.wrapper)
      dispatch(new Event('success'), request)
    })
  }

  async #upgrade (request, database, to) {
    const { link, opener } = database
    const old = database.version
    database.onBlocked = () => queueTask(() => {
      dispatch(new IDBVersionChangeEvent('blocked', { oldVersion: old, newVersion: to }), request)
    })
    const remote = await link.upgrade(opener, to, { onError: 'continue' })
    database.onBlocked = null
    const isThere = await database.load(remote)
    await new Promise((resolve, reject) => queueTask(() => {
      const transaction = database.startUpgrade(remote, to, isCommitted => {
        request.transaction = null
        if (isCommitted && !database.isClosing) return resolve()
        database.close()
        const end = () => reject(domException('AbortError', isCommitted
          ? 'The connection was closed in the upgrade.'
          : 'The version change transaction was aborted.'))
        if (transaction.rolledBack === undefined) end()
        else transaction.rolledBack.then(end)
      })
      if (!isThere) database.createCatalogue()
      request.succeed(database.wrapper)
      request.transaction = transaction
      transaction.dispatch(new IDBVersionChangeEvent('upgradeneeded', { oldVersion: old, newVersion: to }), request, hasThrown => {
        if (hasThrown && !transaction.isFinished) transaction.abort(domException('AbortError', 'A listener of upgradeneeded has thrown an error.'))
        else transaction.resume()
      })
    }))
  }

  deleteDatabase (name) {
    const request = new OpenRequest()
    this.#enqueue(name, () => this.#delete(request, name).catch(error => failed(request, error)))
    return request
  }

  async #delete (request, name) {
    const link = await this.links.take(name)
    let old
    try {
      old = await link.drop(old => queueTask(() => {
        dispatch(new IDBVersionChangeEvent('blocked', { oldVersion: old, newVersion: null }), request)
      }))
    } finally {
      this.links.release(link)
    }
    await told(() => {
      request.succeed(undefined)
      dispatch(new IDBVersionChangeEvent('success', { oldVersion: old, newVersion: null }), request)
    })
  }

  async databases () {
    const list = await this.#list(this.links.any()?.client)
    return list.filter(({ version }) => version > 0).map(({ name, version }) => ({ name: decodeText(name), version }))
  }

  async #list (client) {
    if (client !== undefined) return await client.databases()
    const own = await connect(this.address, SETTINGS)
    try {
      return await own.databases()
    } finally {
      own.close().catch(() => {})
    }
  }
}

function told (work) {
  return new Promise(resolve => queueTask(() => {
    work()
    resolve()
  }))
}

function failed (request, error) {
  return told(() => {
    request.fail(toException(error))
    request.transaction = null
    dispatch(new Event('error', { bubbles: true, cancelable: true }), request)
  })
}

export class IDBFactory {
  constructor () { illegalConstructor(arguments) }

  open (name, version = undefined) {
    const factory = inner(this, Factory)
    need(arguments, 1, 'IDBFactory.open')
    const text = toDomString(name)
    const number = version === undefined ? null : toUnsigned(version, UNSIGNED_LONG_LONG, 'IDBFactory.open')
    if (number === 0) throw new TypeError('IDBFactory.open: the version is 0')
    return factory.open(text, number).wrapper
  }

  deleteDatabase (name) {
    const factory = inner(this, Factory)
    need(arguments, 1, 'IDBFactory.deleteDatabase')
    return factory.deleteDatabase(toDomString(name)).wrapper
  }

  // Not async: what is no factory rejects, too.
  databases () {
    try {
      return inner(this, Factory).databases()
    } catch (e) {
      return Promise.reject(e)
    }
  }

  cmp (first, second) {
    inner(this, Factory)
    need(arguments, 2, 'IDBFactory.cmp')
    const a = toKey(first)
    return compare(a, toKey(second))
  }
}
finish(IDBFactory)
refuse(IDBFactory)
