// node wpt-one.js STOCK FILE: one file of the W3C's tests of IndexedDB in this process, with the real testharness.js in its
// shell environment. Prints a line of JSON for each subtest as it ends, and one with `harness` at the end.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import vm from 'node:vm'

const [stock, file] = [path.resolve(process.argv[2]), process.argv[3]]
const folder = path.join(stock, 'IndexedDB')
const say = x => process.stdout.write(JSON.stringify(x) + '\n')
const script = (name, text = readFileSync(name, 'utf8')) => vm.runInThisContext(text, { filename: name })

// ---- what a browser has and Node has not ----
const listeners = { error: [], unhandledrejection: [] } // of the window
globalThis.self = globalThis.window = globalThis
globalThis.location = { pathname: '/' + file, search: '', href: 'file:///' + file, toString () { return this.href } }
globalThis.addEventListener = (type, f) => { (listeners[type] ||= []).push(f) }
globalThis.removeEventListener = (type, f) => { listeners[type] = (listeners[type] || []).filter(g => g !== f) }
function report (type, detail) {
  let prevented = false
  if (!listeners[type].length) { console.error(detail); process.exit(70) } // the harness is not up yet
  const e = { type, message: String(detail?.message ?? detail), error: detail, reason: detail, filename: file, lineno: 0, colno: 0, preventDefault () { prevented = true } }
  for (const f of listeners[type].slice()) f.call(globalThis, e)
  return prevented
}
process.on('uncaughtException', e => report('error', e))
process.on('unhandledRejection', e => report('unhandledrejection', e))
globalThis.reportError = e => report('error', e) // an implementation may call it for what a listener threw
globalThis.FileReader ??= class FileReader {
  readAsArrayBuffer (blob) { this.#read(blob.arrayBuffer()) }
  readAsText (blob) { this.#read(blob.text()) }
  #read (p) { p.then(x => { this.result = x; this.onload?.({ target: this }); this.onloadend?.({ target: this }) }, e => { this.error = e; this.onerror?.({ target: this }); this.onloadend?.({ target: this }) }) }
}
// Serializable platform objects that structured-clone.any.js wants; what registerSerializable is told of.
class Platform { constructor () { for (const p of ['a', 'b', 'c']) this[p] = Math.random() } }
globalThis.__platformObjects = {}
for (const name of ['DOMMatrix', 'DOMMatrixReadOnly', 'DOMPoint', 'DOMPointReadOnly', 'DOMRect', 'DOMRectReadOnly', 'ImageData']) {
  if (name in globalThis) continue
  const C = { [name]: class extends Platform {} }[name]
  if (name === 'ImageData') C.prototype.constructor = C
  globalThis[name] = globalThis.__platformObjects[name] = name === 'ImageData'
    ? class ImageData extends Platform { constructor (w, h) { super(); this.width = w; this.height = h; this.data = new Uint8ClampedArray(4 * (w || 1) * (h || 1)) } }
    : C
}

// ---- the implementation ----
await import('../holdfast-indexeddb/auto.js')
const { closeFactory, indexedDB, registerSerializable } = await import('../holdfast-indexeddb/index.js')
for (const [name, Class] of Object.entries(globalThis.__platformObjects)) {
  registerSerializable(name, Class, { encode: object => ({ ...object }), decode: fields => Object.assign(Object.create(Class.prototype), fields) })
}
globalThis.postMessage ??= x => { structuredClone(x) }

// ---- the harness ----
const harness = readFileSync(path.join(stock, 'testharness.js'), 'utf8')
const source = file.endsWith('.js') ? readFileSync(path.join(folder, file), 'utf8') : null
const meta = source ? [...source.matchAll(/^\/\/\s*META:\s*(\w+)=(.+)$/gm)].map(m => [m[1], m[2].trim()]) : []
globalThis.META_TITLE = meta.find(m => m[0] === 'title')?.[1]
if (globalThis.META_TITLE) globalThis.title = globalThis.META_TITLE
const STATUS = ['PASS', 'FAIL', 'TIMEOUT', 'NOTRUN', 'PRECONDITION_FAILED']
let over = false
const documentStub = { // just enough for key_invalid and structured-clone
  getElementsByTagName: () => Math,
  createElement: () => ({ files: [{ name: 'foo.txt' }] })
}
globalThis.subsetTest = (f, ...args) => f(...args)
if (file.startsWith('idlharness')) {
  globalThis.Window ??= function Window () {}
  await import(path.join(stock, 'idlharness/webidl2.js'))
  await import(path.join(stock, 'idlharness/idlharness.js'))
}

// ---- the test: its scripts and itself, each a classic script; in one turn of the loop, as a page would ----
const texts = []
if (source) {
  for (const [k, v] of meta) if (k === 'script' && !v.startsWith('/')) texts.push([v, readFileSync(path.join(path.dirname(path.join(folder, file)), v), 'utf8')])
  texts.push([file, source])
} else {
  const html = readFileSync(path.join(folder, file), 'utf8')
  for (const m of html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)) {
    const src = /src=["']?([^"'\s>]+)/.exec(m[1])?.[1]
    if (!src) texts.push([file, m[2]])
    else if (!src.startsWith('/')) texts.push([src, readFileSync(path.join(path.dirname(path.join(folder, file)), src), 'utf8')])
  }
}
setTimeout(() => { // away from the import's promise job, harness and test in one go: its shell takes all as loaded a microtask later
  script('testharness.js', harness)
  add_result_callback(t => say({ test: t.name, status: STATUS[t.status], message: t.message ?? undefined }))
  add_completion_callback((tests, status) => {
    over = true
    say({ harness: ['OK', 'ERROR', 'TIMEOUT', 'PRECONDITION_FAILED'][status.status], message: status.message ?? undefined, tests: tests.length })
    setTimeout(() => closeFactory(indexedDB).finally(() => process.exit(0)), 20)
  })
  process.on('exit', () => { if (!over) say({ harness: 'STOPPED' }) }) // nothing left to wait for, yet tests not done
  globalThis.document = documentStub
  try { for (const [name, text] of texts) script(name, text) } catch (e) { report('error', e) }
}, 0)
