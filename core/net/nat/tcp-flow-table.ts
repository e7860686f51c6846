import type { TcpStream } from '../../host';
import type { TcpConnection } from '../tcp';
import type { IpPacket, TcpSegment } from '../wire';
import {
  FEW_FLOWS,
  MAX_TCP_FLOWS,
  TCP_BUFFER_BYTES,
  TCP_BUFFER_BYTES_MANY,
  TCP_IDLE_MS,
} from './limits';

const FIRST_EPHEMERAL_PORT = 0xc000;

/** One connection of the guest's, by its end points as the guest sees them. */
export interface TcpFlow {
  readonly key: string;
  readonly guest: Uint8Array;
  readonly guestPort: number;
  readonly remote: Uint8Array;
  readonly remotePort: number;
  /** The guest's SYN while the host connects, and the packet for an ICMP error about it. */
  pending:
    { readonly syn: TcpSegment; readonly packet: IpPacket; readonly since: number } | undefined;
  connection: TcpConnection | undefined;
  /** The host's side; undefined once it is closed. */
  stream: TcpStream | undefined;
  established: boolean;
  /** Bytes from the guest, gathered until the end of a batch of frames. */
  outgoing: Uint8Array[];
  outgoingBytes: number;
  hostPaused: boolean;
}

/** The connections there are, by their four-tuple. */
export class TcpFlowTable {
  private readonly flows = new Map<string, TcpFlow>();
  private nextPort = FIRST_EPHEMERAL_PORT;

  get size(): number {
    return this.flows.size;
  }

  /** All of them, safe against removal on the way. */
  get all(): TcpFlow[] {
    return [...this.flows.values()];
  }

  /** What a connection may hold in one direction. */
  get bufferBytes(): number {
    return this.flows.size > FEW_FLOWS ? TCP_BUFFER_BYTES_MANY : TCP_BUFFER_BYTES;
  }

  /** The connection that a guest's segment belongs to. */
  find(packet: IpPacket, segment: TcpSegment): TcpFlow | undefined {
    const { source, destination } = packet;
    return this.flows.get(keyOf(source, segment.sourcePort, destination, segment.destinationPort));
  }

  has(flow: TcpFlow): boolean {
    return this.flows.get(flow.key) === flow;
  }

  add(guest: Uint8Array, guestPort: number, remote: Uint8Array, remotePort: number): TcpFlow {
    const flow: TcpFlow = {
      key: keyOf(guest, guestPort, remote, remotePort),
      guest,
      guestPort,
      remote,
      remotePort,
      pending: undefined,
      connection: undefined,
      stream: undefined,
      established: false,
      outgoing: [],
      outgoingBytes: 0,
      hostPaused: false,
    };
    this.flows.set(flow.key, flow);
    return flow;
  }

  delete(flow: TcpFlow): void {
    this.flows.delete(flow.key);
  }

  get isFull(): boolean {
    return this.flows.size >= MAX_TCP_FLOWS;
  }

  /** Whose place a new connection may take: one that is over, else the one idle longest, if for long enough. */
  mostIdle(now: number): TcpFlow | undefined {
    let idlest: TcpFlow | undefined;
    let since = now - TCP_IDLE_MS;
    for (const flow of this.flows.values()) {
      if (flow.connection?.phase === 'time-wait') return flow;
      const heard = flow.connection?.lastHeard ?? Infinity;
      if (heard >= since) continue;
      idlest = flow;
      since = heard;
    }
    return idlest;
  }

  /** A port of `remote` that no connection to the guest's port uses. */
  freePort(guest: Uint8Array, guestPort: number, remote: Uint8Array): number {
    for (;;) {
      const port = this.nextPort;
      this.nextPort = port === 0xffff ? FIRST_EPHEMERAL_PORT : port + 1;
      if (!this.flows.has(keyOf(guest, guestPort, remote, port))) return port;
    }
  }
}

function keyOf(
  guest: Uint8Array,
  guestPort: number,
  remote: Uint8Array,
  remotePort: number,
): string {
  let text = String.fromCharCode(guestPort, remotePort);
  for (let i = 0; i < guest.length; i += 2)
    text += String.fromCharCode((guest[i] << 8) | guest[i + 1], (remote[i] << 8) | remote[i + 1]);
  return text;
}
