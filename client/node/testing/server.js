// server.js - a holdfastd of a test's own, in a directory of its own.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The daemon to test, or null where there is none. */
export function daemonPath () {
  const path = process.env.HOLDFASTD ?? join(ROOT, 'build', process.env.MODE ?? 'release', 'holdfastd')
  return existsSync(path) ? path : null
}

/** For node:test: the reason to skip what needs a server, or false. */
export const noServer = daemonPath() === null && 'there is no holdfastd (run make)'

export class Server {
  #process
  #errors = ''
  port = 0

  /** `args` are options of holdfastd. */
  static async start (args = []) {
    const server = new Server()
    server.directory = mkdtempSync(join(tmpdir(), 'holdfast-node-'))
    server.args = args
    await server.run()
    return server
  }

  get address () { return `holdfast://127.0.0.1:${this.port}` }
  get pid () { return this.#process.pid }
  get errors () { return this.#errors }

  /** Start it (again), on the same port. */
  async run () {
    const flags = ['--data', join(this.directory, 'data'), '--listen', `127.0.0.1:${this.port}`,
      '--wal-segment-size', '16MiB', ...this.args]
    const child = spawn(daemonPath(), flags, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#process = child
    this.ended = new Promise(resolve => child.once('exit', (code, signal) => resolve(code ?? signal)))
    child.stderr.on('data', text => { this.#errors += text })
    const ready = await new Promise((resolve, reject) => {
      let text = ''
      child.stdout.on('data', piece => {
        text += piece
        if (text.includes('\n')) resolve(text)
      })
      child.once('error', reject)
      child.once('exit', code => reject(new Error(`holdfastd ended with ${code}: ${this.#errors}`)))
    })
    this.ready = ready
    this.port = Number(/tcp=127\.0\.0\.1:(\d+)/.exec(ready)?.[1] ?? 0)
    this.socket = /unix=(\S+)/.exec(ready)[1]
  }

  /** kill -9, and wait until it is gone. */
  async kill () {
    this.#process.kill('SIGKILL')
    await this.ended
  }

  /** Stop the process in its tracks, or let it go on. */
  freeze () { this.#process.kill('SIGSTOP') }
  thaw () { this.#process.kill('SIGCONT') }

  /** Stop it in good order and remove its directory. */
  async stop () {
    this.#process.kill('SIGTERM')
    const code = await this.ended
    rmSync(this.directory, { recursive: true, force: true })
    return code
  }
}
