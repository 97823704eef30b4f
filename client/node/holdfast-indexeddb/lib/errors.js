// errors.js - errors of the server as programs of IndexedDB know them.
import { domException } from './webidl.js'

const NAMES = {
  EXISTS: 'ConstraintError',
  NOT_UNIQUE: 'ConstraintError',
  GENERATOR_FULL: 'ConstraintError',
  BAD_KEY: 'DataError',
  BAD_VERSION: 'VersionError',
  NO_SPACE: 'QuotaExceededError',
  QUOTA_EXCEEDED: 'QuotaExceededError',
  TOO_LARGE: 'QuotaExceededError',
  OVERLOADED: 'QuotaExceededError',
  CONNECTION: 'AbortError',
  SHUTDOWN: 'AbortError',
  CONFLICT: 'AbortError',
  TXN_EXPIRED: 'AbortError',
  TXN_KILLED: 'AbortError',
  LOCK_TIMEOUT: 'TimeoutError',
  DEADLINE: 'TimeoutError',
  CORRUPT: 'NotReadableError'
}

/** The DOMException of an error; `cause` is the error itself. */
export function toException (error) {
  if (error instanceof DOMException) return error
  if (error?.name === 'TXN_FAILED' && error.details?.error) {
    const { name, message } = error.details.error
    return caused(NAMES[name] ?? 'UnknownError', message, error)
  }
  return caused(NAMES[error?.name] ?? 'UnknownError', error?.message ?? String(error), error)
}

function caused (name, message, cause) {
  const exception = domException(name, message)
  Object.defineProperty(exception, 'cause', { value: cause, configurable: true, writable: true })
  return exception
}
