// codec.js - MessagePack for what Holdfast stores, with nothing lost on the way.
//
// Integers that a number cannot hold exactly are BigInts; timestamps are Dates where a Date is
// exact, else Timestamps; binaries are Buffers; maps are objects where every key is a text, else
// Maps. Whatever has no exact form in MessagePack is refused before a byte is sent.

const SLAB_BYTES = 64 * 1024
const TEXT_SHORT = 24 // up to this many characters a loop is faster than a call into C++
const TEXT_LONG = 4096 // beyond it room for the longest form of a text is not taken for granted

/** A moment that a Date cannot hold: `seconds` since 1970 (a number or a BigInt) and `nanoseconds`. */
export class Timestamp {
  constructor (seconds, nanoseconds = 0) {
    const isWhole = typeof seconds === 'bigint' || Number.isSafeInteger(seconds)
    if (!isWhole) throw new TypeError(`a Timestamp takes whole seconds, not ${String(seconds)}`)
    if (!Number.isInteger(nanoseconds) || nanoseconds < 0 || nanoseconds > 999_999_999) {
      throw new RangeError(`a Timestamp takes 0 to 999,999,999 nanoseconds, not ${nanoseconds}`)
    }
    const number = Number(seconds)
    this.seconds = Number.isSafeInteger(number) ? number : BigInt.asIntN(64, BigInt(seconds))
    if (this.seconds !== number && this.seconds !== seconds) {
      throw new RangeError(`${seconds} seconds do not fit into 64 bits`)
    }
    this.nanoseconds = nanoseconds
    Object.freeze(this)
  }

  static fromDate (date) {
    const ms = date.getTime()
    const seconds = Math.floor(ms / 1000)
    return new Timestamp(seconds, (ms - seconds * 1000) * 1e6)
  }

  /** The Date at or just before this moment; an invalid Date where it is out of a Date's range. */
  toDate () {
    return new Date(Number(this.seconds) * 1000 + Math.floor(this.nanoseconds / 1e6))
  }
}

/** An extension of MessagePack that has no meaning here: kept as its type and its bytes. */
export class Ext {
  constructor (type, data) {
    if (!Number.isInteger(type) || type < -128 || type > 127) {
      throw new RangeError(`the type of an extension is -128 to 127, not ${String(type)}`)
    }
    this.type = type
    this.data = Buffer.from(data)
  }
}

/** What writes itself: `write(encoder, depth)`. */
export class Written {}

/** A text that is sent as a binary, its bytes in UTF-8: what Buffer.from(text) would be, without making that. */
export class Utf8 extends Written {
  constructor (text) {
    super()
    if (typeof text !== 'string') throw new TypeError(`Utf8 takes a text, not ${String(text)}`)
    this.text = text
  }

  write (encoder) { encoder.utf8(this.text) }
}

/** Thrown for a value that cannot be sent; `path` says where in the value it is. */
export class EncodeError extends TypeError {
  constructor (message) {
    super(message)
    this.name = 'EncodeError'
    this.path = []
  }
}

function refused (what) {
  return new EncodeError(`cannot be stored: ${what}`)
}

// ---- Encoder -----------------------------------------------------------------------------

/**
 * Writes messages one behind the other into slabs. `begin` starts a message, `end` keeps it and
 * `discard` drops it; `take` gives all that is kept as a list of Buffers, which nobody writes to again.
 */
export class Encoder {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
  #taken = 0 // what is before this was given away
  #start = 0 // of the message being written
  #at = 0
  #full = [] // parts of earlier slabs, not yet given away
  #fullBytes = 0
  depthMax = 64

