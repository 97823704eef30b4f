// rig.js - what the test files of the packages share: a server with a client, and a network with faults.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { connect } from '../holdfast/index.js'
import { Proxy } from './proxy.js'
import { noServer, Server } from './server.js'

/**
 * A server that is there while the tests of the calling file run, and a client straight to it, which
 * `open(server)` connects. After the last test, and `close`, no transaction may be open.
 */
export function serve ({ skip = noServer, open = server => connect(server.address), close = () => {} } = {}) {
  const rig = { server: null, client: null }
  before(async () => {
    if (skip) return
    rig.server = await Server.start()
    rig.client = await open(rig.server)
  })
  after(async () => {
    if (rig.client === null) return await rig.server?.stop()
    await close()
    let holds = []
    for (let tries = 0; tries < 1000; tries++) { // the server may yet have to notice that others have gone
      holds = await rig.client.holds()
      if (holds.length === 0) break
    }
    await rig.client.close()
    assert.equal(await rig.server.stop(), 0)
    assert.deepEqual(holds, [])
  })
  return rig
}

/** Faults that change nothing of what is said. */
export const HARMLESS = [{ split: 1 }, { split: 7, join: 100 }, { join: 4096 }, { late: { seed: 1, ms: 3 }, split: 20 }]

/** What `work(proxy)` gives behind a proxy whose first connection has these faults; those after it have none. */
export async function through (server, faults, work) {
  const proxy = await Proxy.start(server.port, number => number === 0 ? faults : {})
  try {
    return await work(proxy)
  } finally {
    await proxy.stop()
  }
}
