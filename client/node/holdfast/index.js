// holdfast - a client for Holdfast, a transactional database server.
export { Batch } from './lib/batch.js'
export { Client, connect, newToken } from './lib/client.js'
export { decode, DecodeError, encode, EncodeError, Ext, Timestamp, Utf8 } from './lib/codec.js'
export { HoldfastError, errors } from './lib/errors.js'
export { parseAddress } from './lib/address.js'
export { passwordVerifier } from './lib/login.js'
export { Cursor, Query, Scan } from './lib/scan.js'
export { Transaction } from './lib/transaction.js'
