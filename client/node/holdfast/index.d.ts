// Types of the package holdfast. Hand-written; `tsc` checks them against test/types.ts.
/// <reference types="node" />
import { EventEmitter } from 'node:events'

/** What can be stored; nil (null) inside of records only. Instances of classes are stored as their fields. */
export type Value = any
/** A key: a number, text, binary, timestamp, boolean, null or an array of these. */
export type Key = null | boolean | number | bigint | string | Date | Timestamp | Uint8Array | Utf8 | Key[]
/** A store's name, or `[store, index]`. */
export type Source = string | readonly [store: string, index: string]
/** What a store has, where the client was told: `connect<{users: User}>(...)`. */
export type RecordOf<Stores, N> = N extends keyof Stores ? Stores[N] : any
export type Path = string | readonly (string | number)[]
export type KeyPart = Path | { path: Path, order?: 'asc' | 'desc' }
export type IndexKeyPart = KeyPart | { any: readonly Path[], order?: 'asc' | 'desc' }

export interface Range {
  gt?: Key
  gte?: Key
  lt?: Key
  lte?: Key
  eq?: Key
  /** Keys of several parts: the first of them. */
  prefix?: readonly Key[]
  /** The same, and the last part given is only the beginning of a text or binary. */
  starts?: Key
}

export type Change =
  | readonly ['set' | 'min' | 'max' | 'append', Path, Value]
  | readonly ['add', Path, number | bigint]
  | readonly ['unset' | 'commit', Path]

/** Options of every request. */
export interface RequestOptions {
  /** Ends the wait: the promise is rejected with its reason. A transaction goes on after a read that was ended so. */
  signal?: AbortSignal
  /** Binaries of nothing but ASCII (up to 512 bytes) come as texts in the answer, for programs that make texts of them anyway. */
  asciiText?: boolean
  /** The server's limit; then it answers DEADLINE and has changed nothing. */
  deadlineMs?: number
  [option: string]: unknown
}

export interface ScanOptions extends RequestOptions {
  reverse?: boolean
  limit?: number
  offset?: number
  /** Rows of one page, at most 1,000. */
  page?: number
  /** Only the first row of each index key. */
  unique?: boolean
  /** false: do not fetch the next page before it is needed. */
  ahead?: boolean
  only?: 'keys' | 'values'
}

export interface CursorOptions extends Omit<ScanOptions, 'ahead'> {
  /** The cursor stays after its last row, until close. */
  keep?: boolean
}

export interface NextOptions extends RequestOptions {
  page?: number
  reverse?: boolean
  /** Go on from the first row at or beyond this key. Of an index: an index key, or `{index, key}`. */
  to?: Key | { index: Key, key: Key }
  unique?: boolean
  skip?: number
  /** From this page on the cursor stays after its last row. */
  keep?: boolean
}

export interface StoreOptions extends RequestOptions {
  key?: Path | readonly KeyPart[]
  generate?: boolean
  conflict?: 'none'
}

export interface IndexOptions extends RequestOptions {
  key: Path | IndexKeyPart | readonly IndexKeyPart[]
  unique?: boolean
  multi?: boolean
  types?: readonly ('nil' | 'boolean' | 'number' | 'timestamp' | 'text' | 'binary' | 'array')[]
  where?: object
  /** Built in the background: `stores` shows its state. */
  online?: boolean
}

export interface BeginOptions extends RequestOptions {
  isolation?: 'snapshot' | 'serializable'
  readOnly?: boolean
  conflict?: 'first-committer' | 'greatest-version'
  onError?: 'fail' | 'continue'
  label?: string
  durability?: 'sync' | 'interval'
  timeoutMs?: number
  idleMs?: number
  /** Limits in bytes of its own: of its writes (TOO_LARGE), of its read set (TOO_LARGE), of what is retained for it (TXN_EXPIRED). */
  writeBytes?: number
  readBytes?: number
  heldBytes?: number
  /** Stores that nobody else may write to (exclusive) or may lock so (shared) until the end; or all of them. */
  lock?: 'database' | { shared?: readonly string[], exclusive?: readonly string[] }
  /** How long to wait for the lock. */
  waitMs?: number
}

export interface TransactionOptions extends BeginOptions {
  /** How many times to run the work (10). */
  attempts?: number
  /** No attempt begins later than this (30,000). */
  retryMs?: number
}

