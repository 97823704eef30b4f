// address.js - where a server is, and which of its databases is meant.
import { local } from './errors.js'

export const PORT = 4653

/**
 * `holdfast://[USER@]HOST[:PORT][/DATABASE]`, `HOST[:PORT]`, `holdfast+unix:PATH[?database=NAME]` or
 * `unix:PATH[?database=NAME]`; nothing is `holdfast://127.0.0.1:4653/main`.
 * Gives `{path, database}` or `{host, port, database}`, with `user` if one is named, and `tls: true` of
 * `holdfast+tls://...` or `tls://...`.
 */
export function parseAddress (address = '') {
  if (typeof address !== 'string') throw bad(String(address), 'expected a text')
  const unix = /^(?:holdfast\+)?unix:(?:\/\/(?=\/))?(.*)$/s.exec(address)
  if (unix) return parseUnix(address, unix[1])
  const text = /^tls:\/\//i.test(address) ? 'holdfast+' + address : /^[a-z+]+:\/\//i.test(address) ? address : `holdfast://${address || '127.0.0.1'}`
  return parseTcp(address, text)
}

function parseUnix (address, rest) {
  const query = rest.indexOf('?')
  const path = decode(address, query < 0 ? rest : rest.slice(0, query))
  if (path === '') throw bad(address, 'expected the path of a socket')
  return { path, database: parseQuery(address, query < 0 ? '' : rest.slice(query + 1)) }
}

function parseTcp (address, text) {
  let url
  try {
    url = new URL(text)
  } catch {
    throw bad(address, 'expected holdfast://HOST:PORT/DATABASE')
  }
  const isTls = url.protocol === 'holdfast+tls:'
  if (url.protocol !== 'holdfast:' && !isTls) {
    throw bad(address, `unknown scheme "${url.protocol}"; expected holdfast:, holdfast+tls: or holdfast+unix:`)
  }
  if (url.password !== '') throw bad(address, 'a password has no place in an address; give it as the option password')
  if (url.hash !== '') throw bad(address, 'unexpected "#"')
  const path = decode(address, url.pathname.replace(/^\//, ''))
  const named = parseQuery(address, url.search.slice(1))
  return {
    ...(isTls ? { tls: true } : {}),
    ...(url.username === '' ? {} : { user: decode(address, url.username) }),
    host: url.hostname.replace(/^\[(.*)\]$/, '$1') || '127.0.0.1',
    port: url.port === '' ? PORT : Number(url.port),
    database: named ?? (path === '' ? undefined : path)
  }
}

function parseQuery (address, query) {
  let database
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== 'database') throw bad(address, `unknown parameter "${name}"; expected database`)
    database = value
  }
  return database
}

function decode (address, text) {
  try {
    return decodeURIComponent(text)
  } catch {
    throw bad(address, 'malformed % escape')
  }
}

function bad (address, why) {
  return local('MISUSE', `invalid address "${address}": ${why}`)
}
