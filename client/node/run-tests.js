// run-tests.js - the tests of all packages; the last line says how many passed and failed.
//
//     node run-tests.js [WORD]...      only files whose path has a WORD
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const words = process.argv.slice(2)
const workspaces = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).workspaces
// The packages find each other as `npm install` would have it, which nobody needs to run for this.
for (const name of workspaces) {
  const link = join(here, 'node_modules', name)
  if (existsSync(link)) continue
  mkdirSync(join(here, 'node_modules'), { recursive: true })
  symlinkSync(join('..', name), link)
}
const files = []
for (const folder of [...workspaces, 'testing']) {
  const tests = join(here, folder, folder === 'testing' ? '.' : 'test')
  if (!existsSync(tests)) continue
  for (const name of readdirSync(tests).sort()) {
    const path = join(tests, name)
    if (name.endsWith('.test.js') && (words.length === 0 || words.some(word => path.includes(word)))) files.push(path)
  }
}

const counts = { passed: 0, failed: 0, skipped: 0 }
const stream = run({ files, concurrency: 2, timeout: 240_000 })
const isWhole = data => data.details?.type !== 'suite' && !files.includes(data.name)
stream.on('test:pass', data => {
  if (!isWhole(data)) return
  const isSkipped = data.skip !== undefined
  counts[isSkipped ? 'skipped' : 'passed']++
  const seconds = (data.details.duration_ms / 1000).toFixed(1)
  console.log(`${('node: ' + data.name).padEnd(70)} ${isSkipped ? 'skipped: ' + data.skip : `ok (${seconds} s)`}`)
})
stream.on('test:fail', data => {
  // A suite or file fails with the tests in it, unless it has failed by itself.
  const error = data.details.error
  if (error?.failureType === 'subtestsFailed') return
  counts.failed++
  console.log(`${('node: ' + data.name).padEnd(70)} FAILED`)
  console.log(error?.cause?.stack ?? error?.cause ?? error)
})
stream.on('test:stderr', data => process.stderr.write(data.message))
stream.on('test:stdout', data => process.stderr.write(data.message))
await new Promise(resolve => stream.on('end', resolve).resume())
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`)
process.exit(counts.failed > 0 || counts.passed + counts.skipped === 0 ? 1 : 0)