export interface CommitOptions extends RequestOptions {
  /** 16 bytes by which `outcome` tells what became of the commit. */
  token?: Uint8Array
}

export interface IndexInfo {
  name: string
  state: 'ready' | 'building' | 'failed'
  key: unknown
  unique: boolean
  multi: boolean
  types?: string[]
  where?: unknown
  /** While it is building: the records that have their entries since the last start. */
  built?: number
  /** Why it has failed. */
  error?: { name: string, message: string, key?: unknown, record?: unknown }
}

export interface StoreInfo {
  name: string
  key: unknown
  indexes: IndexInfo[]
  records: number
  bytes: number
  [more: string]: unknown
}

export interface DatabaseInfo {
  name: string
  version: number
  /** null for users who are not administrators */
  stores: number | null
  bytes: number | null
  /** null: none is set */
  quota: Quota | null
}

/** Which part of a list: from a name on, at most so many. */
export interface ListPage {
  from?: string
  limit?: number
}

export type Operation = readonly [method: string, params: readonly unknown[]]

/** Puts and deletes for `run`: the same as a list of operations, for less work. It keeps what it is given, and that is encoded when it is sent. */
export class Batch {
  readonly length: number
  put (store: string, value: Value, key?: Key): this
  delete (store: string, key: Key): this
}

/** Rows as an async iterable, which fetches a page ahead. */
export class Scan<Row = [Key, Value]> implements AsyncIterableIterator<Row> {
  private constructor ()
  next (): Promise<IteratorResult<Row, undefined>>
  return (value?: any): Promise<IteratorResult<Row, any>>
  throw (error?: any): Promise<IteratorResult<Row, any>>
  [Symbol.asyncIterator] (): this
  /** All rows as an array. */
  all (): Promise<Row[]>
  /** The rows as the pages in which they arrive. */
  pages (): AsyncGenerator<Row[], void, undefined>
}

/** A cursor that can be turned and moved. */
export class Cursor<Row = [Key, Value]> {
  private constructor ()
  readonly isOpen: boolean
  /** The rows of the first page, then of the next; `[]` at the end. */
  next (options?: NextOptions): Promise<Row[]>
  close (): void
}

export interface QueryAnswer {
  columns?: string[]
  rows?: any[][]
  /** How many records a statement that writes has changed. */
  changed?: number
}

/** The answer to a query: `await` gives it whole, `for await` row by row. */
export class Query implements PromiseLike<QueryAnswer>, AsyncIterable<any[]> {
  private constructor ()
  then<A = QueryAnswer, B = never> (resolve?: ((answer: QueryAnswer) => A | PromiseLike<A>) | null, reject?: ((error: any) => B | PromiseLike<B>) | null): Promise<A | B>
  catch<B = never> (reject?: ((error: any) => B | PromiseLike<B>) | null): Promise<QueryAnswer | B>
  finally (f?: (() => void) | null): Promise<QueryAnswer>
  /** Rows as objects by the names of their columns. */
  objects (): Promise<Record<string, any>[]>
  [Symbol.asyncIterator] (): AsyncIterator<any[]>
}

/** Answers to the first keys: null where there is no record, `[record]`, or `[null, error]`. `open` is of the transaction `rest`, if it was left open. */
export interface EachAnswer<T = any> {
  answers: (null | [record: T] | [none: null, error: any])[]
  open: { version: number, snapshot: number } | null
}

/** The methods of stores and records; a client has them, each call by itself, and a transaction. */
export interface Records<Stores = any> {
  createStore (name: string, options?: StoreOptions): Promise<null>
  dropStore (name: string, options?: RequestOptions): Promise<null>
  clearStore (name: string, options?: RequestOptions): Promise<null>
  renameStore (name: string, to: string, options?: RequestOptions): Promise<null>
  createIndex (store: string, name: string, options: IndexOptions): Promise<null>
  dropIndex (store: string, name: string, options?: RequestOptions): Promise<null>
  renameIndex (store: string, name: string, to: string, options?: RequestOptions): Promise<null>
  /** The stores, whole: read in pages, as of one moment. */
  stores (options?: RequestOptions & { from?: undefined, limit?: undefined }): Promise<StoreInfo[]>
  /** A page of them: from a name on, at most `limit`. `next` is the `from` of the page that follows, or null. */
  stores (options: RequestOptions & ListPage): Promise<{ stores: StoreInfo[], next: string | null }>

