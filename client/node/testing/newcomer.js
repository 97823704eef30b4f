// newcomer.js - a folder as somebody has it who has just installed the packages, and what the programs of their documents print.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
export const root = fileURLToPath(new URL('..', import.meta.url))
export const packages = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).workspaces

export class Newcomer {
  constructor () {
    this.folder = mkdtempSync(join(tmpdir(), 'holdfast-newcomer-'))
    mkdirSync(join(this.folder, 'node_modules'))
    for (const name of packages) symlinkSync(join(root, name), join(this.folder, 'node_modules', name))
  }

  remove () { rmSync(this.folder, { recursive: true }) }

  /** The programs in a package's README, as they are to be run at this address. */
  readme (name, address) {
    const text = readFileSync(join(root, name, 'README.md'), 'utf8')
    return [...text.matchAll(/```js\n(.*?)```/gs)].map(([, program]) => program.replace('holdfast://127.0.0.1:4653', address))
  }

  /** The names of the files in a folder of a package. */
  files (name, folder) {
    const path = join(root, name, folder)
    return existsSync(path) ? readdirSync(path).sort() : []
  }

  /** Run one of a package's examples. */
  example (name, file, address) { return this.file(join(root, name, 'examples', file), address) }

  /** Run a program, which is a text; gives what it prints. It must not print errors. */
  text (program, address) {
    const path = join(this.folder, 'program.mjs')
    writeFileSync(path, program)
    return this.file(path, address)
  }

  /** The same for a program in a file. */
  async file (path, address) {
    const { stdout, stderr } = await run(process.execPath, [path, address],
      { cwd: this.folder, timeout: 60_000, env: { ...process.env, HOLDFAST_ADDRESS: address } })
    assert.equal(stderr, '', path)
    return stdout
  }

  /** The files that npm packs of a package, without a network; null if npm is not installed. */
  async packed (name) {
    const args = ['pack', '--offline', '--json', '--pack-destination', this.folder]
    try {
      const { stdout } = await run('npm', args, { cwd: join(root, name), timeout: 60_000 })
      return JSON.parse(stdout)[0].files.map(file => file.path).sort()
    } catch (e) {
      if (e.code === 'ENOENT') return null
      throw e
    }
  }
}
