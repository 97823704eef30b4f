// webidl.js - the shape of the classes: what is inside of an object, conversions of arguments, and attributes
// and methods as Web IDL has them.

/** The argument by which this package makes objects of classes that programs cannot construct. */
export const SECRET = Symbol('holdfast-indexeddb')

const insides = new WeakMap() // object of a program: what is inside of it

/** Make an object of an interface around what is inside of it. */
export function wrap (Interface, inside) {
  const wrapper = new Interface(SECRET)
  insides.set(wrapper, inside)
  return wrapper
}

/** What is inside of `wrapper`, which must be an object around a `Class`. */
export function inner (wrapper, Class) {
  const inside = insides.get(wrapper)
  if (!(inside instanceof Class)) throw new TypeError('Illegal invocation')
  return inside
}

export function isWrapper (value, Class) { return insides.get(value) instanceof Class }

/** Complain of missing arguments. */
export function need (args, count, method) {
  if (args.length >= count) return
  throw new TypeError(`${method}: ${count} argument${count === 1 ? '' : 's'} required, but only ${args.length} present`)
}

export function illegalConstructor (args) {
  if (args[0] !== SECRET) throw new TypeError('Illegal constructor')
}

/** Attributes and methods are enumerable, and Object.prototype.toString knows the name. */
export function finish (Interface) {
  for (const holder of [Interface, Interface.prototype]) {
    for (const name of Object.getOwnPropertyNames(holder)) {
      if (holder === Interface ? ['length', 'name', 'prototype'].includes(name) : name === 'constructor') continue
      Object.defineProperty(holder, name, { enumerable: true })
    }
  }
  Object.defineProperty(Interface.prototype, Symbol.toStringTag, { value: Interface.name, configurable: true })
}

// ---- Conversions -------------------------------------------------------------------------

export function toDomString (value) { return `${value}` }

/** [EnforceRange] unsigned. */
export function toUnsigned (value, max, what) {
  const number = Math.trunc(+value)
  if (!Number.isFinite(number) || number < 0 || number > max) throw new TypeError(`${what}: ${String(value)} is out of range`)
  return number + 0
}

export const UNSIGNED_LONG = 0xffffffff
export const UNSIGNED_LONG_LONG = Number.MAX_SAFE_INTEGER

/** (DOMString or sequence<DOMString>) */
export function toStringOrSequence (value) {
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') {
    const iterator = value[Symbol.iterator]
    if (iterator !== undefined && iterator !== null) return Array.from({ [Symbol.iterator]: () => iterator.call(value) }, toDomString)
  }
  return toDomString(value)
}

export function toDictionary (value, what) {
  if (value === undefined || value === null) return {}
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${what}: the options are not an object`)
  return value
}

export function toEnum (value, values, what) {
  const text = toDomString(value)
  if (!values.includes(text)) throw new TypeError(`${what}: "${text}" is not one of ${values.join(', ')}`)
  return text
}

export function domException (name, message) { return new DOMException(message, name) }

// ---- DOMStringList -----------------------------------------------------------------------

class Strings {
  constructor (list) { this.list = list }
}

/** A list of names, in their order. */
export class DOMStringList {
  constructor () { illegalConstructor(arguments) }
  get length () { return inner(this, Strings).list.length }

  item (index) {
    const { list } = inner(this, Strings)
    need(arguments, 1, 'DOMStringList.item')
    return list[index >>> 0] ?? null
  }

  contains (string) {
    const { list } = inner(this, Strings)
    need(arguments, 1, 'DOMStringList.contains')
    return list.includes(toDomString(string))
  }
}
finish(DOMStringList)
Object.defineProperty(DOMStringList.prototype, Symbol.iterator, { value: Array.prototype.values, writable: true, configurable: true })

/** The names as a DOMStringList, sorted by their UTF-16 units. */
export function stringList (names) {
  const list = [...names].sort()
  const wrapper = wrap(DOMStringList, new Strings(list))
  for (let i = 0; i < list.length; i++) {
    Object.defineProperty(wrapper, i, { value: list[i], enumerable: true, configurable: true })
  }
  return wrapper
}
