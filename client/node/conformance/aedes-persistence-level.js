// aedes' suite of persistences over aedes-persistence-level: node aedes-persistence-level.js ADDRESS FOLDER
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [, , address, folder] = process.argv
const level = fileURLToPath(new URL('../holdfast-level/index.js', import.meta.url))

// It runs on node:test, which is to print TAP.
writeFileSync(join(folder, 'suite.cjs'), `
const test = require('node:test')
const persistence = require('aedes-persistence-level')
const suite = require('aedes-persistence/abstract')
const { HoldfastLevel } = require(${JSON.stringify(level)})
let databases = 0
suite({ test, persistence: () => persistence(new HoldfastLevel('aedes ' + ++databases, { address: ${JSON.stringify(address)} })) })
`)
const done = spawnSync(process.execPath, ['--test-reporter=tap', join(folder, 'suite.cjs')], { stdio: 'inherit' })
process.exit(done.status ?? 1)