  /** Bytes of finished messages that were not taken yet. */
  get pending () { return this.#fullBytes + this.#start - this.#taken }

  /** Bytes of the message that was begun. */
  get messageBytes () { return this.#at - this.#start }

  begin () { this.#start = this.#at }

  end () { this.#start = this.#at }

  discard () { this.#at = this.#start }

  take () {
    const parts = this.#full
    if (this.#start > this.#taken) parts.push(this.#slab.subarray(this.#taken, this.#start))
    this.#taken = this.#start
    this.#full = []
    this.#fullBytes = 0
    return parts
  }

  /** What was taken is not needed any more: its place is written to again. */
  reuse () {
    if (this.#slab.length > SLAB_BYTES) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    this.#taken = this.#start = this.#at = 0
  }

  /** A number of 16 bits within the message that was begun, at this place of it. */
  patch16 (place, n) {
    this.#slab[this.#start + place] = n >>> 8
    this.#slab[this.#start + place + 1] = n
  }

  /** A copy of what was written of the message from so many bytes on. */
  written (from) { return Buffer.from(this.#slab.subarray(this.#start + from, this.#at)) }

  /** Drop what was written of the message beyond so many bytes. */
  cut (bytes) { this.#at = this.#start + bytes }

  /** An array whose length, up to 65,535, is given later: patch16 at the place that this returns. */
  openArray () {
    this.#head16(0xdc, 0)
    return this.messageBytes - 2
  }

  #need (bytes) {
    if (this.#at + bytes <= this.#slab.length) return
    const message = this.#at - this.#start
    const slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, 2 * message + bytes))
    if (this.#start > this.#taken) {
      this.#full.push(this.#slab.subarray(this.#taken, this.#start))
      this.#fullBytes += this.#start - this.#taken
    }
    this.#slab.copy(slab, 0, this.#start, this.#at)
    this.#slab = slab
    this.#taken = this.#start = 0
    this.#at = message
  }

  #byte (byte) {
    this.#need(1)
    this.#slab[this.#at++] = byte
  }

  #head16 (tag, n) {
    this.#need(3)
    this.#slab[this.#at] = tag
    this.#slab[this.#at + 1] = n >>> 8
    this.#slab[this.#at + 2] = n
    this.#at += 3
  }

  #head32 (tag, n) {
    this.#need(5)
    this.#slab[this.#at] = tag
    this.#slab.writeUInt32BE(n, this.#at + 1)
    this.#at += 5
  }

  #head8 (tag, n) {
    this.#need(2)
    this.#slab[this.#at] = tag
    this.#slab[this.#at + 1] = n
    this.#at += 2
  }

  array (n) {
    if (n < 16) this.#byte(0x90 | n)
    else if (n < 0x10000) this.#head16(0xdc, n)
    else this.#head32(0xdd, n)
  }

  map (n) {
    if (n < 16) this.#byte(0x80 | n)
    else if (n < 0x10000) this.#head16(0xde, n)
    else this.#head32(0xdf, n)
  }

  nil () { this.#byte(0xc0) }

  number (n) {
    if (n >= 0 && n < 128 && Number.isInteger(n) && !Object.is(n, -0)) this.#byte(n)
    else if (Number.isSafeInteger(n) && !Object.is(n, -0)) this.#integer(n)
    else {
      this.#need(9)
      this.#slab[this.#at] = 0xcb
      this.#slab.writeDoubleBE(n, this.#at + 1)
      this.#at += 9
    }
  }

  #integer (n) {
    if (n >= 0) {
      if (n < 0x80) this.#byte(n)
      else if (n < 0x100) this.#head8(0xcc, n)
      else if (n < 0x10000) this.#head16(0xcd, n)
      else if (n <= 0xffffffff) this.#head32(0xce, n)
      else {
        this.#need(9)
        this.#slab[this.#at] = 0xcf
        this.#slab.writeUInt32BE(Math.floor(n / 0x100000000), this.#at + 1)
        this.#slab.writeUInt32BE(n >>> 0, this.#at + 5)
        this.#at += 9
      }
    } else if (n >= -32) this.#byte(n & 0xff)
    else if (n >= -0x80) this.#head8(0xd0, n & 0xff)
    else if (n >= -0x8000) this.#head16(0xd1, n & 0xffff)
    else if (n >= -0x80000000) this.#head32(0xd2, n >>> 0)
    else this.#long(0xd3, BigInt(n))
  }

  #long (tag, n) {
    this.#need(9)
    this.#slab[this.#at] = tag
    this.#slab.writeBigUInt64BE(BigInt.asUintN(64, n), this.#at + 1)
    this.#at += 9
  }

  #bigint (n) {
    const number = Number(n)
    if (Number.isSafeInteger(number)) this.#integer(number)
    else if (n >= 0n && n < 1n << 64n) this.#long(0xcf, n)
    else if (n < 0n && n >= -(1n << 63n)) this.#long(0xd3, n)
    else throw refused(`an integer of more than 64 bits (${n})`)
  }

  text (text) {
    const length = text.length
    if (length <= TEXT_SHORT && this.#asciiText(text, length)) return
    if (!text.isWellFormed()) throw refused('a text with half of a surrogate pair')
    this.#utf8(text, length < 32 ? 1 : length < 0x100 ? 2 : 3, false)
  }

  /** The bytes of a text, as a binary. */
  utf8 (text) {
    const length = text.length
    if (length <= TEXT_SHORT && this.#asciiBinary(text, length)) return
    this.#utf8(text, length < 0x100 ? 2 : 3, true)
  }

  // Where no character takes more than a byte the head has the size that was foreseen.
  #utf8 (text, foreseen, isBinary) {
    const isLong = text.length > TEXT_LONG
    let bytes = isLong ? Buffer.byteLength(text) : 3 * text.length
    this.#need(bytes + 5)
    const start = this.#at
    if (isLong) {
      this.#textHead(bytes, isBinary)
      this.#at += this.#slab.utf8Write(text, this.#at, bytes)
      return
    }
    bytes = this.#slab.utf8Write(text, start + foreseen, bytes)
    this.#textHead(bytes, isBinary)
    if (this.#at !== start + foreseen) {
      // The head is larger, and is in the way of the first bytes.
      this.#slab.utf8Write(text, this.#at, bytes)
    }
    this.#at += bytes
  }

  #textHead (bytes, isBinary) {
    if (isBinary) {
      if (bytes < 0x100) this.#head8(0xc4, bytes)
      else if (bytes < 0x10000) this.#head16(0xc5, bytes)
      else this.#head32(0xc6, bytes)
    } else if (bytes < 32) this.#byte(0xa0 | bytes)
    else if (bytes < 0x100) this.#head8(0xd9, bytes)
    else if (bytes < 0x10000) this.#head16(0xda, bytes)
    else this.#head32(0xdb, bytes)
  }

  #asciiText (text, length) {
    this.#need(length + 1)
    if (!this.#ascii(text, length, this.#at + 1)) return false
    this.#slab[this.#at] = 0xa0 | length
    this.#at += length + 1
    return true
  }

  #asciiBinary (text, length) {
    this.#need(length + 2)
    if (!this.#ascii(text, length, this.#at + 2)) return false
    this.#slab[this.#at] = 0xc4
    this.#slab[this.#at + 1] = length
    this.#at += length + 2
    return true
  }

  #ascii (text, length, at) {
    const slab = this.#slab
    for (let i = 0; i < length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) return false
      slab[at + i] = unit
    }
    return true
  }

