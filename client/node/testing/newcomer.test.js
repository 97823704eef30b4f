// Who reads one package's README after another's, and runs every program in them twice, on one server.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { noServer, Server } from './server.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const packages = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces
let server
let folder

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-newcomer-'))
  mkdirSync(join(folder, 'node_modules'))
  for (const name of packages) symlinkSync(join(root, name), join(folder, 'node_modules', name))
  if (!noServer) server = await Server.start()
})

after(async () => {
  rmSync(folder, { recursive: true })
  await server?.stop()
})

function programs (name) {
  const list = []
  const readme = readFileSync(join(root, name, 'README.md'), 'utf8')
  for (const [i, [, program]] of [...readme.matchAll(/```js\n(.*?)```/gs)].entries()) {
    const path = join(folder, `${name}-${i}.mjs`)
    writeFileSync(path, program.replace('holdfast://127.0.0.1:4653', server.address))
    list.push(path)
  }
  const examples = join(root, name, 'examples')
  if (existsSync(examples)) for (const file of readdirSync(examples).sort()) list.push(join(examples, file))
  return list
}

for (const name of packages) {
  const skip = noServer || (name === 'holdfast-level' && !existsSync(join(root, 'node_modules', 'abstract-level')) &&
    'abstract-level is not installed (npm install in client/node)')
  test(`newcomer: all programs of ${name}, twice, beside those of the other packages`, { skip }, async () => {
    for (const path of programs(name)) {
      const prints = []
      for (let i = 0; i < 2; i++) {
        const { stdout, stderr } = await run(process.execPath, [path, server.address],
          { cwd: folder, timeout: 60_000, env: { ...process.env, HOLDFAST_ADDRESS: server.address } })
        assert.equal(stderr, '', path)
        prints.push(stdout)
      }
      assert.ok(prints[0].length > 0 && prints[0] === prints[1], `${path} prints ${prints.join(' and then ')}`)
    }
  })
}
