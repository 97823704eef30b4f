// holdfast-indexeddb - the W3C's IndexedDB over a Holdfast server.
import { Factory } from './lib/factory.js'
import { inner } from './lib/webidl.js'

export { registerSerializable } from './lib/clone.js'
export { IDBCursor, IDBCursorWithValue } from './lib/cursor.js'
export { IDBDatabase } from './lib/database.js'
export { IDBFactory } from './lib/factory.js'
export { IDBKeyRange } from './lib/key-range.js'
export { IDBObjectStore } from './lib/object-store.js'
export { IDBOpenDBRequest, IDBRequest, IDBVersionChangeEvent } from './lib/request.js'
export { IDBRecord } from './lib/source.js'
export { IDBIndex } from './lib/store-index.js'
export { IDBTransaction } from './lib/transaction.js'
export { DOMStringList } from './lib/webidl.js'

/** A factory for the databases of a server: `createFactory({address: 'holdfast://127.0.0.1:4653'})`. */
export function createFactory ({ address } = {}) { return new Factory(address).wrapper }

/** Close the connections of a factory that nothing uses any more. */
export function closeFactory (factory) { return inner(factory, Factory).links.closeAll() }

/** The databases of the server that HOLDFAST_ADDRESS names, else of the one on this machine. */
export const indexedDB = createFactory({ address: process.env.HOLDFAST_ADDRESS })
