// keys.js - keys: what a program gives becomes a key, keys are compared, go over the wire and come back; paths
// into values, by which keys are taken out and put in.
import { types } from 'node:util'
import { domException } from './webidl.js'

/** What `convert` gives for a value that cannot be a key. */
export const INVALID = Symbol('not a key')
/** What `evaluate` gives where a part of the path is not there. */
export const ABSENT = Symbol('absent')

// ---- From values of a program ------------------------------------------------------------

/** The key that a value is, or INVALID. A key shares nothing with the value. */
export function convert (value, seen = []) {
  switch (typeof value) {
    case 'number': return Number.isNaN(value) ? INVALID : value
    case 'string': return value
    case 'object': return value === null || types.isProxy(value) ? INVALID : convertObject(value, seen)
    default: return INVALID
  }
}

function convertObject (value, seen) {
  if (types.isDate(value)) {
    const time = Date.prototype.getTime.call(value)
    return Number.isNaN(time) ? INVALID : new Date(time)
  }
  if (types.isArrayBuffer(value) || ArrayBuffer.isView(value)) return copyBytes(value)
  return Array.isArray(value) ? convertArray(value, seen) : INVALID
}

function convertArray (array, seen) {
  if (seen.includes(array)) return INVALID
  seen.push(array)
  const key = []
  const { length } = array
  for (let i = 0; i < length; i++) {
    const element = Object.hasOwn(array, i) ? convert(array[i], seen) : INVALID
    if (element === INVALID) return INVALID
    put(key, i, element) // whatever Object.prototype has
  }
  seen.pop()
  return key
}

function copyBytes (source) {
  const isView = ArrayBuffer.isView(source)
  const buffer = isView ? source.buffer : source
  if (!types.isArrayBuffer(buffer)) return INVALID // shared memory
  try {
    const bytes = isView ? new Uint8Array(buffer, source.byteOffset, source.byteLength) : new Uint8Array(buffer)
    return bytes.slice().buffer
  } catch {
    return INVALID // detached
  }
}

/** The key that a value is; DataError where it is none. */
export function toKey (value) {
  const key = convert(value)
  if (key === INVALID) throw domException('DataError', 'The parameter is not a valid key.')
  return key
}

/** For a multiEntry index: the keys among the elements of an array, each once; any other value is one key. */
export function convertMulti (value) {
  if (!Array.isArray(value) || types.isProxy(value)) {
    const key = convert(value)
    return key === INVALID ? INVALID : [key]
  }
  const keys = []
  const { length } = value
  for (let i = 0; i < length; i++) {
    const key = Object.hasOwn(value, i) ? convert(value[i], [value]) : INVALID
    if (key !== INVALID && !keys.some(other => compare(key, other) === 0)) keys.push(key)
  }
  return keys
}

/** A copy of a key for a program. */
export function copyKey (key) {
  if (typeof key !== 'object' || key === null) return key
  if (key instanceof Date) return new Date(key.getTime())
  if (key instanceof ArrayBuffer) return key.slice(0)
  return key.map(copyKey)
}

// ---- Order -------------------------------------------------------------------------------

function rank (key) {
  if (typeof key === 'number') return 1
  if (typeof key === 'string') return 3
  if (key instanceof Date) return 2
  return key instanceof ArrayBuffer ? 4 : 5
}

function order (a, b) { return a < b ? -1 : a > b ? 1 : 0 }

/** -1, 0 or 1. */
export function compare (a, b) {
  const kind = rank(a)
  if (kind !== rank(b)) return order(kind, rank(b))
  if (kind === 2) return order(a.getTime(), b.getTime())
  if (kind === 4) return order(Buffer.compare(new Uint8Array(a), new Uint8Array(b)), 0)
  if (kind !== 5) return order(a, b)
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = compare(a[i], b[i])
    if (difference !== 0) return difference
  }
  return order(a.length, b.length)
}

// ---- Texts -------------------------------------------------------------------------------
// JavaScript's texts are ordered by their UTF-16 units, the server's by code points. The two orders differ where
// units from 0xE000 on meet surrogate pairs, and half a pair is no code point at all. So what is sent is another text,
// which is the same for all that consists of units below the surrogates and of pairs of the planes 1 to 15, but
// that
//   - a unit u from 0xE000 on, a lone low half and both halves of pairs of plane 16 become the code point 0x100000 + u;
//   - a lone high half h becomes the first code point of its block (that of the pair h, 0xDC00), or the last one (h,
//     0xDFFF) where a unit from 0xE000 on follows; the pairs that really are these two carry a mark behind them, which
//     sorts them above, or below, whatever may follow such a half.

const ABOVE = 0x100000
const FIRST_MARK = String.fromCodePoint(ABOVE + 0xdc00)
const LAST_MARK = String.fromCodePoint(ABOVE + 0xdfff)
const NEEDS_MAPPING = /[\ud800-\uffff]/
const PLANE_16 = 0xdbc0 // the first high half of its pairs

