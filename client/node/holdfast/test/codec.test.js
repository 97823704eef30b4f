// What every value becomes on the wire, byte for byte, and that it comes back as it was.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, DecodeError, encode, EncodeError, Ext, Timestamp } from '../index.js'
import { Decoder } from '../lib/codec.js'

const text = (n, letter = 'a') => letter.repeat(n)
const utf8 = s => Buffer.from(s).toString('hex')

// value, bytes in hex, and what it reads as where that is not the value itself
const GOLDEN = [
  [null, 'c0'], [false, 'c2'], [true, 'c3'],
  [0, '00'], [127, '7f'], [128, 'cc80'], [255, 'ccff'], [256, 'cd0100'], [65535, 'cdffff'], [65536, 'ce00010000'],
  [4294967295, 'ceffffffff'], [4294967296, 'cf0000000100000000'],
  [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
  [-1, 'ff'], [-32, 'e0'], [-33, 'd0df'], [-128, 'd080'], [-129, 'd1ff7f'], [-32768, 'd18000'],
  [-32769, 'd2ffff7fff'], [-2147483648, 'd280000000'], [-2147483649, 'd3ffffffff7fffffff'],
  [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
  [-0, 'cb8000000000000000'], [1.5, 'cb3ff8000000000000'], [Infinity, 'cb7ff0000000000000'],
  [-Infinity, 'cbfff0000000000000'], [NaN, 'cb7ff8000000000000'], [2 ** 53, 'cb4340000000000000'],
  [2 ** 70, 'cb4450000000000000'], [5e-324, 'cb0000000000000001'],
  [5n, '05', 5], [-5n, 'fb', -5], [2n ** 53n, 'cf0020000000000000'], [-(2n ** 53n), 'd3ffe0000000000000'],
  [2n ** 63n - 1n, 'cf7fffffffffffffff'], [2n ** 64n - 1n, 'cfffffffffffffffff'],
  [-(2n ** 63n), 'd38000000000000000'],
  ['', 'a0'], ['a', 'a161'], [text(24), 'b8' + utf8(text(24))], [text(25), 'b9' + utf8(text(25))],
  [text(31), 'bf' + utf8(text(31))], [text(32), 'd920' + utf8(text(32))], [text(255), 'd9ff' + utf8(text(255))],
  [text(256), 'da0100' + utf8(text(256))], [text(65536), 'db00010000' + utf8(text(65536))],
  ['ä', 'a2c3a4'], [text(16, 'ä'), 'd920' + utf8(text(16, 'ä'))], ['😀', 'a4f09f9880'], ['\0\ufeff', 'a400efbbbf'],
  [Buffer.alloc(0), 'c400'], [Buffer.from([1, 2]), 'c4020102'], [Buffer.alloc(256), 'c50100' + '00'.repeat(256)],
  [Buffer.alloc(65536), 'c600010000' + '00'.repeat(65536)],
  [new Uint8Array([7]), 'c40107', Buffer.from([7])], [new Uint16Array([1]), 'c4020100', Buffer.from([1, 0])],
  [new Uint8Array([7]).buffer, 'c40107', Buffer.from([7])], [new DataView(new ArrayBuffer(1)), 'c40100', Buffer.from([0])],
  [[], '90'], [[1, [2]], '92019102'], [Array(16).fill(0), 'dc0010' + '00'.repeat(16)],
  [Array(65536).fill(0), 'dd00010000' + '00'.repeat(65536)],
  [{}, '80'], [{ a: 1 }, '81a16101'],
  [new Map([[1, 2], ['a', [3]]]), '820102a1619103'], [new Map([['a', 1]]), '81a16101', { a: 1 }],
  [new Date(0), 'd6ff00000000'], [new Date(4294967295000), 'd6ffffffffff'], [new Date(1), 'd7ff003d090000000000'],
  [new Date(4294967296000), 'd7ff0000000100000000'], [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
  [new Timestamp(1, 1), 'd7ff0000000400000001'], [new Timestamp(-5, 7), 'c70cff00000007fffffffffffffffb'],
  [new Timestamp(2n ** 62n, 0), 'c70cff000000004000000000000000'],
  [new Timestamp(3, 0), 'd6ff00000003', new Date(3000)],
  [new Ext(5, [9]), 'd40509'], [new Ext(-2, [1, 2, 3]), 'c703fe010203'], [new Ext(1, Buffer.alloc(16)), 'd801' + '00'.repeat(16)],
  [new Ext(1, Buffer.alloc(300)), 'c8012c01' + '00'.repeat(300)]
]

test('codec: values have their bytes, and come back', () => {
  for (const [value, hex, back] of GOLDEN) {
    assert.equal(encode(value).toString('hex'), hex, String(value))
    assert.deepEqual(decode(Buffer.from(hex, 'hex')), back === undefined ? value : back)
  }
  assert.deepEqual(decode(encode(new Date(8.64e15))), new Date(8.64e15))
  assert.deepEqual(decode(encode(new Date(-8.64e15))), new Date(-8.64e15))
})

test('codec: forms that only others write are read', () => {
  const forms = [['ca3fc00000', 1.5], ['cc05', 5], ['cd0005', 5], ['ce00000005', 5], ['cf0000000000000005', 5],
    ['d005', 5], ['d10005', 5], ['d200000005', 5], ['d30000000000000005', 5], ['d90161', 'a'], ['da000161', 'a'],
    ['db0000000161', 'a'], ['dc000105', [5]], ['dd0000000105', [5]], ['de0001a16105', { a: 5 }],
    ['df00000001a16105', { a: 5 }], ['c5000105', Buffer.from([5])], ['c70105ff', new Ext(5, [255])],
    // a timestamp of a whole second in nanoseconds is none
    ['d7ffee6b280000000000', new Ext(-1, Buffer.from('ee6b280000000000', 'hex'))]]
  for (const [hex, value] of forms) assert.deepEqual(decode(Buffer.from(hex, 'hex')), value, hex)
})

test('codec: what has no exact form is refused, and the place is named', () => {
  const circle = []
  circle.push(circle)
  class Point { constructor () { this.x = 1 } }
  assert.deepEqual(decode(encode(new Point())), { x: 1 })
  assert.deepEqual(decode(encode(Object.assign(Object.create(null), { x: 1 }))), { x: 1 })
  const refused = [undefined, () => 1, Symbol('x'), [undefined], [, 1], { a: undefined }, { a: () => 1 }, // eslint-disable-line no-sparse-arrays
    new Date(NaN), 2n ** 64n, -(2n ** 63n) - 1n, '\ud800', { '\udc00': 1 }, text(30) + '\ud800', new Set(), /x/, new Error('x'),
    Promise.resolve(), new WeakMap(), Object(1), Object('a'), circle, new URL('http://x'), new Map([[undefined, 1]])]
  for (const value of refused) assert.throws(() => encode(value), EncodeError)
  try {
    encode({ list: [{ x: new Set() }] })
    assert.fail()
  } catch (e) {
    assert.deepEqual(e.path, ['list', 0, 'x'])
  }
  assert.throws(() => new Timestamp(1.5), TypeError)
  assert.throws(() => new Timestamp(1, 1e9), RangeError)
  assert.throws(() => new Timestamp(2n ** 63n), RangeError)
})

test('codec: depth counts containers, and the limit is exact', () => {
  const nested = n => n === 0 ? 1 : [nested(n - 1)]
  assert.equal(encode(nested(64)).length, 65)
  assert.throws(() => encode(nested(65)), EncodeError)
  assert.equal(encode(nested(3), 3).length, 4)
  assert.throws(() => encode(nested(4), 3), EncodeError)
})

test('codec: a field called __proto__ is a field', () => {
  const object = decode(Buffer.from('81a95f5f70726f746f5f5f81a16101', 'hex'))
  assert.deepEqual(Object.keys(object), ['__proto__'])
  assert.equal(Object.getPrototypeOf(object), Object.prototype)
  assert.deepEqual(encode(object).toString('hex'), '81a95f5f70726f746f5f5f81a16101')
})

test('codec: what is not one value is an error', () => {
  for (const hex of ['', 'c1', '91', '0102', 'a2c3', 'd9', 'dd', 'dfffffffff', 'ddffffffff', '81a161']) {
    assert.throws(() => decode(Buffer.from(hex, 'hex')), DecodeError, hex)
  }
  assert.throws(() => decode(Buffer.concat([Buffer.alloc(2000, 0x91), Buffer.from([1])])), DecodeError)
})

test('codec: messages may arrive in pieces of any size, split at every byte', () => {
  const values = GOLDEN.filter(([, hex]) => hex.length < 700).map(([value]) => value)
  const expected = GOLDEN.filter(([, hex]) => hex.length < 700).map(([value, , back]) => back === undefined ? value : back)
  const bytes = Buffer.concat([...values.map(v => encode(v)), encode(values.filter(v => !(typeof v === 'number' && isNaN(v))))])
  for (const step of [1, 2, 3, 5, 7, 16, 100, 1000]) {
    const decoder = new Decoder()
    const got = []
    for (let at = 0; at < bytes.length; at += step) {
      decoder.push(Buffer.from(bytes.subarray(at, at + step)))
      for (let v = decoder.read(); v !== undefined; v = decoder.read()) got.push(v)
    }
    assert.deepEqual(got.slice(0, -1), expected)
    assert.equal(decoder.waiting, 0)
  }
  for (let cut = 1; cut < 400; cut++) {
    const decoder = new Decoder()
    const got = []
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      decoder.push(part)
      for (let v = decoder.read(); v !== undefined; v = decoder.read()) got.push(v)
    }
    assert.equal(got.length, values.length + 1)
  }
})

test('codec: a large message in small pieces is looked at once, not once for each piece', () => {
  const list = Array.from({ length: 50_000 }, (_, i) => ({ name: 'n' + i, at: i }))
  const bytes = encode(list)
  const decoder = new Decoder()
  let reads = 0
  const original = Buffer.prototype.readUInt16BE
  Buffer.prototype.readUInt16BE = function (at) { reads++; return original.call(this, at) } // eslint-disable-line no-extend-native
  let got
  try {
    for (let at = 0; at < bytes.length; at += 100) {
      decoder.push(bytes.subarray(at, at + 100))
      got = decoder.read() ?? got
    }
  } finally {
    Buffer.prototype.readUInt16BE = original // eslint-disable-line no-extend-native
  }
  assert.deepEqual(got, list)
  // Each number over 255 is read twice at most: once to find the end, once for its value; and
  // those of the first piece once more, when it was tried.
  assert.ok(reads < 2 * 50_000 + 1000, String(reads))
})

test('codec: binaries do not keep the bytes around them', () => {
  const [binary] = decode(encode([Buffer.from('xyz'), text(100_000)]))
  assert.ok(binary.buffer.byteLength <= Buffer.poolSize)
})

test('codec: binaries of ASCII may come as texts, and no other does', () => {
  const values = [0, 1, 24, 25, 255, 256, 512, 513, 70_000].flatMap(n => [Buffer.alloc(n, 0x41), Buffer.alloc(n, 0x7f), Buffer.alloc(n, 0x80),
    Buffer.concat([Buffer.alloc(n, 0x41), Buffer.from([0xc3])])])
  const bytes = encode([1, 70_000, null, values])
  for (let size = 1; size <= bytes.length; size = size < 8 ? size + 1 : size * 3) {
    const decoder = new Decoder()
    let got
    for (let at = 0; at < bytes.length; at += size) {
      decoder.push(bytes.subarray(at, at + size))
      if (decoder.waiting >= 7) assert.equal(decoder.answerTo, 70_000)
      decoder.isAsciiText = true
      got = decoder.read() ?? got
    }
    for (const [i, value] of got[3].entries()) {
      const isText = values[i].length <= 512 && values[i].every(byte => byte < 0x80)
      assert.equal(typeof value, isText ? 'string' : 'object')
      assert.ok(Buffer.from(value).equals(values[i]))
    }
    if (size > 200_000) break
  }
  for (const [msgid, answer] of [[5, 5], [200, 200], [300, 300], [2 ** 31, 2 ** 31], [2 ** 40, undefined]]) {
    const decoder = new Decoder()
    decoder.push(encode([1, msgid, null, 'some text']))
    assert.equal(decoder.answerTo, answer)
  }
})

test('codec: random values come back as they were', () => {
  let seed = 7
  const random = n => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n
  }
  const make = depth => {
    switch (random(depth > 4 ? 8 : 11)) {
      case 0: return null
      case 1: return random(2) === 1
      case 2: return (random(1 << 22) - (1 << 21)) * 2 ** random(32)
      case 3: return random(1000) / 7
      case 4: return BigInt(random(1 << 22)) << 42n | 1n << 63n
      case 5: return String.fromCodePoint(...Array.from({ length: random(40) }, () => random(0xd000)))
      case 6: return Buffer.from(Array.from({ length: random(300) }, () => random(256)))
      case 7: return new Date((random(1 << 22) - (1 << 21)) * 1000003)
      case 8: return Array.from({ length: random(20) }, () => make(depth + 1))
      case 9: return Object.fromEntries(Array.from({ length: random(20) }, () => ['k' + random(1000), make(depth + 1)]))
      default: return new Map(Array.from({ length: 1 + random(5) }, () => [random(1000), make(depth + 1)]))
    }
  }
  for (let i = 0; i < 2000; i++) {
    const value = make(0)
    assert.deepEqual(decode(encode(value)), value)
  }
})