  /** Insert or replace; gives the key. */
  put<N extends string> (store: N, value: RecordOf<Stores, N>, key?: Key, options?: RequestOptions): Promise<any>
  /** Insert; EXISTS if there is one. */
  insert<N extends string> (store: N, value: RecordOf<Stores, N>, key?: Key, options?: RequestOptions): Promise<any>
  /** Change in place; gives the record after it, null if there is none. */
  update<N extends string> (store: N, key: Key, changes: readonly Change[], options?: RequestOptions & { upsert?: boolean }): Promise<RecordOf<Stores, N> | null>
  update<T> (store: string, key: Key, changes: readonly Change[], options?: RequestOptions & { upsert?: boolean }): Promise<T | null>
  delete (store: string, key: Key, options?: RequestOptions): Promise<boolean>
  /** The record, null where there is none. */
  get<N extends string> (source: N | readonly [store: N, index: string], key: Key, options?: RequestOptions): Promise<RecordOf<Stores, N> | null>
  get<T> (source: Source, key: Key, options?: RequestOptions): Promise<T | null>
  has (source: Source, key: Key, options?: RequestOptions): Promise<boolean>
  /** What the server answers with `each`, of as many keys as fit into one answer; see docs/protocol.md. `getEach` asks until it has all. */
  getMany<T = any> (source: Source, keys: readonly Key[], options: RequestOptions & { each: true, rest?: number }): Promise<EachAnswer<T>>
  getMany<N extends string> (source: N | readonly [store: N, index: string], keys: readonly Key[], options?: RequestOptions): Promise<(RecordOf<Stores, N> | null)[]>
  getMany<T> (source: Source, keys: readonly Key[], options?: RequestOptions): Promise<(T | null)[]>
  /**
   * Several records as of one commit, however large they are together. Each key has a result of its own, as of Promise.allSettled: a key
   * that cannot be one is an error of its own, not of the others and not of a transaction.
   */
  getEach<N extends string> (source: N | readonly [store: N, index: string], keys: readonly Key[], options?: RequestOptions): Promise<PromiseSettledResult<RecordOf<Stores, N> | null>[]>
  getEach<T> (source: Source, keys: readonly Key[], options?: RequestOptions): Promise<PromiseSettledResult<T | null>[]>
  count (source: Source, range?: Range | null, options?: RequestOptions): Promise<number>
  size (source: Source, range?: Range | null, options?: RequestOptions): Promise<number>
  deleteRange (store: string, range: Range, options?: RequestOptions & { limit?: number, reverse?: boolean }): Promise<number>

  /** Run a query; `args` are for `$1`, `$2`, ... or, an object, for `$name`. */
  query (text: string, args?: readonly Value[] | Record<string, Value> | null, options?: RequestOptions & { page?: number }): Query
  explain (text: string, args?: readonly Value[] | Record<string, Value> | null, options?: RequestOptions): Promise<any>

  scan<N extends string> (source: N | readonly [store: N, index: string], range: Range | null | undefined, options: ScanOptions & { only: 'values' }): Scan<RecordOf<Stores, N>>
  scan (source: Source, range: Range | null | undefined, options: ScanOptions & { only: 'keys' }): Scan<any>
  scan<N extends string> (source: readonly [store: N, index: string], range?: Range | null, options?: ScanOptions & { only?: undefined }): Scan<[any, any, RecordOf<Stores, N>]>
  scan<N extends string> (source: N, range?: Range | null, options?: ScanOptions & { only?: undefined }): Scan<[any, RecordOf<Stores, N>]>
  scan (source: Source, range?: Range | null, options?: ScanOptions): Scan<any>
  /** Its snapshot is taken now, where the connection is there. */
  cursor (source: Source, range?: Range | null, options?: CursorOptions): Cursor<any[]>
}

