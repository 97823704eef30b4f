// clone.js - values: what a program gives is copied as the structured clone algorithm says, becomes a record of
// the server, and comes back as a value.
//
// A record is {v: value} where the value has an exact form in MessagePack, so that others can read it;
// else {x: bytes}, of a version byte and of what v8.Serializer makes of the copy. The bytes of blobs are in a list
// beside it, {b: [bytes]}, since they are not known before the request has left the program's hands.
import { types } from 'node:util'
import v8 from 'node:v8'
import { domException } from './webidl.js'

const VERSION = 1
const PLAIN_DEPTH = 48 // of what goes as MessagePack
const PLAIN_NODES = 100_000
const PLAIN_BYTES = 1024 * 1024 // about; beyond that the size has to be known exactly

// ---- Classes -----------------------------------------------------------------------------

const REFUSED = Symbol('not serializable')
const classes = new Map() // prototype: {name, encode, decode}, or REFUSED
const byName = new Map()

/**
 * Let values have objects of a class. `encode(object)` gives something that can be cloned, `decode` makes an object
 * of that. `name` is stored, so it must not change.
 */
export function registerSerializable (name, Class, { encode, decode }) {
  if (typeof name !== 'string' || typeof Class !== 'function' || typeof encode !== 'function' || typeof decode !== 'function') {
    throw new TypeError('registerSerializable takes a name, a class and {encode, decode}')
  }
  if (byName.has(name) && byName.get(name).Class !== Class) throw new TypeError(`registerSerializable: "${name}" is another class`)
  const entry = { name, Class, encode, decode }
  classes.set(Class.prototype, entry)
  byName.set(name, entry)
}

/** Objects of these classes cannot be stored. */
export function refuse (...list) {
  for (const Class of list) if (typeof Class === 'function') classes.set(Class.prototype, REFUSED)
}

const PLATFORM = ['Event', 'EventTarget', 'MessageChannel', 'MessagePort', 'BroadcastChannel', 'ReadableStream', 'WritableStream',
  'TransformStream', 'CompressionStream', 'DecompressionStream', 'Request', 'Response', 'Headers', 'FormData', 'URL', 'URLSearchParams',
  'TextEncoder', 'TextDecoder', 'AbortController', 'WebSocket', 'Crypto', 'SubtleCrypto', 'CryptoKey', 'Performance',
  'PerformanceEntry', 'FinalizationRegistry']
refuse(...PLATFORM.map(name => globalThis[name]), WebAssembly.Module, WebAssembly.Instance, WebAssembly.Memory)

registerSerializable('DOMException', DOMException, {
  encode: ({ name, message }) => ({ name, message }),
  decode: ({ name, message }) => new DOMException(message, name)
})

function classOf (object) {
  for (let p = Object.getPrototypeOf(object); p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    const entry = classes.get(p)
    if (entry !== undefined) return entry
  }
  return null
}

function refusal (value) {
  const what = typeof value === 'symbol' ? 'A symbol' : typeof value === 'function' ? 'A function' : Object.prototype.toString.call(value)
  return domException('DataCloneError', `${what} could not be cloned.`)
}

// ---- Copies ------------------------------------------------------------------------------

// An object of a class, or a blob, stands in the copy as a view of its own kind, which the serializer asks about.
class Place extends Uint8Array {
  entry = null // of a class
  payload = undefined // the copy of what its `encode` gave
  blob = null
  isFile = false
}

/** What a place in a copy stands for, as paths see it. */
export function realValue (value) { return value instanceof Place ? value.blob ?? value.payload : value }

class Copier {
  isPlain = true
  blobs = []
  #nodes = 0
  #bytes = 0
  #seen = new Map()

  copy (value, depth = 0) {
    switch (typeof value) {
      case 'string':
        if (this.isPlain && !value.isWellFormed()) this.isPlain = false
        this.#count(value.length)
        return value
      case 'number': case 'boolean': return value
      case 'object': return value === null ? null : this.#object(value, depth)
      case 'undefined': case 'bigint':
        this.isPlain = false
        return value
      default: throw refusal(value)
    }
  }

  #count (bytes) {
    this.#bytes += bytes
    if (this.#bytes > PLAIN_BYTES) this.isPlain = false
  }

