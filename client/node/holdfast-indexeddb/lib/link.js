// link.js - the one socket of this process to a database: who has it open, and transactions that wait for their turn.
import { connect } from 'holdfast'
import { encodeText } from './keys.js'

const IDLE_MS = 200 // that a socket stays open after its last use
const TRANSACTIONS = 512 // that one socket has open at the server; the others wait here

export const SETTINGS = { client: 'holdfast-indexeddb', reconnect: false }

export class Link {
  #nextOpener = 0
  #drops = [] // who waits for the database to be deleted, in their order
  #open = 0 // transactions
  #waiting = [] // of those: what begins them
  openers = new Map() // number: {onVersionChange(old, to), onBlocked(old, to), onLost(error)}
  isLost = false

  constructor (client, name) {
    this.client = client
    this.name = name
    client.unref()
    client.on('versionchange', (o, _, old, to) => this.openers.get(o)?.onVersionChange(old, to ?? null))
    client.on('blocked', (o, _, old, to) => {
      if (o === null || o === undefined) this.#drops[0]?.(old)
      else this.openers.get(o)?.onBlocked(old, to)
    })
    client.on('disconnect', error => this.#lost(error))
  }

  #lost (error) {
    if (this.isLost) return
    this.isLost = true
    for (const opener of [...this.openers.values()]) opener.onLost(error)
    for (const begin of this.#waiting.splice(0)) begin() // is refused
  }

  static async open (address, name) {
    const client = await connect(address, { ...SETTINGS, database: encodeText(name) })
    if (client.limits.openers === undefined) {
      client.close().catch(ignore)
      throw new Error(`holdfast-indexeddb needs a server with openers; ${address ?? 'this one'} has version ${client.server.version}`)
    }
    return new Link(client, name)
  }

  // ---- Openers ---------------------------------------------------------------------------

  /** A number for somebody who opens the database. */
  register (opener) {
    const o = ++this.#nextOpener
    this.openers.set(o, opener)
    return o
  }

  /** {version, upgrade}; rejects with BAD_VERSION. */
  attach (o, version) { return this.client.call('attach', o, version === null ? {} : { version }) }

  /** Begin the transaction that upgrades, when its time has come. */
  async upgrade (o, to, options) {
    const transaction = this.client.upgrade(o, to, options)
    await transaction.ready
    this.#open++
    return transaction
  }

  /** The handlers of versionchange have run. */
  seen (o) { this.client.call('versionchange_seen', o).catch(ignore) }

  detach (o) {
    if (this.openers.delete(o) && !this.isLost) this.client.call('detach', o).catch(ignore)
  }

  /** Delete the database; gives its version, 0 where there was none. onBlocked(old) is told once that others have it open. */
  async drop (onBlocked) {
    this.#drops.push(onBlocked)
    try {
      return await this.client.call('drop_database', encodeText(this.name))
    } finally {
      this.#drops.splice(this.#drops.indexOf(onBlocked), 1)
    }
  }

  // ---- Transactions ----------------------------------------------------------------------

  /** A transaction of the package holdfast, or the promise of one where too many are open. `release` it in the end. */
  begin (lock, options) {
    const start = () => {
      const transaction = this.client.start({ ...options, lock })
      this.#open++
      return transaction
    }
    if (this.#open < TRANSACTIONS && this.#waiting.length === 0 && !this.isLost) return start()
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          resolve(start())
        } catch (e) {
          reject(e)
        }
      }
      if (this.isLost) begin()
      else this.#waiting.push(begin)
    })
  }

  release () {
    this.#open--
    while (this.#open < TRANSACTIONS && this.#waiting.length > 0) this.#waiting.shift()()
  }

  async close () {
    await this.client.close()
    this.#lost(new Error('the factory was closed'))
  }
}

/** The links of one factory: one for each database, closed when nobody has used it for a while. */
export class Links {
  #open // async (name) => Link
  #links = new Map() // name: {promise, users, timer}

  constructor (open) { this.#open = open }

  /** A link, which has one more user until `release`. */
  async take (name) {
    let entry = this.#links.get(name)
    if (entry === undefined) {
      entry = { promise: this.#open(name), link: null, users: 0, timer: null }
      this.#links.set(name, entry)
    }
    entry.users++
    clearTimeout(entry.timer)
    try {
      const link = await entry.promise
      entry.link = link
      if (!link.isLost) return link
      this.#drop(name, entry)
      return await this.take(name)
    } catch (e) {
      this.#drop(name, entry)
      throw e
    }
  }

  release (link) {
    const entry = this.#links.get(link.name)
    if (entry?.link !== link || --entry.users > 0) return
    entry.timer = setTimeout(() => {
      if (entry.users > 0) return
      this.#drop(link.name, entry)
      link.close().catch(ignore)
    }, IDLE_MS)
    entry.timer.unref()
  }

  #drop (name, entry) {
    if (this.#links.get(name) === entry) this.#links.delete(name)
  }

  /** A link that is there, whatever its database; null where none is. */
  any () {
    for (const { link } of this.#links.values()) if (link !== null && !link.isLost) return link
    return null
  }

  async closeAll () {
    const links = await Promise.allSettled([...this.#links.values()].map(entry => entry.promise))
    this.#links.clear()
    await Promise.allSettled(links.map(({ value }) => value?.close()))
  }
}

function ignore () {}
