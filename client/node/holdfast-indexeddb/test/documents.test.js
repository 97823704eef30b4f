// The README's program and the examples run as they stand; the package can be packed without a network.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
  'library.js': 'by Fred: Quarry Memories (1971), Water Buffaloes (1983)\npage: Bedrock Nights, Water Buffaloes\npage: Quarry Memories\n' +
    'refused: ConstraintError\nleft: 234567 345678\n',
  'queue.js': '20 jobs done, 20 different ones\n'
}

for (const [name, prints] of Object.entries(EXAMPLES)) {
  test(`documents: indexeddb: the example ${name} runs`, { skip: noServer }, async () => {
    const { stdout } = await run(process.execPath, [join(here, 'examples', name), server.address], { timeout: 60_000 })
    assert.equal(stdout, prints)
  })
}

test('documents: indexeddb: the program in the README runs, and others read its records as it says', { skip: noServer }, async () => {
  const readme = readFileSync(join(here, 'README.md'), 'utf8')
  await run(process.execPath, ['--input-type=module', '-e', `
    import { closeFactory, createFactory } from ${JSON.stringify(join(here, 'index.js'))}
    const factory = createFactory({ address: ${JSON.stringify(server.address)} })
    factory.deleteDatabase('library').onsuccess = () => closeFactory(factory)`])
  const program = /```js\n(.*?)```/s.exec(readme)[1].replace('holdfast://127.0.0.1:4653', server.address)
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(here, join(folder, 'node_modules', 'holdfast-indexeddb'))
  writeFileSync(join(folder, 'program.mjs'), program)
  const { stdout } = await run(process.execPath, [join(folder, 'program.mjs')], { timeout: 60_000 })
  assert.equal(stdout, "[ 'Quarry Memories', 'Water Buffaloes' ]\n")
})

test('documents: indexeddb: npm packs what is needed and no more, without a network', async t => {
  let packed
  try {
    packed = await run('npm', ['pack', '--offline', '--json', '--pack-destination', folder], { cwd: here, timeout: 60_000 })
  } catch (e) {
    if (e.code === 'ENOENT') return t.skip('there is no npm')
    throw e
  }
  const files = JSON.parse(packed.stdout)[0].files.map(file => file.path).sort()
  assert.deepEqual(files.filter(name => !/^(lib|examples)\//.test(name)),
    ['LICENSE', 'README.md', 'auto.d.ts', 'auto.js', 'index.d.ts', 'index.js', 'package.json'])
  for (const name of ['lib/factory.js', 'examples/library.js']) assert.ok(files.includes(name))
})
