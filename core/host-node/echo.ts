import { createSocket, type Socket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { isIP } from 'node:net';
import type { KoffiFunc } from 'koffi';
import type { EchoEvents, EchoSocket } from '../host';
import { loadLibc } from './libc';

type MakeSocket = KoffiFunc<(domain: number, type: number, protocol: number) => number>;

/** socket(2), icmp(7): a datagram socket of ICMP, which needs no privilege in a group of net.ipv4.ping_group_range. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;

/** Types of messages by family: RFC 792, RFC 4443. */
const REQUEST = { 4: 8, 6: 128 } as const;
const REPLY = { 4: 0, 6: 129 } as const;
const HEADER = 8;
/** Ping sockets have no ports; Node wants one. */
const NO_PORT = 1;

let makeSocket: Promise<MakeSocket | undefined> | undefined;

async function load(): Promise<MakeSocket | undefined> {
  const libc = await loadLibc();
  return libc?.func('int socket(int domain, int type, int protocol)');
}

class NodeEchoSocket implements EchoSocket {
  private hopLimit = 0;
  private closed = false;

  constructor(
    private readonly socket: Socket,
    private readonly family: 4 | 6,
    events: EchoEvents,
  ) {
    socket.on('error', () => this.close());
    socket.on('message', (bytes, { address }) => {
      if (bytes.length < HEADER || bytes[0] !== REPLY[family]) return;
      events.onReply(address.replace(/%.*$/, ''), bytes.readUInt16BE(6), bytes.subarray(HEADER));
    });
  }

  send(address: string, sequence: number, data: Uint8Array, hopLimit: number): void {
    if (this.closed || isIP(address) !== this.family) return;
    // Identifier and checksum are the kernel's.
    const message = Buffer.alloc(HEADER + data.length);
    message[0] = REQUEST[this.family];
    message.writeUInt16BE(sequence, 6);
    message.set(data, HEADER);
    if (hopLimit !== this.hopLimit) this.socket.setTTL(hopLimit);
    this.hopLimit = hopLimit;
    this.socket.send(message, NO_PORT, address, () => undefined);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.socket.close();
  }
}

/** Opens a ping socket; undefined where this user may not. */
export async function openEcho(family: 4 | 6, events: EchoEvents): Promise<EchoSocket | undefined> {
  const call = await (makeSocket ??= load());
  const isIpv6 = family === 6;
  const fd = call?.(
    isIpv6 ? AF_INET6 : AF_INET,
    SOCK_DGRAM_CLOEXEC,
    isIpv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
  );
  if (fd === undefined || fd < 0) return undefined;
  const socket = createSocket({
    type: isIpv6 ? 'udp6' : 'udp4',
    lookup: (name, _options, done) => done(null, name, isIP(name)),
  });
  try {
    socket.bind({ fd });
    return new NodeEchoSocket(socket, family, events);
  } catch {
    closeSync(fd);
    return undefined;
  }
}