const isLow = unit => unit >= 0xdc00 && unit < 0xe000
const above = unit => String.fromCodePoint(ABOVE + unit)

export function encodeText (text) {
  if (!NEEDS_MAPPING.test(text)) return text
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xd800) out += text[i]
    else if (unit >= PLANE_16) out += above(unit)
    else {
      const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0
      if (isLow(next)) {
        out += text[i] + text[++i]
        if (next === 0xdc00) out += FIRST_MARK
        else if (next === 0xdfff) out += LAST_MARK
      } else out += text[i] + (next >= 0xe000 ? '\udfff' : '\udc00')
    }
  }
  return out
}

export function decodeText (text) {
  if (!NEEDS_MAPPING.test(text)) return text
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0xd800 || unit >= 0xe000) {
      out += text[i]
      continue
    }
    const code = text.codePointAt(i)
    const low = text.charCodeAt(++i)
    if (code >= ABOVE) out += String.fromCharCode(code - ABOVE)
    else if (low !== 0xdc00 && low !== 0xdfff) out += text[i - 1] + text[i]
    else {
      const isPair = text.startsWith(low === 0xdc00 ? FIRST_MARK : LAST_MARK, i + 1)
      out += text[i - 1] + (isPair ? text[i] : '')
      if (isPair) i += 2
    }
  }
  return out
}

// ---- The wire ----------------------------------------------------------------------------

/** What is sent for a key. */
export function encodeKey (key) {
  if (typeof key === 'number') return key + 0 // -0 and 0 are one key
  if (typeof key === 'string') return encodeText(key)
  if (key instanceof ArrayBuffer) return new Uint8Array(key)
  return Array.isArray(key) ? key.map(encodeKey) : key
}

/** The key that the server has sent. */
export function decodeKey (key) {
  if (typeof key === 'string') return decodeText(key)
  if (typeof key === 'bigint') return Number(key)
  if (Array.isArray(key)) return key.map(decodeKey)
  if (key instanceof Uint8Array) return new Uint8Array(key).buffer
  return key !== null && typeof key === 'object' && !(key instanceof Date) ? key.toDate?.() ?? key : key
}

/** About how many bytes a key takes on the wire. */
export function keyBytes (key) {
  if (typeof key === 'string') return Buffer.byteLength(key) + 1
  if (key instanceof ArrayBuffer) return key.byteLength + 2
  return Array.isArray(key) ? key.reduce((sum, part) => sum + keyBytes(part), 1) : 9
}

// ---- Paths -------------------------------------------------------------------------------

const IDENTIFIER = /^[$_\p{ID_Start}][$\u200c\u200d\p{ID_Continue}]*$/u

function isPath (path) { return path === '' || path.split('.').every(step => IDENTIFIER.test(step)) }

export function isKeyPath (keyPath) {
  return Array.isArray(keyPath) ? keyPath.length > 0 && keyPath.every(isPath) : isPath(keyPath)
}

/** Paths of blobs and files that are not their own properties. */
function platformProperty (value, step) {
  if (value instanceof Blob && (step === 'size' || step === 'type')) return value[step]
  if (value instanceof File && (step === 'name' || step === 'lastModified')) return value[step]
  return ABSENT
}

/** What is at a path; `real(value)` gives what a place holder stands for. */
export function evaluate (value, keyPath, real = value => value) {
  if (Array.isArray(keyPath)) {
    const parts = []
    for (const path of keyPath) {
      const part = evaluate(value, path, real)
      if (part === ABSENT) return ABSENT
      parts.push(part)
    }
    return parts
  }
  value = real(value)
  if (keyPath === '') return value
  for (const step of keyPath.split('.')) {
    value = real(step === 'length' && typeof value === 'string' ? value.length : evaluateStep(value, step))
    if (value === ABSENT || value === undefined) return ABSENT
  }
  return value
}

function evaluateStep (value, step) {
  if (typeof value !== 'object' || value === null) return ABSENT
  const found = platformProperty(value, step)
  if (found !== ABSENT) return found
  return Object.hasOwn(value, step) ? value[step] : ABSENT
}

function isContainer (value) {
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return true
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Whether a key can be put in at a path. */
export function isInjectable (value, path) {
  const steps = path.split('.')
  steps.pop()
  for (const step of steps) {
    if (!isContainer(value)) return false
    if (!Object.hasOwn(value, step)) return true
    value = value[step]
  }
  return isContainer(value)
}

/** Put a key in at a path. */
export function inject (value, path, key) {
  const steps = path.split('.')
  const last = steps.pop()
  for (const step of steps) {
    if (!Object.hasOwn(value, step)) put(value, step, {})
    value = value[step]
  }
  put(value, last, key)
}

function put (object, name, value) {
  Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true })
}
