// Types of the package holdfast-memento. Hand-written; `tsc` checks them against test/types.ts.
import { Client } from 'holdfast'

/** A store, or `[store, index]`. */
export type Name = string | readonly [store: string, index: string]
/** What a part of a key is: its type, its direction, the name of a comparator. */
export type PartType = StringConstructor | NumberConstructor | BigIntConstructor | string | number | symbol
export type Extraction = Record<string, PartType | readonly PartType[]>
export type Key = readonly any[]

export interface InnerIterator<Row> extends Iterable<Row>, Iterator<Row> {
  /** Turn the whole iteration round. */
  reversed: boolean
}

export interface Cursor<Row = any> extends AsyncIterable<InnerIterator<Row>> {
  join (name: Name, using: (values: any[]) => Key): Cursor<any[]>
  outer (name: Name, using: (values: any[]) => Key): Cursor<any[]>
  inclusive (): this
  exclusive (): this
  reverse (): this
  limit (limit: number): this
  skip (f: (item: { key: [key: Key], value: any }) => boolean): this
  terminate (f: (row: Row) => boolean): this
  array (): Promise<Row[]>
}

export interface Mapped<T> { key: Key, value: T, items: { key: Key, value: any }[] }

export interface Snapshot {
  get (name: Name, key: Key): Promise<any>
  cursor (name: Name, key?: Key | null): Cursor
  map<T = Key> (name: Name, set: readonly T[], options?: { extractor?: (value: T) => Key }): AsyncGenerator<Mapped<T>[], void, undefined>
}

export interface Mutator extends Snapshot {
  set (name: string, record: object): void
  unset (name: string, key: Key): void
  rollback (): never
}

export interface Schema extends Mutator {
  readonly version: { readonly target: number, readonly current: number }
  create (name: Name, extraction: Extraction): Promise<void>
  rename (from: Name, to: Name): Promise<void>
  remove (name: Name): Promise<void>
}

export interface OpenOptions {
  /** The name of the database. */
  directory: string
  version?: number
  comparators?: Record<string, (left: any, right: any) => number>
  destructible?: any
  /** Of the server; `HOLDFAST_ADDRESS` of the environment, else 127.0.0.1:4653. */
  address?: string
  /** A client that is connected; it is left open. */
  client?: Client
  /** Remove what is there first. */
  fresh?: boolean
}

export class MementoError extends Error {
  readonly code: 'IO_ERROR' | 'ALREADY_EXISTS' | 'DOES_NOT_EXIST' | 'INVALID_RENAME' | 'ROLLBACK'
}

export class Memento {
  private constructor ()
  static readonly ASC: unique symbol
  static readonly DSC: unique symbol
  static readonly Error: typeof MementoError
  static open (options: OpenOptions, upgrade?: (schema: Schema) => unknown): Promise<Memento>
  readonly directory: string
  readonly version: number
  readonly pages: { purge (heft: number): void }
  snapshot<T> (block: (snapshot: Snapshot) => T | Promise<T>): Promise<T>
  mutator<T> (block: (mutator: Mutator) => T | Promise<T>): Promise<T | undefined>
  indices (name: string): string[]
  close (): Promise<void>
}
export default Memento
