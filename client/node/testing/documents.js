// documents.js - tests that each package has of its documents: its programs run as they stand, and npm packs what is needed.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Newcomer } from './newcomer.js'
import { noServer } from './server.js'

/**
 * Tests of a package on the server of `rig`: what the program of its README prints and what each example does,
 * and the files at its top that not every package has. Gives the folder in which they run.
 */
export function testDocuments (rig, name, { skip = noServer, readme, examples = {}, top = [] }) {
  const newcomer = new Newcomer()
  after(() => newcomer.remove())

  test(`documents: ${name}: the program in the README runs`, { skip }, async () => {
    const programs = newcomer.readme(name, rig.server.address)
    assert.equal(programs.length, 1)
    assert.equal(await newcomer.text(programs[0], rig.server.address), readme)
  })

  test(`documents: ${name}: the examples run`, { skip }, async () => {
    assert.deepEqual(newcomer.files(name, 'examples'), Object.keys(examples).sort())
    for (const [file, prints] of Object.entries(examples)) {
      assert.equal(await newcomer.example(name, file, rig.server.address), prints, file)
    }
  })

  test(`documents: ${name}: npm packs what is needed and no more, without a network`, async t => {
    const files = await newcomer.packed(name)
    if (files === null) return t.skip('npm is not installed')
    const folders = ['lib', 'examples'].flatMap(folder => newcomer.files(name, folder).map(file => `${folder}/${file}`))
    assert.deepEqual(files, ['LICENSE', 'README.md', 'index.d.ts', 'index.js', 'package.json', ...top, ...folders].sort())
  })

  return newcomer
}
