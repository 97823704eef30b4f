// Memento's own tests over holdfast-memento: node memento.js ADDRESS FOLDER. Its helpers are
// in FOLDER/node_modules; the tests come out of MEMENTO_GIT, a git directory of Memento's repository.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const [, , address, folder] = process.argv
const git = process.env.MEMENTO_GIT
if (!git) {
  console.log("# skipped: MEMENTO_GIT does not name a git directory of Memento's repository, which has the tests")
  process.exit(0)
}
const where = join(folder, 'tests')
rmSync(where, { recursive: true, force: true })
mkdirSync(where, { recursive: true })
execFileSync('tar', ['-x', '-C', where], { input: execFileSync('git', ['-C', git, 'archive', 'HEAD', 'test']) })

// Memento keeps a database in a directory: where a test has removed that, the database must be new.
writeFileSync(join(where, 'index.js'), `
const fs = require('fs'), path = require('path')
const M = require(${JSON.stringify(fileURLToPath(new URL('../holdfast-memento/index.js', import.meta.url)))})
const open = M.open
M.open = function (options, upgrade) {
  const mark = path.join(options.directory, 'opened')
  const fresh = !fs.existsSync(mark)
  return open.call(M, { ...options, fresh }, upgrade).then(memento => {
    fs.mkdirSync(options.directory, { recursive: true })
    fs.writeFileSync(mark, '')
    return memento
  })
}
module.exports = M
`)
for (const [name, count] of [['memento', 64], ['issues', 17], ['iterate-over-unset', 5], ['readme', 14]]) {
  const done = spawnSync(process.execPath, [join('test', `${name}.t.js`)],
    { cwd: where, encoding: 'utf8', timeout: 60_000, env: { ...process.env, HOLDFAST_ADDRESS: address } })
  process.stdout.write(done.stdout)
  process.stderr.write(done.stderr)
  const passed = done.stdout.match(/^ok\b/gm)?.length ?? 0
  if (passed !== count) console.log(`# ${name}: ${passed} of ${count}, ended with ${done.status ?? done.signal}`)
}
