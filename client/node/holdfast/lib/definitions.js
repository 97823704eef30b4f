// definitions.js - whether a store or index that is there is the one that was asked for.
import { inspect, isDeepStrictEqual } from 'node:util'
import { local } from './errors.js'

// What counts where nothing is said.
const STORE = { key: null, generate: false, conflict: 'first-committer' }
const INDEX = { key: null, unique: false, multi: false, types: undefined, where: undefined }

// A key of one part may stand by itself, and {path} is the path; a path of several steps stays a list in a list.
function plainKey (key) {
  const parts = (Array.isArray(key) ? key : [key]).map(part =>
    typeof part === 'object' && part !== null && part.path !== undefined && (part.order ?? 'asc') === 'asc' ? part.path : part)
  return parts
}

const text = value => inspect(value, { breakLength: Infinity, depth: 10 })

function check (what, defaults, given, there) {
  for (const name of Object.keys(defaults)) {
    const wanted = given[name] ?? defaults[name]
    const is = there[name] ?? defaults[name]
    if (name === 'key' ? isDeepStrictEqual(plainKey(is), plainKey(wanted)) : isDeepStrictEqual(is, wanted)) continue
    throw local('EXISTS', `${what} is there with another definition: ${name} is ${text(is)}, not ${text(wanted)}`,
      { details: { option: name, is, wanted } })
  }
}

async function find (client, name) {
  const { stores } = await client.stores({ from: name, limit: 1 })
  return stores[0]?.name === name ? stores[0] : null
}

async function create (promise) {
  try {
    await promise
    return true
  } catch (error) {
    if (error.name !== 'EXISTS') throw error
    return false
  }
}

/** Create a store unless it is there already; true where it was created. */
export async function ensureStore (client, name, options = {}) {
  if (await create(client.createStore(name, options))) return true
  const store = await find(client, name)
  if (store !== null) check(`store "${name}"`, STORE, options, store)
  return false
}

/** The same of an index. */
export async function ensureIndex (client, name, index, options = {}) {
  if (await create(client.createIndex(name, index, options))) return true
  const there = (await find(client, name))?.indexes.find(i => i.name === index)
  if (there !== undefined) check(`index "${index}" of store "${name}"`, INDEX, options, there)
  return false
}
