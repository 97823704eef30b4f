// level.js - holdfast-level beside classic-level, on one machine: node bench/level.js ADDRESS [classic-level's module]
import { createRequire } from 'node:module'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HoldfastLevel } from 'holdfast-level'

const address = process.argv[2]
const classic = process.argv[3] && createRequire(import.meta.url)(process.argv[3]).ClassicLevel
const RECORDS = 100_000
const key = i => 'key' + String(i).padStart(8, '0')
const random = n => Math.floor(Math.random() * n)

async function wide (width, ms, work) {
  let done = 0
  const until = performance.now() + ms
  const begun = performance.now()
  await Promise.all(Array.from({ length: width }, async () => {
    while (performance.now() < until) done += await work()
  }))
  return done / (performance.now() - begun) * 1000
}

const one = async promise => { await promise; return 1 }

async function measure (db) {
  for (let i = 0; i < RECORDS; i += 1000) {
    await db.batch(Array.from({ length: 1000 }, (_, j) => ({ type: 'put', key: key(i + j), value: 'v'.repeat(100) })))
  }
  const ms = Number(process.env.MS ?? 3000)
  const rows = {}
  for (let round = 0; round < 2; round++) { // the first warms up
    rows['iterators of ten rows, 16 wide, a second'] = await wide(16, ms, () => one(db.iterator({ gte: key(random(RECORDS - 10)), limit: 10 }).all()))
    rows['gets, 64 wide, a second'] = await wide(64, ms, () => one(db.get(key(random(RECORDS)))))
    rows['batches of 100 with sync, 16 wide, a second'] = await wide(16, ms, () => one(db.batch(
      Array.from({ length: 100 }, () => ({ type: 'put', key: key(random(RECORDS)), value: 'w'.repeat(100) })), { sync: true })))
    rows['rows of a whole iteration, a second'] = await wide(1, ms, async () => {
      let n = 0
      for await (const _ of db.iterator()) n++ // eslint-disable-line no-unused-vars
      return n
    })
  }
  return rows
}

const ours = new HoldfastLevel('bench ' + process.pid, { address })
await ours.open()
const mine = await measure(ours)
await ours.close()
await HoldfastLevel.destroy('bench ' + process.pid, { address })
let theirs = {}
if (classic) {
  const folder = mkdtempSync(join(tmpdir(), 'classic-level-'))
  const db = new classic(join(folder, 'db')) // eslint-disable-line new-cap
  await db.open()
  theirs = await measure(db)
  await db.close()
  rmSync(folder, { recursive: true })
}
for (const [name, value] of Object.entries(mine)) {
  const other = theirs[name]
  console.log(`${name.padEnd(48)} ${Math.round(value).toLocaleString('en').padStart(10)}` +
    (other ? ` classic-level ${Math.round(other).toLocaleString('en').padStart(10)}  ratio ${(value / other).toFixed(2)}` : ''))
}
