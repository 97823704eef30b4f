// conformance.js - the suites of others over these packages. What they need is fetched with npm into
// build/conformance; a suite that cannot be had counts as skipped. Prints one table.
//
//     HOLDFASTD=... node conformance.js [WORD]...
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noServer, Server } from './testing/server.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const folder = join(here, '..', '..', 'build', 'conformance')
const LIMIT_MS = 600_000

// name: {packages for npm, command(address), assertions that there are, count(output) => {passed, failed}}
const SUITES = {
  'abstract-level 3.1.1': {
    packages: ['tape@5'],
    command: address => [join(here, 'holdfast-level', 'test', 'abstract-suite.js'), address, join(folder, 'x.js')],
    expected: 4706
  },
  'Memento 0.1.51': {
    packages: ['memento@0.1.51', 'proof@9.0.2', 'perhaps@0.0.13', 'destructible@7.0.0-alpha.72', 'extant@2.0.0-alpha.5', 'interrupt@11.0.0-alpha.26'],
    command: address => [join(here, 'holdfast-memento', 'test', 'memento-suite.js'), address, folder],
    expected: 100
  }
}

function run (program, args, options) {
  return new Promise(resolve => {
    let output = ''
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
    const take = text => { output += text }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.on('error', error => { output += error.message })
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })
}

const npm = (args, cwd) => run('npm', ['install', '--silent', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', ...args], { cwd })

async function runSuite (suite, server) {
  if (!existsSync(suite.command('')[0])) return { skipped: 'not built yet' }
  const got = await npm(suite.packages, folder)
  if (got.code !== 0) return { skipped: 'npm cannot fetch it: ' + got.output.trim().split('\n').pop() }
  const { code, output } = await run(process.execPath, suite.command(server.address), { cwd: folder })
  const skipped = /^# skipped: (.*)$/m.exec(output)
  if (skipped) return { skipped: skipped[1] }
  const passed = output.match(/^ok\b/gm)?.length ?? 0
  const failed = output.match(/^not ok\b/gm)?.length ?? 0
  const missing = Math.max(0, suite.expected - passed - failed)
  if (failed > 0 || missing > 0 || code !== 0) writeFileSync(join(folder, 'failed.txt'), output)
  return { passed, failed: failed + missing + (code !== 0 && failed + missing === 0 ? 1 : 0) }
}

const words = process.argv.slice(2)
const names = Object.keys(SUITES).filter(name => words.length === 0 || words.some(word => name.includes(word)))
const total = { passed: 0, failed: 0, skipped: 0 }
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, 'package.json'), '{"private": true}\n')
if (noServer) console.log(noServer)
else {
  const ready = await npm([], here)
  if (ready.code !== 0) console.log('npm install: ' + ready.output.trim().split('\n').pop())
  for (const name of names) {
    const server = await Server.start()
    const { passed = 0, failed = 0, skipped } = await runSuite(SUITES[name], server)
    await server.stop()
    total.passed += passed
    total.failed += failed
    if (skipped) total.skipped++
    console.log(`${name.padEnd(24)} ${skipped ? `skipped: ${skipped}` : `${String(passed).padStart(6)} of ${passed + failed}`}`)
  }
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`)
process.exit(total.failed > 0 ? 1 : 0)