  /** What is written already. */
  bytes (encoded) {
    const n = encoded.length
    this.#need(n)
    if (n > TEXT_SHORT) this.#slab.set(encoded, this.#at)
    else for (let i = 0; i < n; i++) this.#slab[this.#at + i] = encoded[i]
    this.#at += n
  }

  #bytes (bytes) {
    const n = bytes.length
    if (n < 0x100) this.#head8(0xc4, n)
    else if (n < 0x10000) this.#head16(0xc5, n)
    else this.#head32(0xc6, n)
    this.#need(n)
    this.#slab.set(bytes, this.#at)
    this.#at += n
  }

  #ext (type, bytes) {
    const n = bytes.length
    const fixed = [1, 2, 4, 8, 16].indexOf(n)
    if (fixed >= 0) this.#byte(0xd4 + fixed)
    else if (n < 0x100) this.#head8(0xc7, n)
    else if (n < 0x10000) this.#head16(0xc8, n)
    else this.#head32(0xc9, n)
    this.#byte(type & 0xff)
    this.#need(n)
    this.#slab.set(bytes, this.#at)
    this.#at += n
  }

  #timestamp (seconds, nanoseconds) {
    const small = typeof seconds === 'number' && seconds >= 0
    if (small && nanoseconds === 0 && seconds <= 0xffffffff) {
      this.#head8(0xd6, 0xff)
      this.#need(4)
      this.#at = this.#slab.writeUInt32BE(seconds, this.#at)
    } else if (small && seconds < 2 ** 34) {
      this.#head8(0xd7, 0xff)
      this.#need(8)
      this.#at = this.#slab.writeBigUInt64BE(BigInt(nanoseconds) << 34n | BigInt(seconds), this.#at)
    } else {
      this.#head16(0xc7, 0x0cff)
      this.#need(12)
      this.#at = this.#slab.writeUInt32BE(nanoseconds, this.#at)
      this.#at = this.#slab.writeBigInt64BE(BigInt(seconds), this.#at)
    }
  }

  /** Write any value; `depth` is how many containers there may still be one inside the other. */
  value (value, depth) {
    switch (typeof value) {
      case 'string': return this.text(value)
      case 'number': return this.number(value)
      case 'boolean': return this.#byte(value ? 0xc3 : 0xc2)
      case 'bigint': return this.#bigint(value)
      case 'object': return value === null ? this.#byte(0xc0) : this.#object(value, depth)
      default: throw refused(typeof value === 'undefined' ? 'undefined (use null)' : `a ${typeof value}`)
    }
  }

  #object (value, depth) {
    if (Array.isArray(value)) return this.#list(value, depth)
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return this.#fields(value, depth)
    if (value instanceof Uint8Array) return this.#bytes(value)
    if (value instanceof Written) return value.write(this, depth)
    if (value instanceof Date) {
      const ms = value.getTime()
      if (Number.isNaN(ms)) throw refused('an invalid Date')
      const seconds = Math.floor(ms / 1000)
      return this.#timestamp(seconds, (ms - seconds * 1000) * 1e6)
    }
    if (value instanceof Map) return this.#pairs(value, depth)
    if (value instanceof Timestamp) return this.#timestamp(value.seconds, value.nanoseconds)
    if (value instanceof Ext) return this.#ext(value.type, value.data)
    if (ArrayBuffer.isView(value)) {
      return this.#bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    }
    if (value instanceof ArrayBuffer) return this.#bytes(new Uint8Array(value))
    // An instance of a class is its own fields. What the language itself has made is not:
    // a Set, a RegExp, a Promise or an Error would arrive as an empty map.
    const tag = Object.prototype.toString.call(value)
    if (tag !== '[object Object]') throw refused(`a ${tag.slice(8, -1)}`)
    return this.#fields(value, depth)
  }

  #deeper (depth) {
    if (depth <= 0) throw refused(`more than ${this.depthMax} levels (or a circle)`)
    return depth - 1
  }

  #list (list, depth) {
    const inside = this.#deeper(depth)
    const n = list.length
    this.array(n)
    for (let i = 0; i < n; i++) {
      try {
        this.value(list[i], inside)
      } catch (e) {
        throw at(e, i)
      }
    }
  }

  #fields (object, depth) {
    const inside = this.#deeper(depth)
    const names = Object.keys(object)
    this.map(names.length)
    for (let i = 0; i < names.length; i++) {
      const name = names[i]
      try {
        this.text(name)
        this.value(object[name], inside)
      } catch (e) {
        throw at(e, name)
      }
    }
  }

  #pairs (map, depth) {
    const inside = this.#deeper(depth)
    this.map(map.size)
    for (const [key, value] of map) {
      try {
        this.value(key, inside)
        this.value(value, inside)
      } catch (e) {
        throw at(e, typeof key === 'string' || typeof key === 'number' ? key : '?')
      }
    }
  }
}

