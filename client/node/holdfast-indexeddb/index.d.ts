// Types of the package holdfast-indexeddb. Hand-written; `tsc` checks them against test/types.ts. They are those of
// TypeScript's lib "dom", so that a program can have either, and need no "dom".
/// <reference types="node" />

export type IDBValidKey = number | string | Date | ArrayBuffer | ArrayBufferView | IDBValidKey[]
export type IDBCursorDirection = 'next' | 'nextunique' | 'prev' | 'prevunique'
export type IDBRequestReadyState = 'pending' | 'done'
export type IDBTransactionDurability = 'default' | 'strict' | 'relaxed'
export type IDBTransactionMode = 'readonly' | 'readwrite' | 'versionchange'
export type IDBQuery = IDBValidKey | IDBKeyRange | null

export interface IDBObjectStoreParameters {
  keyPath?: string | string[] | null
  autoIncrement?: boolean
}
export interface IDBIndexParameters {
  unique?: boolean
  multiEntry?: boolean
}
export interface IDBTransactionOptions { durability?: IDBTransactionDurability }
export interface IDBDatabaseInfo {
  name?: string
  version?: number
}
export interface IDBGetAllOptions {
  query?: IDBQuery
  count?: number
  direction?: IDBCursorDirection
}

type Handler<T, E = Event> = ((this: T, event: E) => any) | null
interface Listeners<T, M> {
  addEventListener<K extends keyof M> (type: K, listener: (this: T, event: M[K]) => any, options?: boolean | object): void
  addEventListener (type: string, listener: any, options?: boolean | object): void
  removeEventListener<K extends keyof M> (type: K, listener: (this: T, event: M[K]) => any, options?: boolean | object): void
  removeEventListener (type: string, listener: any, options?: boolean | object): void
  dispatchEvent (event: Event): boolean
}

export class DOMStringList {
  private constructor ()
  readonly length: number
  item (index: number): string | null
  contains (string: string): boolean
  [Symbol.iterator] (): IterableIterator<string>
  readonly [index: number]: string
}

export interface IDBRequestEvents { success: Event, error: Event }
export interface IDBRequest<T = any> extends Listeners<IDBRequest<T>, IDBRequestEvents> {
  readonly result: T
  readonly error: DOMException | null
  readonly source: IDBObjectStore | IDBIndex | IDBCursor | null
  readonly transaction: IDBTransaction | null
  readonly readyState: IDBRequestReadyState
  onsuccess: Handler<IDBRequest<T>>
  onerror: Handler<IDBRequest<T>>
}
export const IDBRequest: { prototype: IDBRequest, new (): never }

export interface IDBOpenDBRequestEvents extends IDBRequestEvents { blocked: IDBVersionChangeEvent, upgradeneeded: IDBVersionChangeEvent }
export interface IDBOpenDBRequest extends IDBRequest<IDBDatabase> {
  onblocked: Handler<IDBOpenDBRequest, IDBVersionChangeEvent>
  onupgradeneeded: Handler<IDBOpenDBRequest, IDBVersionChangeEvent>
}
export const IDBOpenDBRequest: { prototype: IDBOpenDBRequest, new (): never }

export class IDBVersionChangeEvent extends Event {
  constructor (type: string, init?: { bubbles?: boolean, cancelable?: boolean, oldVersion?: number, newVersion?: number | null })
  readonly oldVersion: number
  readonly newVersion: number | null
}

export class IDBFactory {
  private constructor ()
  open (name: string, version?: number): IDBOpenDBRequest
  deleteDatabase (name: string): IDBOpenDBRequest
  databases (): Promise<IDBDatabaseInfo[]>
  cmp (first: any, second: any): number
}

export interface IDBDatabaseEvents { abort: Event, close: Event, error: Event, versionchange: IDBVersionChangeEvent }
export interface IDBDatabase extends Listeners<IDBDatabase, IDBDatabaseEvents> {
  readonly name: string
  readonly version: number
  readonly objectStoreNames: DOMStringList
  transaction (storeNames: string | Iterable<string>, mode?: IDBTransactionMode, options?: IDBTransactionOptions): IDBTransaction
  close (): void
  createObjectStore (name: string, options?: IDBObjectStoreParameters): IDBObjectStore
  deleteObjectStore (name: string): void
  onabort: Handler<IDBDatabase>
  onclose: Handler<IDBDatabase>
  onerror: Handler<IDBDatabase>
  onversionchange: Handler<IDBDatabase, IDBVersionChangeEvent>
}
export const IDBDatabase: { prototype: IDBDatabase, new (): never }

