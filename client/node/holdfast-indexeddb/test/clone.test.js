// Values: copied as structured clones, stored so that others can read them where that is exact.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from '../../holdfast/lib/codec.js'
import { clone, fromRecord, registerSerializable, toRecord } from '../lib/clone.js'

async function there (value) {
  const cloned = clone(value)
  const record = toRecord(cloned)
  if (cloned.blobs.length > 0) record.b = await Promise.all(cloned.blobs.map(async blob => new Uint8Array(await blob.arrayBuffer())))
  return { record, back: fromRecord(decode(encode(record))) }
}

test('clone: plain values are stored as MessagePack', async () => {
  const value = { name: 'ann', n: [1, -0.5, NaN, -0, null, true], at: new Date(5), bytes: new Uint8Array([1, 2]), 7: { __proto__: null, x: '😀' } }
  const { record, back } = await there(value)
  assert.ok('v' in record)
  assert.deepEqual(back, { ...value, 7: { x: '😀' } })
  assert.ok(Object.is(back.n[3], -0))
  assert.equal(back.bytes.constructor, Uint8Array)
  const { record: own } = await there(JSON.parse('{"__proto__": {"a": 1}}'))
  assert.deepEqual(Object.keys(own.v), ['__proto__'])
})

test('clone: everything else comes back as what it was', async () => {
  const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer
  const shared = { a: 1 }
  const value = {
    u: undefined, big: 10n ** 30n, hole: [1, , 3], extra: Object.assign([1], { x: 2 }), // eslint-disable-line no-sparse-arrays
    map: new Map([[{ k: 1 }, new Set(['a', shared])]]), re: /x/gi, invalid: new Date(NaN), n: Object(-0), s: Object('text'),
    view: new Uint16Array(buffer, 2, 2), data: new DataView(buffer, 1, 3), buffer, shared, half: '\ud800', error: new RangeError('far')
  }
  value.self = value
  const { record, back } = await there(value)
  assert.ok('x' in record)
  assert.deepEqual(back.map, value.map)
  for (const name of ['u', 'big', 'hole', 'extra', 're', 'n', 's', 'view', 'data', 'half']) assert.deepEqual(back[name], value[name], name)
  assert.ok(back.invalid instanceof Date && Number.isNaN(back.invalid.getTime()))
  assert.ok(!(1 in back.hole))
  assert.equal(back.self, back)
  assert.equal(back.view.buffer, back.buffer)
  assert.equal(back.data.byteOffset, 1)
  assert.equal([...back.map.values()][0].size, 2)
  assert.ok([...back.map.values()][0].has(back.shared))
  assert.ok(back.error instanceof RangeError)
  assert.equal(back.error.message, 'far')
})

test('clone: blobs and files with their bytes', async () => {
  const { back } = await there([new Blob(['abc'], { type: 'a/b' }), new File(['xy'], 'f.txt', { type: 'c/d', lastModified: 7 })])
  assert.equal(await back[0].text(), 'abc')
  assert.equal(back[0].type, 'a/b')
  assert.equal(await back[1].text(), 'xy')
  assert.deepEqual([back[1].name, back[1].type, back[1].lastModified], ['f.txt', 'c/d', 7])
})

test('clone: classes that are registered, one in another, and kept apart from what looks like them', async () => {
  class Point {
    constructor (x, next) { Object.assign(this, { x, next }) }
  }
  registerSerializable('test Point', Point, { encode: ({ x, next }) => ({ x, next }), decode: ({ x, next }) => new Point(x, next) })
  const point = new Point(1, new Point(2, null))
  const { back } = await there({ point, again: point, plain: { x: 1 } })
  assert.ok(back.point instanceof Point && back.point.next instanceof Point)
  assert.equal(back.again, back.point)
  assert.equal(back.plain.constructor, Object)
  const { back: exception } = await there(new DOMException('text', 'DataError'))
  assert.deepEqual([exception.name, exception.message], ['DataError', 'text'])
  assert.throws(() => registerSerializable('test Point', class {}, { encode () {}, decode () {} }), TypeError)
  class Other { a = 1 }
  assert.equal((await there(new Other())).back.constructor, Object)
})

test('clone: what cannot be cloned is refused, and errors of getters come out', () => {
  for (const value of [() => 1, Symbol('s'), new Event('x'), new MessageChannel(), new Proxy({}, {}), Promise.resolve(), new WeakMap(),
    new SharedArrayBuffer(1), new URL('a:b'), (function * () {})(), globalThis]) {
    assert.throws(() => clone({ value }), { name: 'DataCloneError' })
  }
  const detached = new ArrayBuffer(8)
  structuredClone(detached, { transfer: [detached] })
  assert.throws(() => clone(detached), { name: 'DataCloneError' })
  const error = new Error('from a getter')
  assert.throws(() => clone({ get a () { throw error } }), error)
  let reads = 0
  clone({ get a () { return ++reads } })
  assert.equal(reads, 1)
})

test('clone: random values are what structuredClone makes of them', async () => {
  let state = Number(process.env.SEED ?? 1)
  const next = n => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n
  const made = []
  const value = depth => {
    const kind = next(depth > 4 ? 8 : 15)
    switch (kind) {
      case 0: return next(1000) - 500
      case 1: return ['', 'a', 'é', '\ud800', '😀'][next(5)]
      case 2: return [true, false, null][next(3)]
      case 3: return next(20) === 0 ? undefined : next(1e6) / 7
      case 4: return new Date(next(1e9) * 1000 + next(1000))
      case 5: return new Uint8Array(next(10)).fill(next(256))
      case 6: return next(10) === 0 ? BigInt(next(1e9)) : 1
      case 7: return made.length > 0 && next(4) === 0 ? made[next(made.length)] : 'x'
      case 8: return new Map(Array.from({ length: next(3) }, () => [value(depth + 1), value(depth + 1)]))
      case 9: return new Set(Array.from({ length: next(3) }, () => value(depth + 1)))
      case 10: return new Float64Array([next(100), 0.5])
      default: {
        const container = next(2) === 0 ? [] : {}
        made.push(container)
        for (let n = next(5); n > 0; n--) container[Array.isArray(container) ? container.length : `k${next(9)}`] = value(depth + 1)
        return container
      }
    }
  }
  for (let i = 0; i < 500; i++) {
    made.length = 0
    const one = value(0)
    assert.deepStrictEqual((await there(one)).back, structuredClone(one))
  }
})
