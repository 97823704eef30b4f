// needs.js - why tests are skipped, if they are: without a server, or with one that has no openers.
import { connect } from 'holdfast'
import { noServer as none, Server } from '../../testing/server.js'

async function lacks () {
  const server = await Server.start()
  const client = await connect(server.address)
  const { openers } = client.limits
  await client.close()
  await server.stop()
  return openers === undefined && 'the server has no openers'
}

export const noServer = none || await lacks()
