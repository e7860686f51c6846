/** Pings the addresses it is given through ping sockets and prints what came of each: `pinger ADDRESS ...`. */
import { nodeNetwork } from '../../core/host-node';

const LIMIT_MS = 20_000;

async function ping(address: string): Promise<string> {
  const data = Uint8Array.from({ length: 1000 }, (_, i) => i);
  return new Promise((resolve) => {
    const opened = nodeNetwork.openEcho?.(address.includes(':') ? 6 : 4, {
      onReply: (from, sequence, bytes) =>
        resolve(`${from} ${sequence} ${Buffer.compare(bytes, data) === 0 ? 'same' : 'other'}`),
    });
    setTimeout(() => resolve('nothing'), LIMIT_MS).unref();
    void opened?.then((socket) => {
      if (socket) socket.send(address, 4660, data, 64);
      else resolve('not permitted');
    });
  });
}

for (const address of process.argv.slice(2)) process.stdout.write(`${await ping(address)}\n`);
process.exit(0);
