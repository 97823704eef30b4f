// Documents of PouchDB through its adapter leveldb-core, which wants what came before abstract-level: a class of
// abstract-leveldown stands between. node pouchdb.js ADDRESS FOLDER
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { HoldfastLevel } from '../holdfast-level/index.js'
import { same } from './tap.js'

const [, , address, folder] = process.argv
const require = createRequire(join(folder, 'x.js'))
const { AbstractLevelDOWN, AbstractIterator } = require('abstract-leveldown')
const PouchDB = require('pouchdb-core')
const core = require('pouchdb-adapter-leveldb-core')
const LevelPouch = core.default ?? core

const binary = data => Buffer.isBuffer(data) ? data : Buffer.from(String(data))
const plain = (value, asBuffer) => asBuffer === false ? value.toString() : value
const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
const call = (promise, callback, give = () => []) => {
  promise.then(value => process.nextTick(callback, null, ...give(value)), error => process.nextTick(callback, error))
}

class Down extends AbstractLevelDOWN {
  constructor (location) {
    super()
    this.level = new HoldfastLevel(location, { address, ...encodings })
  }

  _open (options, callback) { call(this.level.open(options), callback) }
  _close (callback) { call(this.level.close(), callback) }
  _serializeKey (key) { return binary(key) }
  _serializeValue (value) { return binary(value) }
  _put (key, value, options, callback) { call(this.level.put(key, value), callback) }
  _del (key, options, callback) { call(this.level.del(key), callback) }
  _batch (operations, options, callback) { call(this.level.batch(operations), callback) }
  _get (key, { asBuffer }, callback) {
    call(this.level.get(key).then(value => {
      if (value === undefined) throw new Error('NotFound')
      return value
    }), callback, value => [plain(value, asBuffer)])
  }

  _iterator (options) { return new Iterator(this, options) }
}

class Iterator extends AbstractIterator {
  constructor (db, { gt, gte, lt, lte, reverse, limit, ...options }) {
    super(db)
    const range = {}
    for (const [name, key] of Object.entries({ gt, gte, lt, lte })) if (key !== undefined) range[name] = binary(key)
    this.options = options
    this.iterator = db.level.iterator({ ...range, reverse, limit })
  }

  _next (callback) {
    const { keyAsBuffer, valueAsBuffer } = this.options
    call(this.iterator.next(), callback, row => row === undefined ? [] : [plain(row[0], keyAsBuffer), plain(row[1], valueAsBuffer)])
  }

  _end (callback) { call(this.iterator.close(), callback) }
}

function Adapter (options, callback) {
  const leveldown = Object.assign(name => new Down(`pouch ${name}`), {
    destroy: (name, callback) => call(HoldfastLevel.destroy(`pouch ${name}`, { address }), callback)
  })
  LevelPouch.call(this, { ...options, db: leveldown }, callback)
}
Adapter.valid = () => true
Adapter.use_prefix = false
PouchDB.adapter('holdfast', Adapter, true)
PouchDB.plugin(require('pouchdb-replication'))

const db = new PouchDB('one', { adapter: 'holdfast' })
const { rev } = await db.put({ _id: 'ann', visits: 1 })
same((await db.get('ann')).visits, 1, 'a document comes back')
await db.put({ _id: 'ann', _rev: rev, visits: 2 })
same((await db.get('ann')).visits, 2, 'and changed')
same(await db.put({ _id: 'ann', _rev: rev, visits: 3 }).catch(e => e.name), 'conflict', 'an old revision is a conflict')
same(await db.get('nobody').catch(e => e.status), 404, 'what is not there is 404')
const many = await db.bulkDocs(Array.from({ length: 200 }, (_, i) => ({ _id: `d${String(i).padStart(3, '0')}`, i })))
same(many.filter(row => row.ok).length, 200, 'many at once')
const all = await db.allDocs({ startkey: 'd010', endkey: 'd019', include_docs: true })
same(all.rows.map(row => row.doc.i), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19], 'a range in order')
same((await db.allDocs({ descending: true, limit: 2 })).rows.map(row => row.id), ['d199', 'd198'], 'from the end')
same((await db.allDocs({ keys: ['d001', 'none'] })).rows.map(row => row.error ?? row.id), ['d001', 'not_found'], 'by keys')
await db.remove(await db.get('d000'))
same((await db.info()).doc_count, 200, 'a removed document does not count')
const changes = await db.changes({ since: 0 })
same([changes.results.length, changes.results.at(-1).deleted], [201, true], 'changes in their order')
await db.putAttachment('ann', 'a.bin', (await db.get('ann'))._rev, Buffer.from([0, 255, 1]), 'application/octet-stream')
same(Buffer.from(await db.getAttachment('ann', 'a.bin')), Buffer.from([0, 255, 1]), 'an attachment keeps its bytes')
const other = new PouchDB('two', { adapter: 'holdfast' })
const replicated = await db.replicate.to(other)
same(replicated.ok, true, 'replication goes through')
same((await other.allDocs()).rows.length, 200, 'all documents are there')
await db.compact()
same((await db.get('d100')).i, 100, 'after a compaction, too')
await db.close()
const again = new PouchDB('one', { adapter: 'holdfast' })
same((await again.info()).doc_count, 200, 'opened again, all is there')
await again.destroy()
await other.destroy()
