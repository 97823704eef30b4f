// Logging in: with a password that is never sent, to a server that has to prove that it knows the user.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, decode, encode, errors, passwordVerifier } from '../index.js'
import { serve } from '../../testing/rig.js'
import { noServer, Server } from '../../testing/server.js'

let server
let admin

async function open (started) {
  server = started
  admin = await connect(`unix:${server.socket}`)
  await admin.createStore('orders')
  await admin.createStore('salaries')
  await admin.createUser('ann', {
    verifier: await passwordVerifier('pencil'), grants: [['main', 'orders', ['read', 'write']]]
  })
  return admin
}

serve({ open })

const rejects = (promise, name) => assert.rejects(promise, errors[name])

test('login: a user sees what it may, and the rest is as if it were not there', { skip: noServer }, async () => {
  const db = await connect(server.address, { user: 'ann', password: 'pencil' })
  await db.put('orders', { n: 1 }, 'a')
  assert.deepEqual((await db.stores()).map(s => s.name), ['orders'])
  await rejects(db.get('salaries', 1), 'NO_STORE')
  await rejects(db.dropStore('orders'), 'FORBIDDEN')
  await rejects(db.rotate(), 'FORBIDDEN')
  assert.deepEqual((await admin.users()).map(u => [u.name, u.connections]), [['ann', 1]])
  await db.close()
})

test('login: the user may stand in the address, and the password come from a function', { skip: noServer }, async () => {
  const address = server.address.replace('//', '//ann@')
  const db = await connect(address, { password: async () => 'pencil' })
  assert.equal(await db.ping(), 'pong')
  await db.close()
  await rejects(connect(address), 'MISUSE')
})

test('login: a wrong password, an unknown user and no user', { skip: noServer }, async () => {
  const wrong = await connect(server.address, { user: 'ann', password: 'pen' }).catch(e => e)
  const unknown = await connect(server.address, { user: 'bob', password: 'pen' }).catch(e => e)
  assert.deepEqual([wrong.name, wrong.message], ['AUTH_FAILED', unknown.message])
  const nobody = await connect(server.address)
  await rejects(nobody.stores(), 'AUTH_REQUIRED')
  await nobody.close()
})

test('login: it logs in again when the connection is lost', { skip: noServer }, async () => {
  const db = await connect(server.address, { user: 'ann', password: 'pencil' })
  const { id } = (await admin.clients()).find(c => c.user === 'ann')
  await admin.kill({ client: id })
  await new Promise(resolve => db.once('connect', resolve))
  assert.equal((await db.stores()).length, 1)
  await db.close()
})

// A server of our own that answers a login as it is told to.
async function pretend (answers) {
  const listener = net.createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => {
      const [, id, method, params] = decode(bytes)
      socket.write(encode([1, id, null, answers[method](params)]))
    })
  })
  await new Promise(resolve => listener.listen(0, '127.0.0.1', resolve))
  return { address: `127.0.0.1:${listener.address().port}`, close: () => listener.close() }
}

test('28 and 22: a server that does not know the user is found out, and so is one that asks for few iterations', async () => {
  const hello = () => ({ server: 'holdfastd', version: '0', protocol: 1, features: [], limits: {} })
  const first = count => params => `r=${/r=(.*)$/.exec(params[1])[1]}abcdefgh,s=QUFBQUFBQUFBQUFBQUFBQQ==,i=${count}`
  const cases = [
    [{ hello, login_begin: first(4096), login_end: () => 'v=' + Buffer.alloc(32).toString('base64') }, /signature/],
    [{ hello, login_begin: first(4095), login_end: () => '' }, /4096 iterations/],
    [{ hello, login_begin: first(99999999), login_end: () => '' }, /too many/],
    [{ hello, login_begin: () => 'r=other,s=QUFBQUFBQUFBQUFBQUFBQQ==,i=4096', login_end: () => '' }, /nonce/],
    [{ hello, login_begin: () => 'nonsense', login_end: () => '' }, /malformed/]
  ]
  for (const [answers, why] of cases) {
    const fake = await pretend(answers)
    const e = await connect(fake.address, { user: 'ann', password: 'pencil' }).catch(e => e)
    assert.equal(e.name, 'AUTH_FAILED')
    assert.match(e.message, why)
    fake.close()
  }
})

test('tls: the certificate is checked, and the login bound to the connection', { skip: noServer }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tls-'))
  const certificate = join(folder, 'cert.pem')
  const key = join(folder, 'key.pem')
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
      '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  } catch {
    return t.skip('there is no openssl')
  }
  chmodSync(key, 0o600)
  const secure = await Server.start(['--listen', 'tls://127.0.0.1:0', '--tls-certificate', certificate, '--tls-key', key])
  const ca = readFileSync(certificate)
  try {
    const trusted = await connect(`unix:${secure.socket}`)
    await trusted.createUser('ann', { verifier: await passwordVerifier('pencil'), grants: [['main', '*', ['read']]] })
    await trusted.close()
    const port = /tls=127\.0\.0\.1:(\d+)/.exec(secure.ready)[1]
    const db = await connect(`holdfast+tls://ann@localhost:${port}`, { tls: { ca }, password: 'pencil' })
    assert.deepEqual(await db.stores(), [])
    await db.close()
    await rejects(connect(`tls://localhost:${port}`), 'CONNECTION')
    await rejects(connect(`tls://127.0.0.1:${port}`, { tls: { ca } }), 'CONNECTION')
    await rejects(connect(`tls://ann@localhost:${port}`, { tls: { ca }, password: 'pen' }), 'AUTH_FAILED')
  } finally {
    await secure.stop()
    rmSync(folder, { recursive: true })
  }
})

test('26: passwords that no user has', async () => {
  for (const bad of ['', 'x'.repeat(1025), 'a\0b', 'a\u202eb', 5]) await rejects(passwordVerifier(bad), 'MISUSE')
})
