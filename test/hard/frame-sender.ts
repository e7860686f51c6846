/** Sends hostile frames to one NAT and tells what became of it as JSON: `frame-sender FRAMES SEED`. */
import { GOOD_FLOW_EVERY, sendHostileFrames } from '../support/hostile-frames';
import { NatLab } from '../support/nat-lab';

/** The host of the tests keeps what was opened on it; the oldest are forgotten beyond so many. */
const KEPT = 1000;
/** Growth counts from here: the program has what it needs. Memory is looked at behind collections: node --expose-gc. */
const WARM_FRAMES = 50_000;

const [frames = '', seed = ''] = process.argv.slice(2);
const lab = new NatLab();
let baseline = 0;
let growth = 0;
let connections = 0;
let mappings = 0;
const good = sendHostileFrames(lab, Number(frames), Number(seed), (sent) => {
  const { streams, sockets } = lab.host;
  // The first stream is the good connection's.
  streams.splice(1, Math.max(0, streams.length - KEPT));
  sockets.splice(0, Math.max(0, sockets.length - KEPT));
  for (const stream of streams.slice(1)) stream.written.length = 0;
  for (const socket of sockets) socket.sent.length = 0;
  connections = Math.max(connections, lab.nat.connections.length);
  mappings = Math.max(mappings, lab.nat.udpMappings);
  globalThis.gc?.();
  const { rss } = process.memoryUsage();
  if (sent <= WARM_FRAMES) baseline = rss;
  growth = Math.max(growth, rss - baseline);
});
process.stdout.write(
  JSON.stringify({
    growth,
    peak: process.resourceUsage().maxRSS * 1024 - baseline,
    connections,
    mappings,
    good: good.guest.state,
    bytes: good.stream.bytes.length,
    wanted: Math.ceil(Number(frames) / GOOD_FLOW_EVERY),
    taken: lab.nat.counters.framesIn,
  }),
);
