// Who reads one package's README after another's, and runs every program in them twice, on one server.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Newcomer, packages, root } from './newcomer.js'
import { serve } from './rig.js'
import { noServer } from './server.js'

const rig = serve()
const newcomer = new Newcomer()
after(() => newcomer.remove())

async function twice (what, run) {
  const prints = [await run(), await run()]
  assert.ok(prints[0].length > 0 && prints[0] === prints[1], `${what} prints ${prints.join(' and then ')}`)
}

for (const name of packages) {
  const skip = noServer || (name === 'holdfast-level' && !existsSync(join(root, 'node_modules', 'abstract-level')) &&
    'abstract-level is not installed (npm install in client/node)')
  test(`newcomer: all programs of ${name}, twice, beside those of the other packages`, { skip }, async () => {
    const { address } = rig.server
    for (const program of newcomer.readme(name, address)) await twice(program, () => newcomer.text(program, address))
    for (const file of newcomer.files(name, 'examples')) await twice(file, () => newcomer.example(name, file, address))
  })
}