/** A transaction that is open. Nobody has to wait for each request: its commit repeats what went wrong. */
export class Transaction<Stores = any> implements Records<Stores> {
  private constructor ()
  /** Resolves when the server has begun it; with a lock, when that is granted. */
  readonly ready: Promise<{ version: number, snapshot: number }>
  readonly version: number | undefined
  readonly snapshot: number | undefined
  /** The number of its commit; null where nothing was written, undefined before. */
  readonly committed: number | null | undefined
  readonly isOpen: boolean
  readonly hasEnded: boolean
  /** Aborted when the transaction is certain to lose; needs `db.subscribe(['doomed'])`. */
  readonly signal: AbortSignal
  /** Writes behind it can be taken back. The newest of a name counts. */
  savepoint (name: string, options?: RequestOptions): Promise<null>
  rollbackTo (name: string, options?: RequestOptions): Promise<null>
  release (name: string, options?: RequestOptions): Promise<null>
  /** Any method that takes a transaction, or a cursor of it (`next`, `close`), by its name, with all of its parameters but the transaction. */
  call (method: string, ...params: unknown[]): Promise<any>
  /** null, or rejects with the error that commit would give now. */
  check (options?: RequestOptions): Promise<null>
  commit (options?: CommitOptions): Promise<number | null>
  rollback (options?: RequestOptions): Promise<void>
  /** `await using tx = await db.begin()`: rolls back what was not committed. */
  [Symbol.asyncDispose] (): Promise<void>
}
export interface Transaction<Stores = any> extends Records<Stores> {}

export interface ConnectOptions {
  /** What logs and `holds` call this program. */
  client?: string
  database?: string
  /** Log in as this user. */
  user?: string
  /** TLS, with the server's certificate checked; options are those of node:tls, such as {ca, cert, key}. */
  tls?: boolean | import('node:tls').ConnectionOptions
  /** Of the user; it is never sent. A function is called for each login. */
  password?: string | (() => string | Promise<string>)
  /** false: a lost connection is not connected again. */
  reconnect?: boolean
  /** true: `connect` tries until the server is there, up to connectTimeoutMs, as after a loss. */
  waitForServer?: boolean
  /** For a connection, and for all tries to get a lost one back (10,000). */
  connectTimeoutMs?: number
  /** For answers that are still on their way when closing (5,000). */
  closeTimeoutMs?: number
  /** Of silence after which the server is asked whether it is there (30,000). */
  heartbeatMs?: number
  /** That wait to be sent; more is refused with OVERLOADED (64 MiB). */
  queueBytesMax?: number
  attempts?: number
  retryMs?: number
  delayFirstMs?: number
  delayMaxMs?: number
}

export interface UserSettings {
  /** As `passwordVerifier` gives it; null: no login by a password. */
  verifier?: string | null
  admin?: boolean
  /** On the Unix socket, clients that run as this user of the machine are it. */
  uid?: number | null
  /** Patterns of database and store (* stands for anything), and what is allowed there. */
  grants?: readonly (readonly [database: string, store: string, rights: readonly ('read' | 'write' | 'schema')[]])[]
}

/** Limits of a database; null: none. */
export interface Quota {
  /** Of keys and values, with the entries of indexes. */
  bytes: number | null
  stores: number | null
  /** Open at a time. */
  transactions: number | null
}

export interface ServerInfo {
  server: string
  version: string
  protocol: number
  features: string[]
  limits: Record<string, number>
}

export interface ClientEvents {
  connect: []
  disconnect: [error: Error]
  /** The next connection is tried for; `attempt` counts from 1, `error` is why the one before has failed. */
  reconnecting: [attempt: number, error: Error]
  /** No more requests are taken: by `close`, or the connection is lost and `reconnect` is false. */
  close: []
  doomed: [transaction: Transaction | undefined, error: HoldfastError]
  /** The server stops; it waits so long for what is pending to be read. */
  shutdown: [ms: number]
  /** Somebody wants to upgrade the database, or (`to` null) to delete it, and waits for this opener to detach. */
  versionchange: [opener: number, database: string, from: number, to: number | null]
  /** An upgrade of this opener, or (null) a deletion, waits for others to detach. */
  blocked: [opener: number | null, database: string, from: number, to: number | null]
  /** `value` has come near to `max`, the limit of that name. */
  warning: [warning: { limit: string, value: number, max: number, t: number | null }, transaction: Transaction | undefined]
}

/** A database. `connect` makes one. */
export class Client<Stores = any> extends EventEmitter implements Records<Stores> {
  private constructor ()
  readonly server: ServerInfo | null
  readonly limits: Record<string, number>
  readonly isConnected: boolean
  /** Whether the server has this feature. */
  hasFeature (feature: string): boolean