export interface IDBTransactionEvents { abort: Event, complete: Event, error: Event }
export interface IDBTransaction extends Listeners<IDBTransaction, IDBTransactionEvents> {
  readonly objectStoreNames: DOMStringList
  readonly mode: IDBTransactionMode
  readonly durability: IDBTransactionDurability
  readonly db: IDBDatabase
  readonly error: DOMException | null
  objectStore (name: string): IDBObjectStore
  commit (): void
  abort (): void
  onabort: Handler<IDBTransaction>
  oncomplete: Handler<IDBTransaction>
  onerror: Handler<IDBTransaction>
}
export const IDBTransaction: { prototype: IDBTransaction, new (): never }

declare class Reading {
  get (query: IDBValidKey | IDBKeyRange): IDBRequest<any>
  getKey (query: IDBValidKey | IDBKeyRange): IDBRequest<IDBValidKey | undefined>
  getAll (query?: IDBQuery | IDBGetAllOptions, count?: number): IDBRequest<any[]>
  getAllKeys (query?: IDBQuery | IDBGetAllOptions, count?: number): IDBRequest<IDBValidKey[]>
  getAllRecords (options?: IDBGetAllOptions): IDBRequest<IDBRecord[]>
  count (query?: IDBQuery): IDBRequest<number>
  openCursor (query?: IDBQuery, direction?: IDBCursorDirection): IDBRequest<IDBCursorWithValue | null>
  openKeyCursor (query?: IDBQuery, direction?: IDBCursorDirection): IDBRequest<IDBCursor | null>
}

export class IDBObjectStore extends Reading {
  private constructor ()
  name: string
  readonly keyPath: string | string[]
  readonly indexNames: DOMStringList
  readonly transaction: IDBTransaction
  readonly autoIncrement: boolean
  put (value: any, key?: IDBValidKey): IDBRequest<IDBValidKey>
  add (value: any, key?: IDBValidKey): IDBRequest<IDBValidKey>
  delete (query: IDBValidKey | IDBKeyRange): IDBRequest<undefined>
  clear (): IDBRequest<undefined>
  index (name: string): IDBIndex
  createIndex (name: string, keyPath: string | Iterable<string>, options?: IDBIndexParameters): IDBIndex
  deleteIndex (name: string): void
}

export class IDBIndex extends Reading {
  private constructor ()
  name: string
  readonly objectStore: IDBObjectStore
  readonly keyPath: string | string[]
  readonly multiEntry: boolean
  readonly unique: boolean
}

export class IDBRecord {
  private constructor ()
  readonly key: IDBValidKey
  readonly primaryKey: IDBValidKey
  readonly value: any
}

export class IDBKeyRange {
  private constructor ()
  readonly lower: any
  readonly upper: any
  readonly lowerOpen: boolean
  readonly upperOpen: boolean
  static only (value: any): IDBKeyRange
  static lowerBound (lower: any, open?: boolean): IDBKeyRange
  static upperBound (upper: any, open?: boolean): IDBKeyRange
  static bound (lower: any, upper: any, lowerOpen?: boolean, upperOpen?: boolean): IDBKeyRange
  includes (key: any): boolean
}

export interface IDBCursor {
  readonly source: IDBObjectStore | IDBIndex
  readonly direction: IDBCursorDirection
  readonly key: IDBValidKey
  readonly primaryKey: IDBValidKey
  readonly request: IDBRequest
  advance (count: number): void
  continue (key?: IDBValidKey): void
  continuePrimaryKey (key: IDBValidKey, primaryKey: IDBValidKey): void
  update (value: any): IDBRequest<IDBValidKey>
  delete (): IDBRequest<undefined>
}
export const IDBCursor: { prototype: IDBCursor, new (): never }
export interface IDBCursorWithValue extends IDBCursor { readonly value: any }
export const IDBCursorWithValue: { prototype: IDBCursorWithValue, new (): never }

/** The databases of the server that the environment's HOLDFAST_ADDRESS names, else of `holdfast://127.0.0.1:4653`. */
export const indexedDB: IDBFactory

/** A factory for the databases of a server: `holdfast://HOST:PORT` or `unix:PATH`. */
export function createFactory (options?: { address?: string }): IDBFactory

/** Close the connections of a factory to the server. Databases that are open get the event `close`. */
export function closeFactory (factory: IDBFactory): Promise<void>

/**
 * Let values have objects of a class. `encode` gives something that can be cloned, `decode` makes an object of
 * that. `name` is stored with the value.
 */
export function registerSerializable<T> (name: string, Class: new (...args: any[]) => T, code: { encode (object: T): any, decode (data: any): T }): void
