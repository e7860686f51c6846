// The other end of the network rows (test/bench/guest/network.c): connects to the guest and does what it asks for.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const GUEST_SENDS = 0n;
const REQUEST_BYTES = 16;
const PATTERN_BYTES = 1 << 20;
const CHUNK_BYTES = 256 << 10;

/** The bytes that are sent, over and over: xorshift32 from 1, as the guest makes them. */
const pattern = () => {
  const words = new Uint32Array(PATTERN_BYTES / 4);
  let x = 1;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer);
};
let bytes;

/** A port of this computer that nobody uses. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs one row from this end. Fails when the connection does. */
export async function exchange(port) {
  bytes ??= pattern();
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  try {
    await obey(socket);
  } finally {
    socket.destroy();
  }
}

function obey(socket) {
  return new Promise((resolve, reject) => {
    let request = Buffer.alloc(0);
    let at = 0;
    let right = 0;
    const check = (chunk) => {
      for (let done = 0; done < chunk.length;) {
        const from = at % PATTERN_BYTES;
        const count = Math.min(chunk.length - done, PATTERN_BYTES - from);
        if (bytes.compare(chunk, done, done + count, from, from + count) === 0) right += count;
        done += count;
        at += count;
      }
    };
    const answer = () => {
      const words = Buffer.alloc(8);
      words.writeBigUInt64LE(BigInt(right));
      socket.write(words);
    };
    socket.on('error', reject);
    socket.on('close', resolve);
    socket.on('data', (chunk) => {
      let rest = chunk;
      if (request.length < REQUEST_BYTES) {
        const missing = REQUEST_BYTES - request.length;
        request = Buffer.concat([request, chunk.subarray(0, missing)]);
        rest = chunk.subarray(missing);
        if (request.length < REQUEST_BYTES) return;
        if (request.readBigUInt64LE(0) !== GUEST_SENDS) return send(socket, total(request));
      }
      check(rest);
      if (at === total(request)) answer();
    });
  });
}

const total = (request) => Number(request.readBigUInt64LE(8));

/** Keeps the kernel's buffer full until everything has left. */
function send(socket, count) {
  let at = 0;
  const more = () => {
    while (at < count) {
      const from = at % PATTERN_BYTES;
      const length = Math.min(CHUNK_BYTES, PATTERN_BYTES - from, count - at);
      at += length;
      if (!socket.write(bytes.subarray(from, from + length))) return;
    }
  };
  socket.on('drain', more);
  more();
}