  #object (value, depth) {
    const known = this.#seen.get(value)
    if (known !== undefined) {
      this.isPlain = false
      return known
    }
    if (depth > PLAIN_DEPTH || ++this.#nodes > PLAIN_NODES) this.isPlain = false
    if (types.isProxy(value)) throw refusal(value)
    if (Array.isArray(value)) return this.#array(value, depth)
    const prototype = Object.getPrototypeOf(value)
    if (prototype === Object.prototype || prototype === null) return this.#fields(value, this.#keep(value, {}), depth)
    return this.#special(value, depth)
  }

  #keep (value, copy) {
    this.#seen.set(value, copy)
    return copy
  }

  #array (array, depth) {
    const copy = this.#keep(array, new Array(array.length))
    const { length } = array
    const names = Object.keys(array)
    if (names.length !== length) this.isPlain = false
    for (const name of names) {
      if (!Object.hasOwn(array, name)) this.isPlain = false // a getter has removed it
      else define(copy, name, this.copy(array[name], depth + 1))
    }
    return copy
  }

  #fields (object, copy, depth) {
    for (const name of Object.keys(object)) {
      if (!Object.hasOwn(object, name)) continue
      if (this.isPlain && !name.isWellFormed()) this.isPlain = false
      define(copy, name, this.copy(object[name], depth + 1))
    }
    return copy
  }

  #special (value, depth) {
    const entry = classOf(value)
    if (entry === REFUSED) throw refusal(value)
    if (types.isDate(value)) return this.#date(value)
    if (ArrayBuffer.isView(value)) return this.#view(value)
    this.isPlain = false
    if (value instanceof Blob) return this.#blob(value)
    if (entry !== null) {
      const place = this.#keep(value, new Place())
      place.entry = entry
      place.payload = this.copy(entry.encode(value), depth + 1)
      return place
    }
    if (types.isArrayBuffer(value)) return this.#keep(value, this.#copyBytes(value, 0, value.byteLength).buffer)
    if (types.isMap(value)) return this.#map(value, depth)
    if (types.isSet(value)) {
      const copy = this.#keep(value, new Set())
      for (const element of [...value]) copy.add(this.copy(element, depth + 1))
      return copy
    }
    if (types.isRegExp(value) || types.isNativeError(value)) return this.#keep(value, value)
    if (types.isBoxedPrimitive(value) && !types.isSymbolObject(value)) return this.#keep(value, value)
    if (isOpaque(value)) throw refusal(value)
    return this.#fields(value, this.#keep(value, {}), depth)
  }

  #date (value) {
    const time = Date.prototype.getTime.call(value)
    if (Number.isNaN(time)) this.isPlain = false
    return this.#keep(value, new Date(time))
  }

  #map (map, depth) {
    const copy = this.#keep(map, new Map())
    for (const [key, value] of [...map]) copy.set(this.copy(key, depth + 1), this.copy(value, depth + 1))
    return copy
  }

  // A Uint8Array of its own goes as binary. A Buffer is part of a pool: only its own bytes are meant.
  #view (view) {
    const { buffer } = view
    if (!types.isArrayBuffer(buffer)) throw refusal(buffer)
    if (Buffer.isBuffer(view)) return this.#keep(view, this.#copyBytes(buffer, view.byteOffset, view.byteLength))
    const isWhole = Object.getPrototypeOf(view) === Uint8Array.prototype && view.byteLength === buffer.byteLength && buffer.resizable !== true
    if (isWhole && !this.#seen.has(buffer)) {
      const copy = this.#copyBytes(buffer, 0, buffer.byteLength)
      this.#seen.set(buffer, copy.buffer)
      return this.#keep(view, copy)
    }
    this.isPlain = false
    const bytes = this.copy(buffer)
    const Class = viewClass(view)
    return this.#keep(view, new Class(bytes, view.byteOffset, view.length ?? view.byteLength))
  }

  #copyBytes (buffer, offset, length) {
    this.#count(length)
    try {
      return new Uint8Array(buffer, offset, length).slice()
    } catch {
      throw domException('DataCloneError', 'An ArrayBuffer is detached and could not be cloned.')
    }
  }

  #blob (blob) {
    const place = this.#keep(blob, new Place())
    place.blob = blob
    place.isFile = blob instanceof File
    place.number = this.blobs.push(blob) - 1
    return place
  }
}

