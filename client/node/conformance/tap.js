// tap.js - for flows of our own through packages of others: each check prints a line of TAP.
import { isDeepStrictEqual } from 'node:util'

let number = 0

export function same (got, expected, what) {
  const isSame = isDeepStrictEqual(got, expected)
  console.log(`${isSame ? 'ok' : 'not ok'} ${++number} ${what}`)
  if (isSame) return
  console.log('  got', got, 'expected', expected)
  process.exitCode = 1
}
