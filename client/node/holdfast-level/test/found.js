// found.js - the package with what it needs from elsewhere, or the reason to skip its tests.
import { noServer } from '../../testing/server.js'

export let HoldfastLevel
export let skip = noServer
try {
  ({ HoldfastLevel } = await import('../index.js'))
} catch (e) {
  if (e.code !== 'ERR_MODULE_NOT_FOUND') throw e
  skip = 'abstract-level is not installed (npm install in client/node)'
}
