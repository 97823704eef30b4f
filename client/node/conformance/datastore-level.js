// interface-datastore's suite over datastore-level: node datastore-level.js ADDRESS FOLDER
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { HoldfastLevel } from '../holdfast-level/index.js'

const [, , address, folder] = process.argv
const own = name => import(pathToFileURL(join(folder, 'node_modules', name)))

// Of the build tool aegir the suite wants chai with these plugins.
const aegir = join(folder, 'node_modules', 'aegir')
mkdirSync(aegir, { recursive: true })
writeFileSync(join(aegir, 'package.json'), '{"name": "aegir", "type": "module", "exports": {"./chai": "./chai.js"}}\n')
writeFileSync(join(aegir, 'chai.js'), `
import chai from 'chai'
import promised from 'chai-as-promised'
import parentheses from 'chai-parentheses'
import subset from 'chai-subset'
import string from 'chai-string'
import bites from 'chai-bites'
for (const plugin of [promised, parentheses, subset, string, bites]) chai.use(plugin)
export const { expect, assert } = chai
`)
const { LevelDatastore } = await own('datastore-level/dist/src/index.js')
const { interfaceDatastoreTests } = await own('interface-datastore-tests/dist/src/index.js')
const Mocha = createRequire(join(folder, 'x.js'))('mocha')
const mocha = new Mocha({ reporter: 'tap', timeout: 30_000 })
let databases = 0

mocha.suite.emit('pre-require', globalThis, null, mocha)
globalThis.describe('datastore-level', () => interfaceDatastoreTests({
  async setup () {
    const store = new LevelDatastore(new HoldfastLevel(`datastore ${++databases}`,
      { address, keyEncoding: 'utf8', valueEncoding: 'view' }))
    await store.open()
    return store
  },
  teardown: store => store.close()
}))
mocha.run(failures => { process.exitCode = failures > 0 ? 1 : 0 })
