// level.js - holdfast-level beside classic-level, in turns, on one machine, each durable where it is said.
//
//     node bench/level.js FOLDER [WORD]...     in FOLDER/node_modules is classic-level (make bench-level installs it)
//
// WORD: only work whose name has it. MS=3000: of each turn; ROUNDS=3: turns of each; RECORDS=100000. A ratio is of the medians.
// Over the Unix socket, as one does on one machine; TCP=1: over TCP.
// With LD_PRELOAD=slow_sync.so and SYNC_US=2000 a sync takes as long as that of a disk that has no cache of its own,
// for both.
import { createRequire } from 'node:module'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastLevel } from 'holdfast-level'
import { Server } from '../testing/server.js'

const { ClassicLevel } = createRequire(join(resolve(process.argv[2]), 'package.json'))('classic-level')
const RECORDS = Number(process.env.RECORDS ?? 100_000)
const MS = Number(process.env.MS ?? 3000)
const ROUNDS = Number(process.env.ROUNDS ?? 3)
const key = i => 'key' + String(i).padStart(8, '0')
const random = n => Math.floor(Math.random() * n)
const one = async promise => { await promise; return 1 }

/** What `work` counts, a second, where it is done by so many at once. */
async function wide (width, work) {
  let done = 0
  const begun = performance.now()
  await Promise.all(Array.from({ length: width }, async () => {
    while (performance.now() < begun + MS) {
      const n = await work() // `done += await` would add to what it was before the wait
      done += n
    }
  }))
  return done / (performance.now() - begun) * 1000
}

async function fill (db) {
  await db.open()
  for (let i = 0; i < RECORDS; i += 1000) {
    await db.batch(Array.from({ length: 1000 }, (_, j) => ({ type: 'put', key: key(i + j), value: 'v'.repeat(100) })))
  }
}

async function countRows (db) {
  let rows = 0
  for await (const _ of db.iterator()) rows++ // eslint-disable-line no-unused-vars
  return rows
}

const written = () => Array.from({ length: 100 }, () => ({ type: 'put', key: key(random(RECORDS)), value: 'w'.repeat(100) }))
const WORK = {
  'iterators of ten rows, 16 wide': db => wide(16, () => one(db.iterator({ gte: key(random(RECORDS - 10)), limit: 10 }).all())),
  'gets, 64 wide': db => wide(64, () => one(db.get(key(random(RECORDS))))),
  'batches of 100 with sync, 16 wide': db => wide(16, () => one(db.batch(written(), { sync: true }))),
  'batches of 100 with sync, 64 wide': db => wide(64, () => one(db.batch(written(), { sync: true }))),
  'puts with sync, 64 wide': db => wide(64, () => one(db.put(key(random(RECORDS)), 'w'.repeat(100), { sync: true }))),
  'rows of a whole iteration': db => wide(1, () => countRows(db))
}
const median = list => list.sort((a, b) => a - b)[list.length >> 1]

const server = await Server.start()
const folder = mkdtempSync(join(tmpdir(), 'classic-level-'))
const dbs = [new HoldfastLevel('bench', { address: process.env.TCP ? server.address : `unix:${server.socket}` }), new ClassicLevel(join(folder, 'db'))]
for (const db of dbs) await fill(db)
console.log('| a second | holdfast-level | classic-level | ratio |\n|---|---|---|---|')
const words = process.argv.slice(3)
for (const [name, work] of Object.entries(WORK)) {
  if (words.length > 0 && !words.some(word => name.includes(word))) continue
  const found = [[], []]
  for (let round = 0; round <= ROUNDS; round++) { // the first warms up
    for (const [i, db] of dbs.entries()) {
      const n = await work(db)
      if (round > 0) found[i].push(n)
    }
  }
  const [ours, theirs] = found.map(median)
  console.log(`| ${name} | ${Math.round(ours).toLocaleString('en')} | ${Math.round(theirs).toLocaleString('en')} | ${(ours / theirs).toFixed(2)} |`)
}
for (const db of dbs) await db.close()
await server.stop()
rmSync(folder, { recursive: true })