  /** Run `work` in a transaction and commit it; run it again where it loses. Gives what `work` gives. */
  transaction<T> (work: (tx: Transaction<Stores>) => T | Promise<T>, options?: TransactionOptions): Promise<T>
  begin (options?: BeginOptions): Promise<Transaction<Stores>>
  /** Begin without waiting: it sees nothing that is sent later. Throws where no connection is there. */
  start (options?: BeginOptions): Transaction<Stores>
  /** Several operations as one transaction in one trip. With a token it is sent again when the connection is lost, and done once. */
  run (operations: readonly Operation[] | Batch, options?: BeginOptions & CommitOptions): Promise<{ results: any[] | null, commit: number | null }>
  /** Create a store unless it is there: true where it was not. EXISTS where one with another definition is. */
  ensureStore (name: string, options?: StoreOptions): Promise<boolean>
  /** The same of an index. */
  ensureIndex (store: string, name: string, options: IndexOptions): Promise<boolean>
  /** For layers on top: as `get`, but one of these is called, once, instead of settling a promise. Neither may throw. */
  getTo (store: string, key: Key, waiter: { take (value: any): void, fail (error: Error): void }): void
  outcome (token: Uint8Array, options?: RequestOptions & { snapshot?: number }):
    Promise<{ state: 'committed' | 'not-committed' | 'unknown', commit: number | null }>

  describe (options?: RequestOptions): Promise<any[]>
  ping (options?: RequestOptions): Promise<'pong'>
  status (options?: RequestOptions): Promise<any>
  holds (options?: RequestOptions): Promise<any[]>
  clients (options?: RequestOptions): Promise<any[]>
  /** The databases that exist; this client's is the one that its address names. */
  databases (options?: RequestOptions & { from?: undefined, limit?: undefined }): Promise<DatabaseInfo[]>
  /** A page of them: from a name on, at most `limit`. `next` is the `from` of the page that follows, or null. */
  databases (options: RequestOptions & ListPage): Promise<{ databases: DatabaseInfo[], next: string | null }>
  /** Delete a database when nobody has it open; gives its version. */
  dropDatabase (name: string, options?: RequestOptions & { waitMs?: number }): Promise<number>
  /** `opener`, a number of the program's choice, opens the database. With `upgrade` in the answer it is its turn to. */
  attach (opener: number, options?: RequestOptions & { version?: number, waitMs?: number }): Promise<{ version: number, upgrade?: boolean }>
  detach (opener: number, options?: RequestOptions): Promise<null>
  /** The handlers of `versionchange` for this opener have run. */
  versionchangeSeen (opener: number, options?: RequestOptions): Promise<null>
  /** The transaction that changes the version: it begins, with the database locked, when no other opener is left. Its commit sets the version. */
  upgrade (opener: number, to: number, options?: BeginOptions): Transaction<Stores>
  kill (what: number | { client: number } | { cursor: readonly [number, number] } | { backup: readonly [number, number] }, options?: RequestOptions): Promise<null>
  createUser (name: string, settings?: UserSettings, options?: RequestOptions): Promise<null>
  /** What is left out stays. */
  alterUser (name: string, settings: UserSettings, options?: RequestOptions): Promise<null>
  dropUser (name: string, options?: RequestOptions): Promise<null>
  users (options?: RequestOptions): Promise<(UserSettings & { name: string, password: boolean, connections: number })[]>
  /** Of administrators. What is left out stays; the answer is what is in force. */
  setQuota (database: string, quota: Partial<Quota>, options?: RequestOptions): Promise<Quota>
  rotate (options?: RequestOptions): Promise<null>
  amalgamate (options?: RequestOptions): Promise<null>
  /** Begin a backup; its bytes come with backupRead. */
  backup (base?: { identity: Uint8Array, root: number, commit?: number }, options?: RequestOptions):
    Promise<{ backup: number, identity: Uint8Array, root: number, commit: number, time_ms: number, wal_position: number, bytes: number }>
  backupRead (backup: number, position: number, options?: RequestOptions): Promise<{ data: Uint8Array, last: boolean }>
  backupClose (backup: number, options?: RequestOptions): Promise<null>
  /** Looks through everything while the server runs; takes long. */
  checkData (options?: RequestOptions): Promise<any>
  /** From now on these events are emitted, instead of those before. */
  subscribe (events: readonly ('doomed' | 'warning' | 'shutdown')[]): Promise<void>
  /** Any method by its name, with all of its parameters. */
  call (method: string, ...params: unknown[]): Promise<any>