function define (object, name, value) {
  if (name === '__proto__') Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
  else object[name] = value
}

function isOpaque (value) {
  return types.isPromise(value) || types.isWeakMap(value) || types.isWeakSet(value) || types.isGeneratorObject(value) ||
    types.isSharedArrayBuffer(value) || types.isExternal(value) || types.isModuleNamespaceObject(value) ||
    types.isMapIterator(value) || types.isSetIterator(value) || types.isSymbolObject(value) || value instanceof WeakRef
}

/** A copy of a value, and whether it has an exact form in MessagePack: {copy, isPlain, blobs}. */
export function clone (value) {
  const copier = new Copier()
  return { copy: copier.copy(value), isPlain: copier.isPlain, blobs: copier.blobs }
}

// ---- Bytes -------------------------------------------------------------------------------

const VIEWS = ['DataView', 'Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'Float16Array']

function viewClass (view) {
  const name = types.isDataView(view) ? 'DataView' : view[Symbol.toStringTag]
  return VIEWS.includes(name) && globalThis[name] !== undefined ? globalThis[name] : Uint8Array
}

const HOST_VIEW = 0
const HOST_CLASS = 1
const HOST_BLOB = 2

class Writer extends v8.Serializer {
  constructor () {
    super()
    this._setTreatArrayBufferViewsAsHostObjects(true)
  }

  _writeHostObject (view) {
    if (!(view instanceof Place)) {
      this.writeUint32(HOST_VIEW)
      this.writeUint32(VIEWS.indexOf(viewClass(view).name))
      this.writeUint32(view.byteOffset)
      this.writeUint32(view.length ?? view.byteLength)
      this.writeValue(view.buffer)
    } else if (view.blob === null) {
      this.writeUint32(HOST_CLASS)
      this.writeValue(view.entry.name)
      this.writeValue(view.payload)
    } else {
      this.writeUint32(HOST_BLOB)
      this.writeUint32(view.number)
      const { type, name, lastModified } = view.blob
      this.writeValue(view.isFile ? { type, name, lastModified } : { type })
    }
  }

  _getDataCloneError (message) { return domException('DataCloneError', message) }
}

class Reader extends v8.Deserializer {
  blobs = []

  _readHostObject () {
    switch (this.readUint32()) {
      case HOST_VIEW: {
        const Class = globalThis[VIEWS[this.readUint32()]] ?? Uint8Array
        const offset = this.readUint32()
        const length = this.readUint32()
        return new Class(this.readValue(), offset, length)
      }
      case HOST_CLASS: {
        const name = this.readValue()
        const entry = byName.get(name)
        const payload = this.readValue()
        if (entry === undefined) throw domException('DataError', `The value has an object of the class "${name}", which is not registered.`)
        return entry.decode(payload)
      }
      case HOST_BLOB: {
        const bytes = this.blobs[this.readUint32()]
        const { name, ...options } = this.readValue()
        return name === undefined ? new Blob([bytes], options) : new File([bytes], name, options)
      }
      default: throw domException('DataError', 'The value cannot be read.')
    }
  }
}

/** The record of what `clone` gave, all but the bytes of blobs: {v} or {x}. */
export function toRecord ({ copy, isPlain }) {
  if (isPlain) return { v: copy }
  const writer = new Writer()
  writer.writeHeader()
  writer.writeValue(copy)
  const bytes = writer.releaseBuffer()
  const x = new Uint8Array(bytes.length + 1)
  x[0] = VERSION
  x.set(bytes, 1)
  return { x }
}

/** The value of a record. */
export function fromRecord (record) {
  if (record.x === undefined) return plainValue(record.v)
  if (record.x[0] !== VERSION) throw domException('DataError', `The value has the form ${record.x[0]}, which this version does not know.`)
  const reader = new Reader(record.x.subarray(1))
  reader.blobs = record.b ?? []
  reader.readHeader()
  return reader.readValue()
}

// What the codec gives, with binaries as programs of IndexedDB know them.
function plainValue (value) {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const element = value[i]
      if (typeof element === 'object' && element !== null) value[i] = plainValue(element)
    }
    return value
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype) return value
  for (const name of Object.keys(value)) {
    const field = value[name]
    if (typeof field === 'object' && field !== null) define(value, name, plainValue(field))
  }
  return value
}
