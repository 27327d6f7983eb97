// What a browser's js-libp2p does, in Node: dials the WebSocket listener of a rendezvous, identifies it, pings it.
// Takes its address and the start of its agent's name; ends with 1 and a sentence when something is not as promised.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [address, agent] = process.argv.slice(2)
const signal = AbortSignal.timeout(180_000)

const must = (holds, what) => {
  if (!holds) {
    throw new Error(what)
  }
}

const node = await createLibp2p({
  transports: [webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // Only in a browser are loopback addresses refused otherwise.
  connectionGater: { denyDialMultiaddr: () => false },
  services: { identify: identify({ runOnConnectionOpen: false }), ping: ping() }
})

try {
  const connection = await node.dial(multiaddr(address), { signal })
  must(address.endsWith(connection.remotePeer.toString()), `${connection.remotePeer} answers for ${address}`)
  const told = await node.services.identify.identify(connection, { signal })
  must(told.agentVersion.startsWith(agent), `its agent is ${told.agentVersion}`)
  must(told.protocolVersion === '/juxta/1', `its network is ${told.protocolVersion}`)
  must(told.protocols.includes('/juxta/session/1'), `it speaks ${told.protocols}`)
  must(told.protocols.includes('/libp2p/circuit/relay/0.2.0/hop'), `it is no relay: ${told.protocols}`)
  const trips = []
  for (let count = 0; count < 5; count++) {
    trips.push(await node.services.ping.ping(connection.remotePeer, { signal }))
  }
  console.log(`js-libp2p: ${told.agentVersion} identified, ${trips.length} pings, ${trips.join(' ')} ms`)
} finally {
  await node.stop()
}
