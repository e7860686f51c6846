/** Sends a DNS message to name servers: UDP first, TCP when the answer was cut (RFC 1035 4.2, RFC 7766). */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIP } from 'node:net';
import { NetworkError } from '../host';

const DNS_PORT = 53;
const HEADER_BYTES = 12;
const TRY_MS = 2500;
const MAX_SERVERS = 3;
/** TC in the third byte of the header. */
const TRUNCATED = 0x02;

interface Server {
  readonly address: string;
  readonly port: number;
}

/** Node writes a server as `1.2.3.4`, `1.2.3.4:54`, `::1` or `[::1]:54`. */
function parseServer(text: string): Server | undefined {
  const match = /^\[(.+)\]:(\d+)$/.exec(text) ?? /^([\d.]+):(\d+)$/.exec(text);
  const address = match?.[1] ?? text;
  return isIP(address) === 0 ? undefined : { address, port: Number(match?.[2] ?? DNS_PORT) };
}

/** The question section is what an answer must repeat (RFC 5452 4.3). */
function isAnswer(answer: Buffer, query: Buffer): boolean {
  if (answer.length < HEADER_BYTES || answer.readUInt16BE(0) !== query.readUInt16BE(0))
    return false;
  return (answer.readUInt8(2) & 0x80) !== 0;
}

function overUdp(server: Server, query: Buffer): Promise<Buffer> {
  const socket = createSocket(isIP(server.address) === 6 ? 'udp6' : 'udp4');
  return new Promise<Buffer>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), TRY_MS);
    socket.on('error', reject);
    socket.on('message', (answer) => {
      if (!isAnswer(answer, query)) return;
      clearTimeout(timer);
      resolve(answer);
    });
    // Connected, so that only this server can answer and a refusal is heard of.
    socket.connect(server.port, server.address, () => socket.send(query, () => undefined));
  }).finally(() => socket.close());
}

function overTcp(server: Server, query: Buffer): Promise<Buffer> {
  const socket = connect({ host: server.address, port: server.port });
  return new Promise<Buffer>((resolve, reject) => {
    let received = Buffer.alloc(0);
    socket.setTimeout(TRY_MS, () => reject(new Error('no answer')));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection ended')));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const answer = received.subarray(2, 2 + received.readUInt16BE(0));
      if (isAnswer(answer, query)) resolve(answer);
      else reject(new Error('not an answer'));
    });
  }).finally(() => socket.destroy());
}

/** Asks the servers in turn; the answer carries the identifier of `message`. Rejects with a NetworkError when none answers. */
export async function queryServers(
  servers: readonly string[],
  message: Uint8Array,
): Promise<Uint8Array> {
  const query = Buffer.from(message);
  if (query.length < HEADER_BYTES) throw new NetworkError('FAILED', 'this is not a DNS message');
  const id = query.readUInt16BE(0);
  query.writeUInt16BE(randomInt(0x10000), 0);
  let failure: unknown;
  for (const text of servers.slice(0, MAX_SERVERS)) {
    const server = parseServer(text);
    if (!server) continue;
    try {
      let answer = await overUdp(server, query);
      if ((answer.readUInt8(2) & TRUNCATED) !== 0)
        answer = await overTcp(server, query).catch(() => answer);
      answer.writeUInt16BE(id, 0);
      return answer;
    } catch (cause) {
      failure = cause;
    }
  }
  throw new NetworkError('TIMED_OUT', 'no name server of this computer answers', {
    cause: failure,
  });
}