function at (error, step) {
  if (error instanceof EncodeError) error.path.unshift(step)
  return error
}

// ---- Decoder -----------------------------------------------------------------------------

const NOTHING = Buffer.alloc(0)
const ASCII_MAX = 512 // bytes of a binary that are looked at for whether they are ASCII
const OWN_BYTES = 1024 * 1024 // a larger buffer is not kept for the next message
const MORE = new Error('more bytes are needed')
// Lists of up to so many elements are made before those have arrived. Elements that are there are written to, whatever
// setters Object.prototype has been given.
const DENSE = Array(4096).fill(null)

/** Thrown for bytes that are not MessagePack. */
export class DecodeError extends Error {
  constructor (message) {
    super(message)
    this.name = 'DecodeError'
  }
}

/**
 * Reads messages from pieces of any size: `push` bytes, then call `read` until it returns
 * undefined; `keep` when the bytes are about to be written over. Each byte is looked at a bounded
 * number of times, however small the pieces are.
 */
export class Decoder {
  #buffer = NOTHING
  #own = null // a buffer that is written to
  #at = 0 // where the next message begins
  #end = 0
  #place = 0 // decoding
  #looked = 0 // looking for the end of an incomplete message: here,
  #cut = false // whether one is incomplete
  #values = 0 // this many values are still to come, and
  #skip = 0 // this many bytes of one that has begun

