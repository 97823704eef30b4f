// run.js - the suites of others over these packages. What they need is fetched with npm into
// build/conformance; a suite that cannot be had counts as skipped. Prints one table.
//
//     HOLDFASTD=... node conformance/run.js [WORD]...
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noServer, Server } from '../testing/server.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const folder = join(here, '..', '..', '..', 'build', 'conformance')
const LIMIT_MS = 600_000

// name: [file here, packages from npm that it needs, assertions that there are]. A file gets the server's
// address and the folder with the packages, and prints TAP.
const SUITES = {
  'abstract-level 3.1.1': ['abstract-level.js', ['tape@5.9.0'], 4706],
  'datastore-level 13.0.1': ['datastore-level.js', ['datastore-level@13.0.1', 'interface-datastore-tests@7.0.1', 'mocha@11', 'chai@4',
    'chai-as-promised@7', 'chai-parentheses@0.0.2', 'chai-subset@1', 'chai-string@1', 'chai-bites@0.3'], 42],
  'aedes-persistence-level 9.2.0': ['aedes-persistence-level.js', ['aedes-persistence-level@9.2.0', 'mqemitter@7'], 50],
  'keyv 5.5.5': ['keyv.js', ['keyv@5.5.5', '@keyv/test-suite@2.1.2', 'vitest@4'], 38],
  'y-leveldb 0.2.0, flows': ['y-leveldb.js', ['y-leveldb@0.2.0', 'yjs@13'], 9],
  'PouchDB 9.0.0, flows': ['pouchdb.js', ['pouchdb-adapter-leveldb-core@9.0.0', 'pouchdb-core@9.0.0', 'pouchdb-replication@9.0.0',
    'abstract-leveldown@6.2.3'], 15],
  "IndexedDB, the W3C's": ['wpt.js', [], 1521],
  'Dexie, idb, idb-keyval, localForage, flows': ['indexeddb-users.js', ['dexie@4.4.7', 'idb@8', 'idb-keyval@6', 'localforage@1'], 46],
  'Memento 0.1.51': ['memento.js', ['memento@0.1.51', 'proof@9.0.2', 'perhaps@0.0.13', 'destructible@7.0.0-alpha.72',
    'extant@2.0.0-alpha.5', 'interrupt@11.0.0-alpha.26'], 100]
}

function run (program, args, options) {
  return new Promise(resolve => {
    let output = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const take = text => { output += text }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', error => { output += error.message })
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })
}

const npm = (args, cwd) => run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', ...args], { cwd })

async function runSuite (name, server) {
  const [file, packages, expected] = SUITES[name]
  const where = join(folder, file.replace('.js', ''))
  mkdirSync(where, { recursive: true })
  writeFileSync(join(where, 'package.json'), '{"private": true}\n')
  const got = await npm(packages, where)
  if (got.code !== 0) return { skipped: 'npm cannot fetch it: ' + got.output.trim().split('\n').pop() }
  const { code, output } = await run(process.execPath, [join(here, file), server.address, where], { cwd: where })
  const skipped = /^# skipped: (.*)$/m.exec(output)
  if (skipped) return { skipped: skipped[1] }
  const passed = output.match(/^ok\b/gm)?.length ?? 0
  const failed = output.match(/^not ok\b/gm)?.length ?? 0
  const known = output.match(/^# known:/gm)?.length ?? 0 // what fails for a reason that its package's README names
  const missing = Math.max(0, expected - passed - failed - known)
  const bad = failed + missing > 0 ? failed + missing : code !== 0 ? 1 : 0
  if (bad > 0) writeFileSync(join(where, 'output.txt'), output)
  return { passed, failed: bad, known }
}

const words = process.argv.slice(2)
const names = Object.keys(SUITES).filter(name => words.length === 0 || words.some(word => name.includes(word)))
const total = { passed: 0, failed: 0, skipped: 0 }
if (noServer) console.log(noServer)
else {
  const ready = await npm([], join(here, '..'))
  if (ready.code !== 0) console.log('npm install: ' + ready.output.trim().split('\n').pop())
  for (const name of names) {
    const server = await Server.start()
    const { passed = 0, failed = 0, known = 0, skipped } = await runSuite(name, server)
    await server.stop()
    total.passed += passed
    total.failed += failed
    if (skipped) total.skipped++
    console.log(`${name.padEnd(44)} ${skipped ? `skipped: ${skipped}` : `${String(passed).padStart(6)} of ${passed + failed + known}${known ? `, ${known} known to fail` : ''}`}`)
  }
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 ? 1 : 0)
