// Keyv's suite over a store that keeps its values in holdfast-level: node keyv.js ADDRESS FOLDER
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [, , address, folder] = process.argv
const level = fileURLToPath(new URL('../holdfast-level/index.js', import.meta.url))

writeFileSync(join(folder, 'package.json'), '{"private": true, "type": "module"}\n')
writeFileSync(join(folder, 'store.test.js'), `
import { EventEmitter } from 'node:events'
import * as test from 'vitest'
import Keyv from 'keyv'
import suite from '@keyv/test-suite'
import { HoldfastLevel } from ${JSON.stringify(level)}

const within = namespace => namespace === undefined ? {} : { gte: namespace + ':', lt: namespace + ';' }

class Store extends EventEmitter {
  ttlSupport = false
  opts = { dialect: 'holdfast', url: 'holdfast:' }
  level = new HoldfastLevel('keyv', { address: ${JSON.stringify(address)} })

  get (key) { return this.level.get(key) }
  getMany (keys) { return this.level.getMany(keys) }
  has (key) { return this.level.has(key) }
  async set (key, value) { await this.level.put(key, value) }
  async delete (key) {
    const was = await this.level.has(key)
    await this.level.del(key)
    return was
  }

  async deleteMany (keys) {
    const were = await this.level.hasMany(keys)
    await this.level.batch(keys.map(key => ({ type: 'del', key })))
    return were.some(Boolean)
  }

  async clear () { await this.level.clear(within(this.namespace)) }
  iterator (namespace) { return this.level.iterator(within(namespace)) }
  async disconnect () { await this.level.close() }
}

suite(test, Keyv, () => new Store())
`)
const done = spawnSync(process.execPath, [join(folder, 'node_modules', 'vitest', 'vitest.mjs'), 'run', '--reporter=tap-flat', '--root', folder],
  { cwd: folder, stdio: 'inherit' })
process.exit(done.status ?? 1)
