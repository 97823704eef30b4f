// The README's program and the examples run as they stand; the package can be packed without a network.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { noServer, Server } from '../../testing/server.js'

const run = promisify(execFile)
const here = fileURLToPath(new URL('..', import.meta.url))
let server
let folder

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-documents-'))
  if (!noServer) server = await Server.start()
})

after(async () => {
  rmSync(folder, { recursive: true })
  await server?.stop()
})

const EXAMPLES = {
  'bank-transfer.js': '5 accounts have 500\nrefused: NotEnough\n',
  'job-queue.js': '20 jobs done, 0 left\n',
  'unique-email.js': 'Ann has number 1\nBen: ann@x.org belongs to number 1\n1 of 10 at once got cyd@x.org\nAnn\n',
  'paging.js': '24 23 22 21 20 19 18 17 16 15\n14 13 12 11 10 9 8 7 6 5\n4 3 2 1 0\n'
}

for (const [name, prints] of Object.entries(EXAMPLES)) {
  test(`documents: the example ${name} runs`, { skip: noServer }, async () => {
    const { stdout } = await run(process.execPath, [join(here, 'examples', name), server.address], { timeout: 60_000 })
    assert.equal(stdout, prints)
  })
}

test('documents: the program in the README runs', { skip: noServer }, async () => {
  const readme = readFileSync(join(here, 'README.md'), 'utf8')
  const program = /```js\n(.*?)```/s.exec(readme)[1].replace('holdfast://127.0.0.1:4653', server.address)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(here, join(folder, 'node_modules', 'holdfast'))
  writeFileSync(join(folder, 'program.mjs'), program)
  const { stdout } = await run(process.execPath, [join(folder, 'program.mjs')], { timeout: 60_000 })
  assert.equal(stdout, 'ann 2\n')
})

test('documents: npm packs what is needed and no more, without a network', async t => {
  let packed
  try {
    packed = await run('npm', ['pack', '--offline', '--json', '--pack-destination', folder], { cwd: here, timeout: 60_000 })
  } catch (e) {
    if (e.code === 'ENOENT') return t.skip('there is no npm')
    throw e
  }
  const files = JSON.parse(packed.stdout)[0].files.map(file => file.path).sort()
  assert.deepEqual(files.filter(name => !/^(lib|examples)\//.test(name)),
    ['LICENSE', 'README.md', 'index.d.ts', 'index.js', 'package.json'])
  for (const name of ['lib/client.js', 'examples/paging.js']) assert.ok(files.includes(name))
})

test('documents: the types are what programs in TypeScript need', async t => {
  const root = join(here, '..')
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(tsc)) return t.skip('typescript is not installed (npm install in client/node)')
  await run(process.execPath, [tsc, '-p', 'tsconfig.json'], { cwd: root, timeout: 120_000 })
    .catch(e => assert.fail(e.stdout))
})