  /** Resolves when less than a quarter of queueBytesMax waits to be sent. */
  drained (): Promise<void>
  /** What was asked is still answered, then the connection is closed. */
  close (): Promise<void>
  [Symbol.asyncDispose] (): Promise<void>
  /** Keep the process alive until the client is closed, as it does by itself. */
  ref (): void
  /** Keep the process alive only while an answer is waited for. */
  unref (): void

  on<E extends keyof ClientEvents> (event: E, listener: (...args: ClientEvents[E]) => void): this
  on (event: string | symbol, listener: (...args: any[]) => void): this
  once<E extends keyof ClientEvents> (event: E, listener: (...args: ClientEvents[E]) => void): this
  once (event: string | symbol, listener: (...args: any[]) => void): this
}
export interface Client<Stores = any> extends Records<Stores> {}

/** `holdfast://HOST:PORT/DATABASE` or `holdfast+unix:PATH?database=NAME`. */
export function connect<Stores = any> (address?: string, options?: ConnectOptions): Promise<Client<Stores>>
/** What `createUser` and `alterUser` take as `verifier`: the password itself never gets to the server. */
export function passwordVerifier (password: string): Promise<string>
/** 16 random bytes: the token of a commit. */
export function newToken (): Buffer
export function parseAddress (address?: string):
  { host: string, port: number, database: string | undefined, user?: string, tls?: boolean } | { path: string, database: string | undefined }

/** Every error of Holdfast; `errors` has the class of each name. */
export class HoldfastError extends Error {
  readonly name: string
  readonly code: number
  readonly class: string
  /** The same request, or the transaction run again, may go well. */
  readonly retryable: boolean
  /** The commit asked for may be in force although an error came. */
  readonly maybeCommitted: boolean
  readonly details: Record<string, any>
  readonly retryAfterMs: number
}
export type ErrorName = 'BAD_REQUEST' | 'BAD_KEY' | 'NO_STORE' | 'NO_INDEX' | 'NO_TXN' | 'NO_CURSOR' | 'EXISTS' |
  'NOT_UNIQUE' | 'READ_ONLY' | 'TXN_FAILED' | 'TOKEN_FENCED' | 'BAD_VALUE' | 'GENERATOR_FULL' | 'BAD_VERSION' |
  'NO_SAVEPOINT' | 'NO_BOOKMARK' | 'BAD_QUERY' | 'AUTH_REQUIRED' | 'AUTH_FAILED' | 'FORBIDDEN' | 'CONFLICT' |
  'TOO_LARGE' | 'QUOTA_EXCEEDED' | 'TXN_EXPIRED' | 'TXN_KILLED' | 'OVERLOADED' | 'DEADLINE' | 'SHUTDOWN' | 'CANCELLED' |
  'LOCK_TIMEOUT' | 'NOT_LEADER' | 'LOG_FAILED' | 'NO_SPACE' | 'CORRUPT' | 'IO' | 'INTERNAL' | 'NOMEM' |
  'CONNECTION' | 'PROTOCOL' | 'MISUSE'
export const errors: Readonly<Record<ErrorName, typeof HoldfastError>>

/** A text that is sent as a binary, its bytes in UTF-8: as Buffer.from(text) would be, for less work. */
export class Utf8 {
  constructor (text: string)
  readonly text: string
}
/** A moment that a Date cannot hold. */
export class Timestamp {
  constructor (seconds: number | bigint, nanoseconds?: number)
  static fromDate (date: Date): Timestamp
  readonly seconds: number | bigint
  readonly nanoseconds: number
  toDate (): Date
}
/** An extension of MessagePack that has no meaning here. */
export class Ext {
  constructor (type: number, data: Uint8Array | readonly number[])
  type: number
  data: Buffer
}
/** A value that cannot be sent; `path` says where it is. */
export class EncodeError extends TypeError { path: (string | number)[] }
export class DecodeError extends Error {}
export function encode (value: Value, depthMax?: number): Buffer
export function decode (bytes: Uint8Array): any
