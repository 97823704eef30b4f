// Documents of Yjs through y-leveldb: node y-leveldb.js ADDRESS FOLDER
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { HoldfastLevel } from '../holdfast-level/index.js'
import { same } from './tap.js'

const [, , address, folder] = process.argv
const require = createRequire(join(folder, 'x.js'))
const { LeveldbPersistence } = require('y-leveldb')
const Y = require('yjs')

const store = new LeveldbPersistence('yjs', { Level: HoldfastLevel, levelOptions: { address } })
const updates = []
const doc = new Y.Doc()
doc.on('update', update => updates.push(store.storeUpdate('doc', update)))
doc.getArray('a').insert(0, [1, 2, 3])
doc.getText('t').insert(0, 'hello')
for (let i = 0; i < 600; i++) doc.getArray('many').push([i]) // more than it keeps before it trims
await Promise.all(updates)
const read = async () => {
  const back = await store.getYDoc('doc')
  return [back.getArray('a').toArray(), back.getText('t').toString(), back.getArray('many').length]
}
same(await read(), [[1, 2, 3], 'hello', 600], 'a document comes back')
await store.flushDocument('doc')
same(await read(), [[1, 2, 3], 'hello', 600], 'a flushed document comes back')
same(await store.getAllDocNames(), ['doc'], 'its name is listed')
await store.setMeta('doc', 'k', { a: 1 })
same(await store.getMeta('doc', 'k'), { a: 1 }, 'meta data is set')
same([...await store.getMetas('doc')], [['k', { a: 1 }]], 'and listed')
await store.delMeta('doc', 'k')
same(await store.getMeta('doc', 'k'), undefined, 'and deleted')
const other = new Y.Doc()
Y.applyUpdate(other, await store.getDiff('doc', Y.encodeStateVector(other)))
same(other.getText('t').toString(), 'hello', 'a difference is enough')
same(await store.getStateVector('doc'), Y.encodeStateVector(doc), 'the state is that of the document')
await store.clearDocument('doc')
same(await store.getAllDocNames(), [], 'a cleared document is gone')
await store.destroy()
