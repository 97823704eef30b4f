// proxy.js - a proxy that cuts, delays, splits and joins what goes through it.
import net from 'node:net'

/** Numbers from 0 to 1, the same for the same seed (a linear congruential generator). */
export function dice (seed) {
  let state = BigInt(seed)
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n)
    return Number(state >> 40n) / (1 << 24)
  }
}

/**
 * `Proxy.start(port, faults)`: a proxy to a port of this machine. `faults(number)` is asked for each
 * connection (the first is 0) and gives what goes wrong on it:
 *
 * - `cutUp`, `cutDown`: both sides are reset when so many bytes have gone to the server, or to the client;
 * - `split`: pieces of so many bytes, each in a write of its own;
 * - `join`: bytes wait until so many are there or nothing has come for a turn of the loop;
 * - `late`: { seed, ms }: each piece is held for some time, below so many milliseconds, and those behind
 *   it wait; the times come from the seed;
 * - `onUp(piece)` is told what goes to the server;
 * - `stallDown`: after so many bytes nothing more reaches the client, and nobody hangs up.
 */
export class Proxy {
  #server
  #sockets = new Set()
  connections = 0
  isMute = false // true: what the server says on the connections there are is lost
  isDeaf = false // true: what the client says is
  up = 0 // bytes towards the server on the newest connection
  down = 0

  static async start (port, faults = () => ({})) {
    const proxy = new Proxy()
    proxy.#server = net.createServer({ noDelay: true }, socket => proxy.#serve(socket, port, faults(proxy.connections++)))
    await new Promise(resolve => proxy.#server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get address () { return `holdfast://127.0.0.1:${this.#server.address().port}` }

  /** Reset every connection that is open; those that follow are heard. */
  cut () {
    this.isMute = this.isDeaf = false
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async stop () {
    this.cut()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #serve (client, port, faults) {
    const server = net.connect({ port, host: '127.0.0.1', noDelay: true })
    const end = () => {
      for (const socket of [client, server]) {
        this.#sockets.delete(socket)
        socket.resetAndDestroy()
      }
    }
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', end)
    }
    if (faults.onUp) client.on('data', faults.onUp)
    client.on('end', () => server.end())
    server.on('end', () => client.end())
    this.up = this.down = 0
    this.#carry(client, server, client, faults, faults.cutUp, Infinity, n => { this.up = n }, end)
    this.#carry(server, client, client, faults, faults.cutDown, faults.stallDown ?? Infinity, n => { this.down = n }, end)
  }

  #carry (from, to, client, faults, cut = Infinity, stall, count, end) {
    let bytes = 0
    let held = []
    let isTimed = false
    let last = Promise.resolve() // the piece before this one has gone
    const lateness = faults.late && dice(faults.late.seed)
    const hold = piece => {
      if (!faults.late) return give(piece)
      last = last.then(() => new Promise(resolve => setTimeout(resolve, lateness() * faults.late.ms))).then(() => give(piece))
    }
    const give = piece => {
      const rest = Math.min(piece.length, cut - bytes, stall - bytes)
      const part = piece.subarray(0, rest)
      bytes += rest
      count(bytes)
      const step = faults.split ?? part.length
      for (let at = 0; at < part.length; at += step) to.write(part.subarray(at, at + step))
      // What was written before the cut arrives; then both sides are gone.
      if (bytes >= cut) setImmediate(end)
    }
    const isTowardsServer = from === client
    from.on('data', piece => {
      if (isTowardsServer ? this.isDeaf : this.isMute) return
      if (faults.join === undefined) return hold(piece)
      held.push(piece)
      const all = Buffer.concat(held)
      if (all.length >= faults.join) {
        held = []
        hold(all)
      } else if (!isTimed) {
        isTimed = true
        setImmediate(() => setImmediate(() => {
          isTimed = false
          const late = Buffer.concat(held)
          held = []
          if (late.length > 0) hold(late)
        }))
      }
    })
  }
}
