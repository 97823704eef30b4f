// Types of the package holdfast-level. Hand-written; `tsc` checks them against test/types.ts.
import { AbstractDatabaseOptions, AbstractLevel, AbstractOpenOptions } from 'abstract-level'
import { Client } from 'holdfast'

export interface HoldfastLevelOptions<K, V> extends AbstractDatabaseOptions<K, V> {
  /** Of the server: `holdfast://127.0.0.1:4653/main`. Databases of one address share a connection. */
  address?: string
  /** A client that is connected; it is left open when the database is closed. */
  client?: Client
}

export interface WriteOptions {
  /** true: durable when the promise resolves; false: within the server's `interval`; left out: the server's default. */
  sync?: boolean
}

/** abstract-level over a Holdfast server. `location` is the name of a store. */
export class HoldfastLevel<K = string, V = string> extends AbstractLevel<string | Buffer | Uint8Array, K, V> {
  constructor (location: string, options?: HoldfastLevelOptions<K, V>)
  readonly location: string
  /** The client of the package holdfast, while the database is open. */
  readonly client: Client | null
  open (options?: AbstractOpenOptions): Promise<void>
  /** About how many bytes the entries from start up to end take. */
  approximateSize (start: K, end: K, options?: { keyEncoding?: string }): Promise<number>
  /** Remove the database at a location with all that is in it. */
  static destroy (location: string, options?: { address?: string, client?: Client }): Promise<void>
}
