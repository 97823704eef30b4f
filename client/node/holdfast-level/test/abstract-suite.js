// abstract-level's own suite, for conformance.js: node abstract-suite.js ADDRESS FILE-BESIDE-TAPE
import { createRequire } from 'node:module'
import { HoldfastLevel } from '../index.js'

const [, , address, beside] = process.argv
const test = createRequire(beside)('tape')
const suite = createRequire(import.meta.url)('abstract-level/test')
let databases = 0

suite({ test, factory: options => new HoldfastLevel(`suite ${++databases}`, { ...options, address }) })
