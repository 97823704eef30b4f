// abstract-level's own suite: node abstract-level.js ADDRESS FOLDER
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { HoldfastLevel } from '../holdfast-level/index.js'

const [, , address, folder] = process.argv
const test = createRequire(join(folder, 'x.js'))('tape')
// The copy that holdfast-level itself uses: the suite looks for its classes.
const suite = createRequire(new URL('../holdfast-level/index.js', import.meta.url))('abstract-level/test')
let databases = 0

suite({ test, factory: options => new HoldfastLevel(`suite ${++databases}`, { ...options, address }) })
