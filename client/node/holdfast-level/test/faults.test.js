// Level over a connection that is cut, split, joined and late: no promise stays open, a batch is whole, and
// what is told is what is.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HARMLESS, serve, through } from '../../testing/rig.js'
import { HoldfastLevel, skip } from './found.js'

let locations = 0
const rig = serve({ skip })

const LOST = ['LEVEL_CONNECTION_LOST', 'LEVEL_DATABASE_NOT_OPEN', 'LEVEL_ITERATOR_NOT_OPEN']
const isLost = error => assert.ok(LOST.includes(error.code), error.stack)
const put = (key, value = key) => ({ type: 'put', key, value })

/** Some of everything at once; what each write was told: 'in', 'out' or 'unknown'. */
async function work (db) {
  const told = {}
  const tell = async (name, promise) => {
    told[name] = await promise.then(() => 'in', error => {
      isLost(error)
      return error.cause?.maybeCommitted === true ? 'unknown' : 'out'
    })
  }
  const read = promise => promise.catch(isLost)
  await Promise.all([
    tell('put', db.put('put', 'v')),
    tell('batch', db.batch([put('batch 1'), put('batch 2'), put('batch 3')])),
    ...['put', 'none', 'old', 'old 2'].map(key => read(db.get(key))),
    tell('synced', db.batch([put('synced 1'), { type: 'del', key: 'old' }], { sync: true })),
    read(db.getMany(['put', 'none'])),
    read(db.has('put')),
    read(db.iterator({ gte: 'o' }).all()),
    tell('del', db.del('old 2')),
    tell('clear', db.clear({ gte: 'x' }))
  ])
  return told
}

async function check (location, told, about) {
  const there = new Set((await rig.client.scan(location, null, { only: 'keys' }).all().catch(e => {
    if (e.name !== 'NO_STORE') throw e
    return []
  })).map(String))
  const count = keys => keys.filter(key => there.has(key)).length
  const writes = { put: ['put'], batch: ['batch 1', 'batch 2', 'batch 3'], synced: ['synced 1'] }
  for (const [name, keys] of Object.entries(writes)) {
    const n = count(keys)
    assert.ok(n === 0 || n === keys.length, `${about}: a part of ${name}`)
    if (told[name] !== 'unknown') assert.equal(n > 0, told[name] === 'in', `${about}: ${name} was told ${told[name]}`)
  }
  const gone = { synced: ['old'], del: ['old 2'], clear: ['x 1', 'x 2'] }
  for (const [name, keys] of Object.entries(gone)) {
    if (told[name] === 'in') assert.equal(count(keys), 0, `${about}: ${name} was told in`)
    if (told[name] === 'out') assert.equal(count(keys), keys.length, `${about}: ${name} was told out`)
  }
}

async function judge (faults, about) {
  const location = `faults ${++locations}`
  await rig.client.createStore(location, { conflict: 'none' })
  await rig.client.run(['old', 'old 2', 'x 1', 'x 2'].map(key => ['put', [location, 'v', Buffer.from(key)]]))
  return through(rig.server, faults, async proxy => {
    const db = new HoldfastLevel(location, { address: proxy.address })
    try {
      const told = await work(db)
      await check(location, told, about)
      return { told, isCut: proxy.connections > 1 }
    } finally {
      await db.close()
    }
  })
}

for (const side of ['cutUp', 'cutDown']) {
  test(`faults: level: a connection that is cut after any number of bytes, ${side}`, { skip, timeout: 100_000 }, async () => {
    const words = {}
    for (let bytes = 1, isWhole = false; !isWhole; bytes += bytes < 200 ? 37 : 11) {
      const { told, isCut } = await judge({ [side]: bytes }, `${side} ${bytes}`)
      for (const word of Object.values(told)) words[word] = (words[word] ?? 0) + 1
      isWhole = !isCut && Object.values(told).every(word => word === 'in')
    }
    for (const word of ['in', 'out', 'unknown']) assert.ok(words[word] > 0, `${word} has not come up: ${JSON.stringify(words)}`)
  })
}

test('faults: level: what is split, joined and late changes nothing', { skip }, async () => {
  for (const faults of HARMLESS) {
    const { told } = await judge(faults, JSON.stringify(faults))
    for (const [name, word] of Object.entries(told)) assert.equal(word, 'in', name)
  }
})
