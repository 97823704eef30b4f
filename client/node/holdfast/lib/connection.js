// connection.js - one socket: requests go out many at a time, answers come back in any order, and
// when the socket ends every promise that waits is settled, once.
import net from 'node:net'
import tls from 'node:tls'
import { Decoder, EncodeError, Encoder } from './codec.js'
import { fromServer, local } from './errors.js'
import { Gets } from './gets.js'
import { READS, snake, WRITES } from './methods.js'
import { Waiting } from './waiting.js'

const HANDLES = 0x7fffffff // of transactions; those beyond are of groups of gets
const READ_BYTES = 64 * 1024
const FLUSH_BYTES = 32 * 1024 // of requests are sent at once, so that the server begins while more are made
const GETS_MAX = 32 // that leave as one request; a server that has 32 begins while the next are made
const GETS_BYTES_MAX = 16 * 1024 // of their keys
const EACH = ['each', 'rest']
const RESULT_BYTES = 4 * 1024 * 1024 // in one answer, where the server does not say
const ANSWER_BYTES_MAX = 256 * 1024 * 1024 // no server sends as much in one answer

// The certificate must be signed by whom we trust and be of the host, unless the caller says otherwise
// (rejectUnauthorized, servername, checkServerIdentity of node:tls).
function tlsOptions (place, given) {
  const name = net.isIP(place.host) ? {} : { servername: place.host }
  return { minVersion: 'TLSv1.2', ALPNProtocols: ['holdfast/1'], ...name, ...(given === true ? {} : given), ...place }
}

// A request that waits for its answer. `late` is called instead of the promise when the answer comes
// although nobody waits any more: it cleans up what the request has opened.
class Request {
  constructor (msgid, method, resolve, reject) {
    this.msgid = msgid
    this.method = method
    this.isWrite = false
    this.resolve = resolve
    this.reject = reject
    this.owner = null
    this.late = null
    this.isAsciiText = false
    this.signal = null
    this.onAbort = null
    this.isSettled = false
  }

  settle () {
    this.isSettled = true
    if (this.onAbort !== null) {
      this.signal.removeEventListener('abort', this.onAbort)
      this.onAbort = null
    }
  }
}

/** What callers may say of a request beside its parameters. */
export const PLAIN = Object.freeze({ owner: null, late: null, always: false })

export class Connection {
  #socket
  #settings
  #encoder = new Encoder()
  #decoder = new Decoder()
  #waiting = new Waiting()
  #gets = null // those of this turn, still open: the last message in the encoder
  #getBytes = 0 // mean size of a record that was got
  #unsent = [] // requests of which no byte was given to the socket
  #handle = 0
  #handles = new Map() // of open transactions: their owner
  #rest = 0
  #slots = [] // who waits to begin a transaction
  #isFlushing = false
  #drains = []
  #heartbeat = null
  #pingAt = 0
  #heardAt = 0
  #error = null
  #isKeeping = true
  #cancels = null // the promise of whether the server can
  #onClose
  #onPush
  closed

  /** What `hello` has answered; what it says of limits and features counts from then on. */
  server = null
  limits = {}
  features = new Set()