  push (bytes) {
    if (this.#end === this.#at) {
      this.#buffer = bytes
      this.#at = this.#looked = 0
      this.#end = bytes.length
      return
    }
    this.#grow(bytes.length)
    this.#end += bytes.copy(this.#buffer, this.#end)
  }

  /** Hold what is left of the bytes pushed. */
  keep () {
    if (this.#end > this.#at) this.#grow(0)
    else {
      this.#buffer = NOTHING
      this.#at = this.#looked = this.#end = 0
      if (this.#own !== null && this.#own.length > OWN_BYTES) this.#own = null
    }
  }

  // What is left, in our own buffer with room for so many bytes behind it. One that is more than half full is not
  // moved within it, so that each byte is moved a bounded number of times.
  #grow (bytes) {
    const own = this.#own
    if (this.#buffer === own && this.#end + bytes <= own.length) return
    const left = this.#end - this.#at
    const isRoom = own !== null && left + bytes <= (this.#buffer === own ? own.length / 2 : own.length)
    const to = isRoom ? own : Buffer.allocUnsafeSlow(Math.max(2 * left, left + bytes) + SLAB_BYTES)
    this.#buffer.copy(to, 0, this.#at, this.#end)
    this.#buffer = this.#own = to
    this.#looked -= this.#at
    this.#at = 0
    this.#end = left
  }

  /** Whether binaries of nothing but ASCII are to come as texts: for whoever makes texts of them anyway. */
  isAsciiText = false

  /** The number of the request to which the next message is the answer; undefined where that is not to be seen yet. */
  get answerTo () {
    const buffer = this.#buffer
    const at = this.#at
    if (this.#end - at < 7 || buffer[at] !== 0x94 || buffer[at + 1] !== 1) return undefined
    const byte = buffer[at + 2]
    if (byte < 0x80) return byte
    if (byte === 0xce) return buffer.readUInt32BE(at + 3)
    if (byte === 0xcd) return buffer.readUInt16BE(at + 3)
    return byte === 0xcc ? buffer[at + 3] : undefined
  }

  /** Bytes of the message that was read last. */
  messageBytes = 0

  /** Bytes of a message that has not arrived whole. */
  get waiting () { return this.#end - this.#at }

  /** The next message; undefined where it has not arrived whole (no value of the protocol is). */
  read () {
    if (this.#at === this.#end) return undefined
    if (this.#cut && !this.#isWhole()) return undefined
    this.#place = this.#at
    try {
      const value = this.#value(1)
      this.messageBytes = this.#place - this.#at
      this.#at = this.#place
      this.#cut = false
      return value
    } catch (e) {
      if (e !== MORE) throw e
      this.#looked = this.#at
      this.#cut = true
      this.#values = 1
      this.#skip = 0
      this.#isWhole()
      return undefined
    }
  }

  #isWhole () {
    const buffer = this.#buffer
    while (true) {
      const skipped = Math.min(this.#skip, this.#end - this.#looked)
      this.#looked += skipped
      this.#skip -= skipped
      if (this.#skip > 0) return false
      if (this.#values === 0) return true
      if (this.#looked === this.#end) return false
      const byte = buffer[this.#looked]
      const head = headBytes(byte)
      if (this.#looked + head > this.#end) return false
      this.#values--
      let n = 0
      if (head === 2) n = buffer[this.#looked + 1]
      else if (head === 3) n = buffer.readUInt16BE(this.#looked + 1)
      else if (head === 5) n = buffer.readUInt32BE(this.#looked + 1)
      this.#looked += head
      if (byte < 0x80 || byte >= 0xe0) continue
      if (byte < 0x90) this.#values += 2 * (byte & 15)
      else if (byte < 0xa0) this.#values += byte & 15
      else if (byte < 0xc0) this.#skip = byte & 31
      else if (byte >= 0xde) this.#values += 2 * n
      else if (byte >= 0xdc) this.#values += n
      else if (byte >= 0xd9 || (byte >= 0xc4 && byte <= 0xc6)) this.#skip = n
      else if (byte >= 0xc7 && byte <= 0xc9) this.#skip = n + 1
      else this.#skip = FIXED[byte - 0xc0]
    }
  }

  #need (bytes) {
    if (this.#place + bytes > this.#end) throw MORE
    const place = this.#place
    this.#place += bytes
    return place
  }

  #value (depth) {
    const buffer = this.#buffer
    const byte = buffer[this.#need(1)]
    if (byte < 0x80) return byte
    if (byte >= 0xe0) return byte - 0x100
    if (byte >= 0xa0 && byte < 0xc0) return this.#text(byte & 31)
    if (byte < 0x90) return this.#map(byte & 15, depth)
    if (byte < 0xa0) return this.#list(byte & 15, depth)
    switch (byte) {
      case 0xc0: return null
      case 0xc2: return false
      case 0xc3: return true
      case 0xc4: return this.#bytes(buffer[this.#need(1)])
      case 0xc5: return this.#bytes(buffer.readUInt16BE(this.#need(2)))
      case 0xc6: return this.#bytes(buffer.readUInt32BE(this.#need(4)))
      case 0xc7: return this.#ext(buffer[this.#need(1)])
      case 0xc8: return this.#ext(buffer.readUInt16BE(this.#need(2)))
      case 0xc9: return this.#ext(buffer.readUInt32BE(this.#need(4)))
      case 0xca: return buffer.readFloatBE(this.#need(4))
      case 0xcb: return buffer.readDoubleBE(this.#need(8))
      case 0xcc: return buffer[this.#need(1)]
      case 0xcd: return buffer.readUInt16BE(this.#need(2))
      case 0xce: return buffer.readUInt32BE(this.#need(4))
      case 0xcf: return this.#long(false)
      case 0xd0: return buffer.readInt8(this.#need(1))
      case 0xd1: return buffer.readInt16BE(this.#need(2))
      case 0xd2: return buffer.readInt32BE(this.#need(4))
      case 0xd3: return this.#long(true)
      case 0xd4: return this.#ext(1)
      case 0xd5: return this.#ext(2)
      case 0xd6: return this.#ext(4)
      case 0xd7: return this.#ext(8)
      case 0xd8: return this.#ext(16)
      case 0xd9: return this.#text(buffer[this.#need(1)])
      case 0xda: return this.#text(buffer.readUInt16BE(this.#need(2)))
      case 0xdb: return this.#text(buffer.readUInt32BE(this.#need(4)))
      case 0xdc: return this.#list(buffer.readUInt16BE(this.#need(2)), depth)
      case 0xdd: return this.#list(buffer.readUInt32BE(this.#need(4)), depth)
      case 0xde: return this.#map(buffer.readUInt16BE(this.#need(2)), depth)
      case 0xdf: return this.#map(buffer.readUInt32BE(this.#need(4)), depth)
      default: throw new DecodeError(`the byte 0x${byte.toString(16)} is not MessagePack`)
    }
  }

  #long (signed) {
    const place = this.#need(8)
    const high = signed ? this.#buffer.readInt32BE(place) : this.#buffer.readUInt32BE(place)
    if (high < 0x200000 && high >= -0x200000) {
      const number = high * 0x100000000 + this.#buffer.readUInt32BE(place + 4)
      if (Number.isSafeInteger(number)) return number
    }
    return signed ? this.#buffer.readBigInt64BE(place) : this.#buffer.readBigUInt64BE(place)
  }

  #text (bytes) {
    const place = this.#need(bytes)
    if (bytes > TEXT_SHORT) return this.#buffer.utf8Slice(place, place + bytes)
    let text = ''
    for (let i = place; i < place + bytes; i++) {
      const byte = this.#buffer[i]
      if (byte > 0x7f) return this.#buffer.utf8Slice(place, place + bytes)
      text += String.fromCharCode(byte)
    }
    return text
  }

  #bytes (n) {
    if (this.isAsciiText) {
      const text = this.#asciiText(n)
      if (text !== null) return text
    }
    const place = this.#need(n)
    const bytes = Buffer.allocUnsafe(n) // small ones share a pool of 8 KiB, as Buffers do
    this.#buffer.copy(bytes, 0, place, place + n)
    return bytes
  }

  // null: it is not one, and nothing is read.
  #asciiText (n) {
    if (n > ASCII_MAX || this.#place + n > this.#end) return null
    const buffer = this.#buffer
    const place = this.#place
    if (n > TEXT_SHORT) {
      for (let i = place; i < place + n; i++) if (buffer[i] > 0x7f) return null
      this.#place += n
      return buffer.latin1Slice(place, place + n)
    }
    let text = ''
    for (let i = place; i < place + n; i++) {
      if (buffer[i] > 0x7f) return null
      text += String.fromCharCode(buffer[i])
    }
    this.#place += n
    return text
  }

  #ext (n) {
    const type = this.#buffer.readInt8(this.#need(1))
    const place = this.#need(n)
    if (type !== -1 || (n !== 4 && n !== 8 && n !== 12)) {
      return new Ext(type, this.#buffer.subarray(place, place + n))
    }
    return readTimestamp(this.#buffer, place, n) ??
      new Ext(type, this.#buffer.subarray(place, place + n))
  }

  #list (n, depth) {
    if (depth > 1024) throw new DecodeError('the message is nested more than 1,024 levels deep')
    const list = n <= DENSE.length ? DENSE.slice(0, n) : []
    for (let i = 0; i < n; i++) list[i] = this.#value(depth + 1)
    return list
  }

  #map (n, depth) {
    if (depth > 1024) throw new DecodeError('the message is nested more than 1,024 levels deep')
    const object = {}
    for (let i = 0; i < n; i++) {
      const key = this.#value(depth + 1)
      if (typeof key !== 'string') return this.#otherMap(object, i, n, key, depth)
      const value = this.#value(depth + 1)
      if (key === '__proto__') {
        Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
      } else object[key] = value
    }
    return object
  }

  // A key that is not a text has come up: the order of the keys before it is that of the
  // object unless some of them look like numbers, which no order of a map depends on.
  #otherMap (object, read, n, key, depth) {
    const map = new Map(Object.entries(object))
    map.set(key, this.#value(depth + 1))
    for (let i = read + 1; i < n; i++) {
      const next = this.#value(depth + 1)
      map.set(next, this.#value(depth + 1))
    }
    return map
  }
}

// Bytes of what has no length of its own, from 0xc0: nil ... ext of 16.
const FIXED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 2, 3, 5, 9, 17]

// The byte itself and the length that follows it, if any.
function headBytes (byte) {
  switch (byte) {
    case 0xc4: case 0xc7: case 0xd9: return 2
    case 0xc5: case 0xc8: case 0xda: case 0xdc: case 0xde: return 3
    case 0xc6: case 0xc9: case 0xdb: case 0xdd: case 0xdf: return 5
    default: return 1
  }
}

const DATE_MS_MAX = 8.64e15

function readTimestamp (buffer, place, n) {
  let seconds
  let nanoseconds = 0
  if (n === 4) seconds = buffer.readUInt32BE(place)
  else if (n === 8) {
    const high = buffer.readUInt32BE(place)
    nanoseconds = high >>> 2
    seconds = (high & 3) * 0x100000000 + buffer.readUInt32BE(place + 4)
  } else {
    nanoseconds = buffer.readUInt32BE(place)
    const long = buffer.readBigInt64BE(place + 4)
    seconds = Number(long)
    if (!Number.isSafeInteger(seconds)) seconds = long
  }
  if (nanoseconds > 999_999_999) return null
  if (nanoseconds % 1e6 === 0 && typeof seconds === 'number') {
    const ms = seconds * 1000 + nanoseconds / 1e6
    if (Math.abs(ms) <= DATE_MS_MAX) return new Date(ms)
  }
  return new Timestamp(seconds, nanoseconds)
}

// ---- Whole values ------------------------------------------------------------------------

/** The bytes of one value. */
export function encode (value, depthMax = 64) {
  const encoder = new Encoder()
  encoder.depthMax = depthMax
  encoder.begin()
  encoder.value(value, depthMax)
  encoder.end()
  return Buffer.concat(encoder.take())
}

/** The one value that `bytes` are. */
export function decode (bytes) {
  const decoder = new Decoder()
  decoder.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  const value = decoder.read()
  if (value === undefined) throw new DecodeError('the value is truncated')
  if (decoder.waiting > 0) throw new DecodeError(`${decoder.waiting} unexpected bytes after the value`)
  return value
}
