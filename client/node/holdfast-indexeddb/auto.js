// auto.js - `import 'holdfast-indexeddb/auto'` puts indexedDB and its classes on globalThis.
import * as all from './index.js'

for (const [name, value] of Object.entries(all)) {
  if (!/^(IDB|DOM)/.test(name) || (name === 'DOMStringList' && name in globalThis)) continue
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true })
}
const accessor = {
  get indexedDB () {
    if (this !== undefined && this !== null && this !== globalThis) throw new TypeError('Illegal invocation')
    return all.indexedDB
  }
}
Object.defineProperty(globalThis, 'indexedDB', { ...Object.getOwnPropertyDescriptor(accessor, 'indexedDB'), set: undefined })