  /** `settings`: {queueBytesMax, heartbeatMs}; onPush(name, params); onClose(error), once. */
  constructor (socket, settings, onPush, onClose) {
    this.#socket = socket
    this.#settings = settings
    this.#onPush = onPush
    this.#onClose = onClose
    this.closed = new Promise(resolve => socket.once('close', resolve))
    socket.on('drain', () => this.#drained())
    socket.on('error', error => this.#lose(error))
    socket.on('close', () => this.#lose(null))
    this.#heardAt = performance.now()
    this.#heartbeat = setInterval(() => this.#beat(), Math.max(10, settings.heartbeatMs / 2))
    this.#heartbeat.unref()
  }

  /** Connect to {path} or {host, port}; within timeoutMs. Does not say hello. */
  static open (target, settings, onPush, onClose) {
    return new Promise((resolve, reject) => {
      const where = target.path ?? `${target.host}:${target.port}`
      const place = target.path === undefined
        ? { host: target.host, port: target.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }
        : { path: target.path }
      // Every read goes to the same buffer: the decoder copies what it gives.
      let connection = null
      const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
      place.onread = { buffer, callback: n => connection === null || connection.#read(buffer.subarray(0, n)) }
      const socket = settings.tls ? tls.connect(tlsOptions(place, settings.tls)) : net.connect(place)
      const fail = cause => {
        clearTimeout(timer)
        socket.destroy()
        reject(local('CONNECTION', `cannot connect to ${where}: ${cause.message || cause.code || cause}`,
          { retryable: true, cause, details: { address: where } }))
      }
      const timer = setTimeout(() => fail(new Error(`no connection after ${settings.connectTimeoutMs} ms`)),
        settings.connectTimeoutMs)
      socket.once('error', fail)
      socket.once(settings.tls ? 'secureConnect' : 'connect', () => {
        clearTimeout(timer)
        socket.off('error', fail)
        connection = new Connection(socket, settings, onPush, onClose)
        resolve(connection)
      })
    })
  }

  get isOpen () { return this.#error === null }

  /** What binds a login to this connection (RFC 9266); null where it has no TLS. */
  get binding () {
    return this.#socket.encrypted === true
      ? this.#socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
      : null
  }

  /** Requests that wait for their answers. */
  get inFlight () { return this.#waiting.size }

  /** Bytes that the socket has not taken yet. */
  get queuedBytes () { return this.#encoder.pending + this.#socket.writableLength }

  /** Whether it keeps the process alive while nothing is in flight. */
  ref () {
    this.#isKeeping = true
    this.#socket.ref()
  }

  unref () {
    this.#isKeeping = false
    if (this.#waiting.size === 0) this.#socket.unref()
  }

  greet (server) {
    this.server = server
    this.limits = server.limits ?? {}
    this.features = new Set(server.features)
    if (this.limits.depth > 0) this.#encoder.depthMax = this.limits.depth
  }

  // ---- Requests --------------------------------------------------------------------------

  /**
   * Send a request. `params` are encoded before this returns. `options` go behind the first `places`
   * parameters; their names are translated (readOnly: read_only), those that are undefined are left
   * out, and `signal` (an AbortSignal) and `asciiText` (see Decoder) stay here.
   */
  request (method, params, places, options, { owner, late, always, isWrite } = PLAIN) {
    return new Promise((resolve, fail) => {
      const reject = owner === null || always ? fail : error => {
        owner._refuse(error)
        fail(error)
      }
      const signal = options?.signal
      if (signal?.aborted) return reject(signal.reason)
      if (this.#error !== null) return reject(this.#lost(method, false))
      if (!always && this.queuedBytes > this.#settings.queueBytesMax) {
        return reject(this.#overloaded())
      }
      if (this.#gets !== null) this.#endGets()
      const msgid = this.#waiting.next()
      try {
        this.#encode(msgid, method, params, places, options)
      } catch (e) {
        this.#encoder.discard()
        return reject(e)
      }
      const request = new Request(msgid, method, resolve, fail)
      request.owner = owner
      request.isWrite = isWrite ?? WRITES.has(method)
      request.late = late
      request.isAsciiText = options?.asciiText === true
      this.#add(request)
      if (signal) this.#watch(request, signal)
    })
  }

  #add (request) {
    if (!this.#isKeeping && this.#waiting.size === 0) this.#socket.ref()
    this.#waiting.add(request)
    this.#unsent.push(request)
    if (this.#encoder.pending >= FLUSH_BYTES) this.#flush()
    else this.#flushSoon()
  }

  #overloaded () {
    return local('OVERLOADED', `${this.queuedBytes} bytes wait to be sent (queueBytesMax ${this.#settings.queueBytesMax}); ` +
      'await answers, or drained()', { retryable: true })
  }

  // ---- Gets ------------------------------------------------------------------------------

  /**
   * Get a record of a store outside of any transaction; one of waiter.take(value) and waiter.fail(error) is called, once,
   * and must not throw. Those asked for with nothing else between them in one turn leave as one request (see gets.js).
   */
  get (store, key, waiter) {
    if (this.#error !== null) return waiter.fail(this.#lost('get', false))
    if (this.queuedBytes > this.#settings.queueBytesMax) return waiter.fail(this.#overloaded())
    const encoder = this.#encoder
    let bytes = 0
    try {
      if (this.#gets === null || this.#gets.store !== store) this.#beginGets(store)
      bytes = encoder.messageBytes
      encoder.value(key, encoder.depthMax - 3)
    } catch (e) {
      encoder.cut(bytes)
      return waiter.fail(named('get', e))
    }
    const gets = this.#gets
    gets.add(waiter)
    if (gets.length >= this.#getsMax() || encoder.messageBytes > GETS_BYTES_MAX) {
      this.#endGets()
      this.#flush()
    }
  }

  #beginGets (store) {
    this.#endGets()
    const encoder = this.#encoder
    encoder.begin()
    const msgid = this.#waiting.next()
    this.#head(msgid, 'get_many', 4)
    encoder.nil()
    encoder.text(store)
    this.#gets = new Gets(this, store, msgid, encoder.openArray())
    this.#flushSoon()
  }

  // What was gathered becomes a message; one by itself a `get`, which costs the server less.
  #endGets () {
    const gets = this.#gets
    if (gets === null) return
    this.#gets = null
    const encoder = this.#encoder
    if (gets.length === 0) return encoder.discard()
    gets.keys = encoder.written(gets.place + 2)
    if (gets.length === 1) {
      encoder.discard()
      encoder.begin()
      this.#head(gets.msgid, 'get', 3)
      encoder.nil()
      encoder.text(gets.store)
      encoder.bytes(gets.keys)
    } else {
      encoder.patch16(gets.place, gets.length)
      gets.rest = this.takeRest()
      this.#encodeOptions(EACH, { each: true, rest: gets.rest }, 1)
    }
    try {
      this.#checkSize('get')
    } catch (e) {
      encoder.discard()
      return gets.fail(e)
    }
    encoder.end()
    this.#add(gets)
  }

  // Their answer shall stay well below what one may hold.
  #getsMax () {
    return this.#getBytes === 0 ? GETS_MAX : Math.min(GETS_MAX, this.#resultBytes / 4 / this.#getBytes)
  }

  /** So many records have come in the message that was just read; no more would have fitted into it. */
  _got (records, isTooMany = false) {
    const mean = (isTooMany ? this.#resultBytes : this.#decoder.messageBytes) / records
    this.#getBytes = this.#getBytes === 0 || isTooMany ? mean : this.#getBytes + (mean - this.#getBytes) / 8
  }

  get #resultBytes () { return this.limits.result_bytes ?? RESULT_BYTES }

  #encode (msgid, method, params, places, options) {
    const encoder = this.#encoder
    let names
    let count = params.length
    if (options !== undefined && options !== null) {
      names = Object.keys(options).filter(name => options[name] !== undefined && name !== 'signal' && name !== 'asciiText')
      if (names.length > 0) count = places + 1
    }
    encoder.begin()
    this.#head(msgid, method, count)
    const depth = encoder.depthMax - 2
    let step = 0
    try {
      for (; step < params.length; step++) encoder.value(params[step], depth)
      for (; step < count - 1; step++) encoder.nil()
      if (count > params.length) this.#encodeOptions(names, options, depth - 1)
    } catch (e) {
      throw named(method, e)
    }
    this.#checkSize(method)
    encoder.end()
  }

  #head (msgid, method, count) {
    const encoder = this.#encoder
    encoder.array(4)
    encoder.number(0)
    encoder.number(msgid)
    encoder.text(method)
    encoder.array(count)
  }

  #checkSize (method) {
    const max = this.limits.frame_bytes
    const size = this.#encoder.messageBytes
    if (size > max) {
      throw local('TOO_LARGE', `${method}: the message has ${size} bytes (limit: ${max})`, { details: { limit: 'frame_bytes', max, size } })
    }
  }

  #encodeOptions (names, options, depth) {
    this.#encoder.map(names.length)
    for (const name of names) {
      this.#encoder.text(snake(name))
      this.#encoder.value(options[name], depth)
    }
  }

  #watch (request, signal) {
    request.signal = signal
    request.onAbort = () => this.#abandon(request, signal.reason, READS.has(request.method) && !request.isWrite)
    signal.addEventListener('abort', request.onAbort, { once: true })
  }

  // Nobody waits for it any more; its answer will still come and is taken then. keep: its transaction goes on.
  #abandon (request, reason, keep = false) {
    if (request.isSettled) return
    request.settle()
    if (!keep) request.owner?._refuse(reason)
    request.reject(reason)
    this.#canCancel().then(can => {
      if (can && this.#waiting.get(request.msgid) === request) this.request('cancel', [request.msgid], 1, keep ? { keep } : undefined, ALWAYS).catch(ignore)
    }, ignore)
  }

  // A server that does not know the method would take the number for a transaction's.
  #canCancel () {
    this.#cancels ??= this.request('describe', [], 0, undefined, ALWAYS)
      .then(methods => methods.some(method => method.name === 'cancel'))
    return this.#cancels
  }

  /** Reject with `reason` whatever waits on behalf of `owner`. */
  abandon (owner, reason) {
    for (const request of this.#waiting.all()) {
      if (request.owner === owner) this.#abandon(request, reason)
    }
  }

  #flushSoon () {
    if (this.#isFlushing) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.#flush()
    })
  }

  #flush () {
    if (this.#error !== null) return
    this.#endGets()
    this.#unsent.length = 0
    const parts = this.#encoder.take()
    if (parts.length === 1) this.#socket.write(parts[0])
    else if (parts.length > 1) {
      this.#socket.cork()
      for (const part of parts) this.#socket.write(part)
      this.#socket.uncork()
    }
    // As a rule the system has taken all of it by now.
    if (this.#socket.writableLength === 0) this.#encoder.reuse()
  }

  /** Resolves when less than a quarter of queueBytesMax waits to be sent. */
  drained () {
    if (this.#error !== null || this.#isDrained()) return Promise.resolve()
    return new Promise(resolve => this.#drains.push(resolve))
  }

  #isDrained () { return this.queuedBytes <= this.#settings.queueBytesMax / 4 }

  #drained () {
    if (this.#drains.length === 0 || !this.#isDrained()) return
    for (const resolve of this.#drains.splice(0)) resolve()
  }

  // ---- Answers ---------------------------------------------------------------------------

  // Gives true: the next may be read.
  #read (bytes) {
    if (this.#error !== null) return true
    this.#heardAt = performance.now()
    this.#pingAt = 0
    try {
      this.#decoder.push(bytes)
      const decoder = this.#decoder
      for (;;) {
        decoder.isAsciiText = this.#waiting.get(decoder.answerTo)?.isAsciiText === true
        const message = decoder.read()
        if (message === undefined) break
        this.#take(message)
      }
      this.#decoder.keep()
      this.#decoder.keep()
      if (this.#decoder.waiting > ANSWER_BYTES_MAX) throw new Error(`a reply larger than ${ANSWER_BYTES_MAX} bytes`)
    } catch (cause) {
      this.destroy(local('PROTOCOL', `the server has sent something other than an answer: ${cause.message}`,
        { cause, retryable: false }))
    }
    return true
    return true
  }

  #take (message) {
    if (!Array.isArray(message)) throw new Error('the message is not an array')
    if (message[0] === 2 && typeof message[1] === 'string') {
      return this.#onPush(message[1], Array.isArray(message[2]) ? message[2] : [])
    }
    const request = message[0] === 1 && message.length === 4 ? this.#waiting.get(message[1]) : undefined
    if (request === undefined) throw new Error('a reply to an unknown request')
    this.#waiting.delete(request)
    if (!this.#isKeeping && this.#waiting.size === 0) this.#socket.unref()
    if (request.isSettled) {
      if (message[2] === null && request.late !== null) request.late(message[3])
      return
    }
    request.settle()
    if (message[2] === null) request.resolve(message[3])
    else request.reject(fromServer(message[2]))
  }

  // ---- Transactions ----------------------------------------------------------------------

  /** A handle for a transaction of `owner`; 0 where as many are open as the server takes. */
  takeHandle (owner) {
    if (this.#slots.length > 0 || this.#handles.size >= (this.limits.transactions ?? 1024)) return 0
    return this.#nextHandle(owner)
  }

  #nextHandle (owner) {
    do {
      this.#handle = this.#handle % HANDLES + 1
    } while (this.#handles.has(this.#handle))
    this.#handles.set(this.#handle, owner)
    return this.#handle
  }

  /** A handle that a group of gets may need. None of a transaction is the same, and 2,147,483,647 others come before it does again. */
  takeRest () {
    this.#rest = this.#rest % HANDLES + 1
    return HANDLES + this.#rest
  }

  /** The same, but wait in line until another transaction ends. */
  waitForHandle (owner, signal, timeoutMs) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      if (this.#error !== null) return reject(this.#lost('begin', false))
      const waiter = { owner, leave: null }
      waiter.leave = (error, handle) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        if (error === null) return resolve(handle)
        const place = this.#slots.indexOf(waiter)
        if (place >= 0) this.#slots.splice(place, 1)
        reject(error)
      }
      const onAbort = () => waiter.leave(signal.reason)
      const timer = setTimeout(() => waiter.leave(local('OVERLOADED',
        `${this.#handles.size} transactions are open on this connection, and none has ended for ${timeoutMs} ms`,
        { retryable: true })), timeoutMs)
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#slots.push(waiter)
    })
  }

  freeHandle (handle) {
    if (!this.#handles.delete(handle) || this.#slots.length === 0) return
    const waiter = this.#slots.shift()
    waiter.leave(null, this.#nextHandle(waiter.owner))
  }

  owner (handle) { return this.#handles.get(handle) }

  // ---- The end ---------------------------------------------------------------------------

  // A server that does not hang up and does not answer is gone; one that is busy answers a ping.
  #beat () {
    if (this.#error !== null || this.#waiting.size === 0) return
    const now = performance.now()
    if (this.#pingAt !== 0 && now - this.#pingAt > 2 * this.#settings.heartbeatMs) {
      return this.destroy(local('CONNECTION', `the server has been silent for ${Math.round(now - this.#heardAt)} ms`))
    }
    if (this.#pingAt === 0 && now - this.#heardAt > this.#settings.heartbeatMs) {
      this.#pingAt = now
      this.request('ping', [], 0, undefined, ALWAYS).catch(ignore)
    }
  }

  /** Send what is there, take the answers to what was asked, and end; after timeoutMs, at once. */
  async end (timeoutMs) {
    if (this.#error !== null) return
    this.#flush()
    this.#socket.end()
    const timer = setTimeout(() => this.destroy(null), timeoutMs)
    await this.closed
    clearTimeout(timer)
  }

  /** End now. What waits is rejected. */
  destroy (error) {
    this.#lose(error)
    this.#socket.destroy()
  }

  #lose (cause) {
    if (this.#error !== null) return
    this.#error = cause ?? new Error('the server has closed the connection')
    clearInterval(this.#heartbeat)
    this.#socket.destroy()
    const unsent = new Set(this.#unsent)
    const waiting = this.#waiting.all()
    if (this.#gets !== null) waiting.push(this.#gets)
    this.#gets = null
    this.#waiting.clear()
    this.#unsent.length = 0
    for (const request of waiting) {
      if (request.isSettled) continue
      request.settle()
      request.reject(this.#lost(request.method, request.isWrite && !unsent.has(request), request.owner))
    }
    for (const resolve of this.#drains.splice(0)) resolve()
    for (const waiter of this.#slots.splice(0)) waiter.leave(this.#lost('begin', false))
    this.#onClose(this.#error)
  }

  // Within a transaction only its commit can be in force although the answer is lost.
  #lost (method, isSentWrite, owner = null) {
    const maybe = isSentWrite && (owner === null || method === 'commit')
    const reason = this.#error
    if (reason.name === 'PROTOCOL') return local('PROTOCOL', reason.message, { cause: reason, maybe_committed: maybe })
    return local('CONNECTION', `${method}: the connection is lost: ${reason.message}` +
      (maybe ? '; it may be in force' : ''), { retryable: !maybe, maybe_committed: maybe, cause: reason })
  }
}

export const ALWAYS = Object.freeze({ owner: null, late: null, always: true })

function ignore () {}

// An error of encoding says of which method.
function named (method, error) {
  if (error instanceof EncodeError) error.message = `${method}: ${error.message}${where(error.path)}`
  return error
}

function where (path) {
  if (path.length === 0) return ''
  return ' (at ' + path.map(step => typeof step === 'number' ? `[${step}]` : `.${step}`).join('').replace(/^\./, '') + ')'
}
