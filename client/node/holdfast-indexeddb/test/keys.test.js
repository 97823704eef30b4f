// Keys: their order at the server is that of IndexedDB, and nothing is lost on the way.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode } from '../../holdfast/lib/codec.js'
import { ABSENT, compare, convert, convertMulti, decodeKey, decodeText, encodeKey, encodeText, evaluate, inject, INVALID, isInjectable, isKeyPath } from '../lib/keys.js'

// The units where the orders of UTF-16 and of code points part, and their neighbours.
const UNITS = ['a', '\0', '\ud7ff', '\ud800', '\ud801', '\udbbf', '\udbc0', '\udbff', '\udc00', '\udc01', '\udffe', '\udfff', '\ue000', '\uffff', '\ud83d']

function random (seed) {
  let state = seed
  return n => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state % n
  }
}

function texts (seed) {
  const all = new Set()
  const grow = (text, depth) => {
    all.add(text)
    if (depth > 0) for (const unit of UNITS) grow(text + unit, depth - 1)
  }
  grow('', 3)
  const next = random(seed)
  for (let i = 0; i < 5000; i++) {
    let text = ''
    for (let n = 4 + next(5); n > 0; n--) text += UNITS[next(UNITS.length)]
    all.add(text)
  }
  return [...all]
}

test('keys: texts of any UTF-16 units are sent as code points in the same order, and come back', () => {
  const sorted = texts(Number(process.env.SEED ?? 1)).sort()
  let before = null
  for (const text of sorted) {
    const sent = encodeText(text)
    assert.ok(sent.isWellFormed(), escape(text))
    assert.equal(decodeText(sent), text)
    const bytes = Buffer.from(sent)
    if (before !== null) assert.ok(Buffer.compare(before, bytes) < 0, `not in order: ${escape(text)}`)
    before = bytes
  }
})

test('keys: ordinary text is sent as it is', () => {
  for (const text of ['', 'Ann', 'élan', '日本語', '😀👍', 'a\0b', '𠜎', '\ud7ff']) assert.equal(encodeText(text), text)
})

test('keys: what goes over the wire is the same key', () => {
  const keys = [0, -0, 1.5, -Infinity, 2 ** 53, 2 ** 60, 5e-324, new Date(0), new Date(-1), new Date(8.64e15), '', 'a\ud800', '￿😀',
    new Uint8Array([0, 255]).buffer, new ArrayBuffer(0), [], [[], [1, 'a', [new Date(5)]]], [new Uint8Array([1]).buffer]]
  for (const key of keys) {
    const back = decodeKey(decode(encode(encodeKey(key))))
    assert.equal(compare(key, back), 0)
    assert.deepEqual(back, Object.is(key, -0) ? 0 : key)
  }
})

test('keys: the order of kinds, and of arrays by their elements', () => {
  const sorted = [-Infinity, -1, 0, 1, Infinity, new Date(-5), new Date(5), '', 'a', 'b', new ArrayBuffer(0), new Uint8Array([0]).buffer,
    new Uint8Array([0, 0]).buffer, new Uint8Array([1]).buffer, [], [1], [1, 1], [1, 'a'], [new Date(0)], ['a'], [[]]]
  for (let i = 0; i < sorted.length; i++) {
    for (let j = 0; j < sorted.length; j++) assert.equal(compare(sorted[i], sorted[j]), Math.sign(i - j), `${i} and ${j}`)
  }
})

test('keys: what cannot be a key is not one', () => {
  const circle = []
  circle.push([circle])
  const sparse = [1, , 3] // eslint-disable-line no-sparse-arrays
  for (const value of [null, undefined, true, NaN, {}, new Date(NaN), [NaN], sparse, circle, new Proxy([], {}), () => 1, Symbol('s'), 1n,
    Object('a'), new SharedArrayBuffer(1)]) assert.equal(convert(value), INVALID)
  const shared = ['twice']
  assert.deepEqual(convert([shared, shared]), [['twice'], ['twice']])
  const bytes = new Uint8Array([1, 2, 3])
  const key = convert(bytes.subarray(1))
  bytes[1] = 9
  assert.deepEqual(key, new Uint8Array([2, 3]).buffer)
})

test('keys: a multiEntry index takes each key among the elements once', () => {
  assert.deepEqual(convertMulti(['a', 1, 'a', {}, [1], [1], null]), ['a', 1, [1]])
  assert.deepEqual(convertMulti([]), [])
  assert.deepEqual(convertMulti('a'), ['a'])
  assert.equal(convertMulti({}), INVALID)
})

test('keys: paths are evaluated by own properties, and keys put in', () => {
  for (const path of ['', 'a', 'a.b', '$_é.ñ1', ['a', 'b.c'], ['']]) assert.ok(isKeyPath(path))
  for (const path of [' ', 'a b', '1a', 'a.', '.a', [], ['a', ' '], 'a..b']) assert.ok(!isKeyPath(path))
  const value = { a: { b: 'text' }, list: [1, 2], file: new Blob(['abc'], { type: 'x/y' }) }
  assert.equal(evaluate(value, 'a.b.length'), 4)
  assert.equal(evaluate(value, 'list.length'), 2)
  assert.equal(evaluate(value, 'file.size'), 3)
  assert.deepEqual(evaluate(value, ['a.b', 'file.type']), ['text', 'x/y'])
  assert.equal(evaluate(value, 'toString'), ABSENT)
  assert.equal(evaluate(value, 'a.c'), ABSENT)
  assert.equal(evaluate(value, ''), value)
  assert.ok(isInjectable(value, 'a.c.d'))
  assert.ok(!isInjectable(value, 'a.b.c'))
  inject(value, 'a.c.d', 7)
  assert.equal(value.a.c.d, 7)
})
