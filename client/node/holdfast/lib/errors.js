// errors.js - errors by name: a class for each, whether it came from the server or was found here.

/**
 * Every error of Holdfast. `name` is stable and `code` is its number; `retryable` says that the same
 * request, or the transaction run again from its beginning, may go well; `maybeCommitted` that the
 * commit asked for may be in force. `details` has what more is known.
 */
export class HoldfastError extends Error {
  constructor (error) {
    super(error.message, error.cause === undefined ? undefined : { cause: error.cause })
    this.name = error.name
    this.code = error.code
    this.class = error.class
    this.retryable = error.retryable === true
    this.maybeCommitted = error.maybe_committed === true
    this.details = error.details ?? {}
  }

  /** Milliseconds to wait before the next try, where the server has said so; else 0. */
  get retryAfterMs () {
    const ms = this.details.retry_after_ms
    return typeof ms === 'number' ? ms : 0
  }
}

// name: [class, what the server calls its class, code]. Those from 8001 are found by the client;
// the numbers are those of libholdfast.
const NAMES = {
  BAD_REQUEST: 'BadRequestError',
  BAD_KEY: 'BadKeyError',
  NO_STORE: 'NoStoreError',
  NO_INDEX: 'NoIndexError',
  NO_TXN: 'NoTransactionError',
  NO_CURSOR: 'NoCursorError',
  EXISTS: 'ExistsError',
  NOT_UNIQUE: 'NotUniqueError',
  READ_ONLY: 'ReadOnlyError',
  TXN_FAILED: 'TransactionFailedError',
  TOKEN_FENCED: 'TokenFencedError',
  BAD_VALUE: 'BadValueError',
  GENERATOR_FULL: 'GeneratorFullError',
  BAD_VERSION: 'BadVersionError',
  NO_SAVEPOINT: 'NoSavepointError',
  NO_BOOKMARK: 'NoBookmarkError',
  BAD_QUERY: 'BadQueryError',
  AUTH_REQUIRED: 'AuthRequiredError',
  AUTH_FAILED: 'AuthFailedError',
  FORBIDDEN: 'ForbiddenError',
  CONFLICT: 'ConflictError',
  TOO_LARGE: 'TooLargeError',
  QUOTA_EXCEEDED: 'QuotaExceededError',
  TXN_EXPIRED: 'TransactionExpiredError',
  TXN_KILLED: 'TransactionKilledError',
  OVERLOADED: 'OverloadedError',
  DEADLINE: 'DeadlineError',
  SHUTDOWN: 'ShutdownError',
  CANCELLED: 'CancelledError',
  LOCK_TIMEOUT: 'LockTimeoutError',
  NOT_LEADER: 'NotLeaderError',
  LOG_FAILED: 'LogFailedError',
  NO_SPACE: 'NoSpaceError',
  CORRUPT: 'CorruptError',
  IO: 'IoError',
  INTERNAL: 'InternalError',
  NOMEM: 'ServerMemoryError',
  CONNECTION: 'ConnectionError',
  PROTOCOL: 'ProtocolError',
  MISUSE: 'MisuseError'
}

/** The class of each error by its name: `errors.CONFLICT`. */
export const errors = Object.create(null)
for (const [name, className] of Object.entries(NAMES)) {
  errors[name] = { [className]: class extends HoldfastError {} }[className]
}
Object.freeze(errors)

/** The error that the server's map is. */
export function fromServer (error) {
  if (typeof error !== 'object' || error === null || typeof error.name !== 'string') {
    return local('PROTOCOL', 'the server has sent an error that is not one: ' + String(error))
  }
  return new (errors[error.name] ?? HoldfastError)(error)
}

const LOCAL = {
  CONNECTION: [8001, 'unavailable'],
  PROTOCOL: [8003, 'internal'],
  MISUSE: [8004, 'request'],
  OVERLOADED: [5001, 'unavailable'],
  TOO_LARGE: [4001, 'limit'],
  BAD_KEY: [1002, 'request'],
  EXISTS: [1007, 'request']
}

/** An error that was found here. */
export function local (name, message, more = {}) {
  const [code, kind] = LOCAL[name]
  return new errors[name]({ name, code, class: kind, message, ...more })
}
