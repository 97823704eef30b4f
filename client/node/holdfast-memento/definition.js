// definition.js - what Memento knows of its stores and indexes, and the keys that it makes of them.

export const ASC = Symbol('ascending')
export const DSC = Symbol('decending')

const MESSAGES = {
  IO_ERROR: 'i/o error',
  ALREADY_EXISTS: '%s already exists',
  DOES_NOT_EXIST: '%s does not exist',
  INVALID_RENAME: 'the stores for an index rename must be the same',
  ROLLBACK: 'transaction rolled back'
}

/** Memento's error: `code` is one of IO_ERROR, ALREADY_EXISTS, DOES_NOT_EXIST, INVALID_RENAME, ROLLBACK. */
export class MementoError extends Error {
  constructor (code, what = '', cause = undefined) {
    super(MESSAGES[code].replace('%s', what), cause === undefined ? undefined : { cause })
    this.name = 'Memento.Error'
    this.code = code
  }

  static assert (condition, code, what) {
    if (!condition) throw new MementoError(code, what)
  }
}
for (const code of Object.keys(MESSAGES)) MementoError[code] = code

/**
 * The parts of a key for what `create` is given: `{lastName: String, 'terms.0': [Number, Memento.DSC]}`.
 * Names of comparators must be among those that `open` was given.
 */
export function partsOf (extraction, comparators) {
  return Object.keys(extraction).map(path => {
    const properties = Array.isArray(extraction[path]) ? extraction[path] : [extraction[path]]
    let isDescending = false
    for (const property of properties) {
      if (property === DSC || (typeof property === 'number' && property < 0)) isDescending = true
      else if (typeof property === 'string' && comparators[property] === undefined) {
        throw new TypeError(`unknown comparator "${property}"`)
      }
    }
    const steps = path.split('.').map(step => /^(0|[1-9]\d*)$/.test(step) ? Number(step) : step)
    return isDescending ? { path: steps, order: 'desc' } : { path: steps }
  })
}

/** The key of the server for Memento's, which is always an array; of `parts` parts. */
export function wholeKey (key, parts) {
  return parts === 1 ? key[0] : key.slice(0, parts)
}

/** Memento's key for the server's. */
export function arrayKey (key, parts) {
  return parts === 1 ? [key] : key
}
