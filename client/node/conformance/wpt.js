// The W3C's tests of IndexedDB over holdfast-indexeddb: node wpt.js ADDRESS FOLDER [REGEXP]. They are in no package of npm:
//   FIDB_GIT     a git directory of github.com/dumbmatter/fakeIndexedDB, which has a copy of the W3C's folder IndexedDB
//   HARNESS_GIT  a git directory of github.com/guybedford/es-module-shims, which has a testharness.js
// Each file runs in a process of its own (wpt-one.js).
import { execFileSync, fork } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [, , address, folder, only = ''] = process.argv
const { FIDB_GIT, HARNESS_GIT } = process.env
const SECONDS = 20
const one = fileURLToPath(new URL('wpt-one.js', import.meta.url))

// Files that need a browser.
const BROWSER = ['back-forward-cache-open-connection.window.js', 'back-forward-cache-open-transaction.window.js',
  'worker-termination-aborts-upgrade.window.js', 'blob-contenttype.any.js', 'database-names-by-origin.html', 'file_support.sub.html',
  'idb-partitioned-basic.sub.html', 'idb-partitioned-coverage.sub.html', 'idb-partitioned-persistence.sub.html', 'idb_webworkers.htm',
  'idbfactory-databases-opaque-origin.html', 'idbfactory-deleteDatabase-opaque-origin.html', 'idbfactory-open-opaque-origin.html',
  'idbfactory-origin-isolation.html', 'idbindex-cross-realm-methods.html', 'idbobjectstore-cross-realm-methods.html',
  'ready-state-destroyed-execution-context.html', 'serialize-sharedarraybuffer-throws.https.html', 'storage-buckets.https.any.js']

// Subtests that fail, and why; the package's README has them.
const KNOWN = {
  'Database readback sort - Array.length: 10,000 < Array.length: 10,001': 'a key has at most 4,096 bytes',
  ...('Float16Array' in globalThis ? {} : { 'Binary keys can be supplied using the view type Float16Array': 'this Node has no Float16Array' })
}

if (!FIDB_GIT || !HARNESS_GIT || !existsSync(FIDB_GIT) || !existsSync(HARNESS_GIT)) {
  console.log('# skipped: FIDB_GIT and HARNESS_GIT do not name the git directories that have the tests (conformance/wpt.js)')
  process.exit(0)
}

function prepare (stock) {
  rmSync(stock, { recursive: true, force: true })
  mkdirSync(stock, { recursive: true })
  const tests = 'src/test/web-platform-tests'
  const archive = execFileSync('git', ['-C', FIDB_GIT, 'archive', 'HEAD', `${tests}/IndexedDB`, `${tests}/idlharness`], { maxBuffer: 1 << 28 })
  execFileSync('tar', ['-x', '-C', stock, '--strip-components=3'], { input: archive })
  const harness = execFileSync('git', ['-C', HARNESS_GIT, 'show', 'HEAD:resources/testharness.js'], { encoding: 'utf8', maxBuffer: 1 << 26 })
  writeFileSync(join(stock, 'testharness.js'), harness.replace(/^\/\/ ADDITIONS:[^]*/m, ''))
  writeFileSync(join(stock, 'idlharness', 'package.json'), '{"type": "module"}\n')
}

function run (stock, file) {
  return new Promise(resolve => {
    const child = fork(one, [stock, file], { silent: true, env: { ...process.env, HOLDFAST_ADDRESS: address } })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', text => { output += text })
    child.stderr.setEncoding('utf8').on('data', text => { errors += text.slice(0, 2000) })
    const timer = setTimeout(() => child.kill('SIGKILL'), SECONDS * 1000)
    child.on('close', () => {
      clearTimeout(timer)
      resolve({ lines: output.split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line)), errors })
    })
  })
}

let number = 0
function tell (file, { test, status, message }) {
  const name = `${file}: ${test}`.replace(/\s+/g, ' ')
  if (status === 'PASS') console.log(`ok ${++number} ${name}`)
  else if (test in KNOWN) console.log(`# known: ${name}: ${KNOWN[test]}`)
  else {
    console.log(`not ok ${++number} ${name}\n  ${status}: ${message}`)
    process.exitCode = 1
  }
}

const stock = join(folder, 'stock')
prepare(stock)
const files = ['', 'crashtests'].flatMap(at => readdirSync(join(stock, 'IndexedDB', at)).sort()
  .filter(name => /\.(any|window)\.js$|\.html?$/.test(name)).map(name => join(at, name)))
for (const file of files) {
  if (BROWSER.includes(file) || !new RegExp(only).test(file)) continue
  const { lines, errors } = await run(stock, file)
  for (const line of lines) if ('test' in line) tell(file, line)
  if (lines.at(-1)?.harness !== 'OK') tell(file, { test: 'the harness', status: lines.at(-1)?.harness ?? 'ended early', message: lines.at(-1)?.message ?? errors })
}
