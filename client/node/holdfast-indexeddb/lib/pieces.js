// pieces.js - values that are larger than the server takes. The record has only {p: [id, pieces]}; the pieces are in the
// store PIECES by [number of the object store, key, id, place]. Pieces that are not needed any more are removed just
// before the commit: until then requests that are on their way may still read them.
import { randomBytes } from 'node:crypto'
import { decode, encode } from 'holdfast'
import { compare, decodeKey, encodeKey, keyBytes } from './keys.js'
import { allRows } from './rows.js'
import { domException } from './webidl.js'

export const PIECES = '~pieces'
const PIECE_BYTES = 1024 * 1024
const WHOLE_BYTES = 3 * 1024 * 1024 // up to here a value is in its record
const KEY_BYTES = 2048 // of the key of such a value, which is part of the pieces' keys
const ID_BYTES = 8

export function isLarge (bytes) { return bytes > WHOLE_BYTES }

/** Bytes of a record that the cloned value makes, without those of its indexes. */
export function recordBytes (record, blobs) {
  return blobs.reduce((sum, blob) => sum + blob.size, record.x?.length ?? 0)
}

const within = (number, key) => ({ gte: [number, key], lt: [number, key, []] })

/** All pieces of an object store. */
export const ofStore = number => ({ gte: [number], lt: [number + 1] })

/** Put a record in pieces. `wireKey` is undefined where the server makes the key. Gives {key, id}. */
export async function putPieces (trip, method, meta, record, wireKey) {
  const { x, b, ...rest } = record
  const bytes = encode(b === undefined ? { x } : { x, b })
  const id = randomBytes(ID_BYTES)
  const stub = { ...rest, p: [id, Math.ceil(bytes.length / PIECE_BYTES)] }
  const key = await trip.call(method, meta.server, stub, ...(wireKey === undefined || meta.autoIncrement ? [] : [wireKey]))
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    await trip.call('put', PIECES, bytes.subarray(at, at + PIECE_BYTES), [meta.number, key, id, at / PIECE_BYTES])
  }
  return { key, id }
}

export function checkLargeKey (key) {
  if (keyBytes(key) <= KEY_BYTES) return
  throw domException('QuotaExceededError', `The key of a value of more than ${WHOLE_BYTES} bytes may have ${KEY_BYTES} bytes.`)
}

/** The record with its pieces put together. */
export async function whole (trip, meta, wireKey, record) {
  if (record?.p === undefined) return record
  const [id, count] = record.p
  const rows = await allRows(trip, PIECES, { gte: [meta.number, wireKey, id], lt: [meta.number, wireKey, id, []] }, { only: 'values' })
  if (rows.length !== count) throw domException('NotReadableError', `${count - rows.length} of ${count} pieces of the value are missing.`)
  return { ...record, ...decode(Buffer.concat(rows.map(([bytes]) => bytes))) }
}

/** What a transaction has done to one object store that may have left pieces behind. */
export class Pieces {
  #meta
  #touched = [] // ranges whose records were written or deleted
  #written = [] // {key, id, at}: pieces of this transaction, needed where no range from `at` on has the key
  #wereThere = null // the promise of whether there were any before
  #isIdle = false // there were none, and none were written
  #isExpecting = false // a value in pieces is on its way
  constructor (meta) { this.#meta = meta }

  /** Before a write: ask once whether there is anything to remove. `ask` sends a request outside of the order of events. */
  touch (range, ask, isFresh) {
    if (this.#wereThere === null) {
      this.#wereThere = isFresh
        ? Promise.resolve(false)
        : ask(remote => remote.call('scan', PIECES, ofStore(this.#meta.number), { limit: 1, only: 'keys' }).then(({ rows }) => rows.length > 0))
      this.#wereThere.then(wereThere => { this.#isIdle = !wereThere }, () => {})
    }
    if (!this.#isIdle || this.#isExpecting) this.#touched.push(range)
  }

  /** A value in pieces will be written: what is touched from here on counts. Gives the place for `written`. */
  expect () {
    this.#isExpecting = true
    return this.#touched.length
  }

  written (key, id, at) { this.#written.push({ key, id, at }) }

  /** Remove what is not needed. */
  async sweep (remote, hasWritten) {
    if (this.#touched.length === 0 || !(hasWritten || await this.#wereThere)) return
    const { number } = this.#meta
    for (const range of this.#touched) {
      const { only } = range
      const wire = only === undefined ? wireRange(range, number) : within(number, encodeKey(only))
      for (const [key] of await allRows(remote, PIECES, wire, { only: 'keys' })) {
        if (!range.includes(decodeKey(key[1])) || this.#isCurrent(key)) continue
        remote.call('delete', PIECES, key).catch(() => {}) // what goes wrong is the answer to the commit
      }
    }
  }

  #isCurrent ([, key, id]) {
    const found = this.#written.find(known => known.id.equals(id) && compare(known.key, decodeKey(key)) === 0)
    return found !== undefined && !this.#touched.slice(found.at).some(range => range.includes(found.key))
  }
}

function wireRange (range, number) {
  const wire = ofStore(number)
  if (range.lower !== undefined) wire.gte = [number, encodeKey(range.lower)]
  return wire
}
