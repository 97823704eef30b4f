// login.js - proving who one is, by SCRAM-SHA-256 (RFC 5802, RFC 7677). The password is never sent: what goes
// over the wire proves that it is known, and what comes back proves that the server knows its verifier.
import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { ALWAYS } from './connection.js'
import { errors, local } from './errors.js'

const derive = promisify(pbkdf2)

const ITERATIONS = 15_000 // of new verifiers
const ITERATIONS_MIN = 4_096 // with fewer no login is done: somebody may want to guess the password
const ITERATIONS_MAX = 10_000_000
const PASSWORD_BYTES_MAX = 1_024

function mac (key, text) { return createHmac('sha256', key).update(text).digest() }

async function makeKeys (password, salt, iterations) {
  const salted = await derive(Buffer.from(password, 'utf8'), salt, iterations, 32, 'sha256')
  const client = mac(salted, 'Client Key')
  return { client, stored: createHash('sha256').update(client).digest(), server: mac(salted, 'Server Key') }
}

// Control characters, as the server and libholdfast refuse them.
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/

function checkPassword (password) {
  if (typeof password !== 'string' || password === '') throw local('MISUSE', 'the password must be a non-empty string')
  if (!password.isWellFormed?.() && password.isWellFormed !== undefined) throw local('MISUSE', 'the password is not well-formed Unicode')
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) throw local('MISUSE', 'the password is longer than 1024 bytes')
  if (CONTROLS.test(password)) throw local('MISUSE', 'the password contains control characters')
}

/** What `createUser` and `alterUser` take as `verifier`: the server never gets the password. */
export async function passwordVerifier (password) {
  checkPassword(password)
  const salt = randomBytes(16)
  const { stored, server } = await makeKeys(password, salt, ITERATIONS)
  const b64 = bytes => bytes.toString('base64')
  return `SCRAM-SHA-256$${ITERATIONS}:${b64(salt)}$${b64(stored)}:${b64(server)}`
}

function notProven (why) {
  return new errors.AUTH_FAILED({
    name: 'AUTH_FAILED',
    code: 2002,
    class: 'auth',
    message: `the server did not prove that it knows the user: ${why}`
  })
}

function readServerFirst (text, nonce) {
  const parts = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+={0,2}),i=([1-9][0-9]{0,7})$/.exec(text)
  if (parts === null) throw notProven('its first message is malformed')
  const iterations = Number(parts[3])
  if (!parts[1].startsWith(nonce) || parts[1].length === nonce.length) throw notProven('its nonce does not extend ours')
  if (iterations < ITERATIONS_MIN) throw notProven(`it asks for fewer than ${ITERATIONS_MIN} iterations`)
  if (iterations > ITERATIONS_MAX) throw notProven('it asks for too many iterations')
  return { both: parts[1], salt: Buffer.from(parts[2], 'base64'), iterations }
}

// Bound where both can; where only we can, we say so: if somebody has hidden that the server can, it finds out.
function chooseHeader (bound, mechanisms) {
  if (bound === null) return 'n,,'
  return mechanisms.includes('SCRAM-SHA-256-PLUS') ? 'p=tls-exporter,,' : 'y,,'
}

/**
 * Log the connection in. `known` keeps the keys that are made of the password, for the next time; `bound`
 * is what binds the login to a TLS connection, or null; `mechanisms` are those that the server has named.
 */
export async function login (connection, user, password, known, bound, mechanisms) {
  checkPassword(password)
  const nonce = randomBytes(18).toString('base64')
  const header = chooseHeader(bound, mechanisms)
  const bare = `n=${user.replace(/=/g, '=3D').replace(/,/g, '=2C')},r=${nonce}`
  const mechanism = header.startsWith('p') ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256'
  const first = await connection.request('login_begin', [mechanism, header + bare], 2, undefined, ALWAYS)
  const { both, salt, iterations } = readServerFirst(String(first), nonce)
  const of = `${iterations}:${salt.toString('base64')}`
  if (known.of !== of) Object.assign(known, { of, keys: await makeKeys(password, salt, iterations) })
  const { client, stored, server } = known.keys
  const channel = Buffer.concat([Buffer.from(header), header.startsWith('p') ? bound : Buffer.alloc(0)]).toString('base64')
  const without = `c=${channel},r=${both}`
  const all = `${bare},${first},${without}`
  const proof = mac(stored, all).map((byte, i) => byte ^ client[i])
  const final = await connection.request('login_end', [`${without},p=${Buffer.from(proof).toString('base64')}`], 1, undefined, ALWAYS)
  const given = Buffer.from(/^v=(.*)$/.exec(String(final))?.[1] ?? '', 'base64')
  const expected = mac(server, all)
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw notProven('its signature is wrong')
}
