/**
 * TFTP client of the network boot services: one file at a time, octet mode, with the options blksize and tsize.
 * Specs: RFC 1350, 2347, 2348, 2349. Block numbers go on at 0 after 65535.
 * Missing: multicast, windowsize, the option timeout.
 */
import {
  buildTftpError,
  buildTftpStrings,
  put16,
  sameAddress,
  TFTP_ACCESS_VIOLATION,
  TFTP_ACK,
  TFTP_BAD_OPTION,
  TFTP_DATA,
  TFTP_DEFAULT_BLOCK_BYTES,
  TFTP_ERROR,
  TFTP_FILE_NOT_FOUND,
  TFTP_MIN_BLOCK_BYTES,
  TFTP_OACK,
  TFTP_PORT,
  TFTP_RRQ,
  TFTP_UNKNOWN_TRANSFER_ID,
  u16,
  zeroTerminated,
} from '../../../net';
import type { UdpLink } from './udp-link';

export const MAX_BLOCK_BYTES = 1456;

const SECOND_NS = 1_000_000_000;
const WAITS_NS = [1, 1, 2, 2, 4].map((seconds) => seconds * SECOND_NS);
const FIRST_PORT = 2070;
const PORTS = 1024;
const MAX_ERROR_TEXT = 60;

/** Why a file did not come. */
export type TftpFailure =
  | { readonly reason: 'no-arp' | 'open-timeout' | 'read-timeout' | 'bad-packet' }
  | { readonly reason: 'not-found' | 'denied' | 'error'; readonly text: string };

export interface TftpState {
  server: Uint8Array;
  router: Uint8Array;
  /** Port of the server: that of its answers once one has come. */
  serverPort: number;
  port: number;
  /** What was sent last, and whether it could leave. */
  packet: Uint8Array;
  sent: boolean;
  deadlineNs: number;
  tries: number;
  /** The server has answered. */
  open: boolean;
  blockBytes: number;
  /** From the option tsize; -1 when the server does not tell. */
  sizeBytes: number;
  /** Blocks taken by `acknowledge`. */
  taken: number;
  /** The block behind them, when it is here. */
  block: Uint8Array | null;
  failure: TftpFailure | null;
}

export class TftpClient {
  /** The file being read, or the last one; null when it was closed. */
  state: TftpState | null = null;
  private nextPort = 0;

  constructor(
    private readonly link: UdpLink,
    private readonly now: () => number,
  ) {}

  /** Asks for a file. `blockBytes` is cut to what fits a frame. */
  begin(options: {
    readonly server: Uint8Array;
    readonly router: Uint8Array;
    readonly serverPort?: number;
    readonly fileName: string;
    readonly blockBytes: number;
  }): void {
    const blockBytes = Math.min(
      Math.max(options.blockBytes, TFTP_DEFAULT_BLOCK_BYTES),
      MAX_BLOCK_BYTES,
    );
    this.nextPort = (this.nextPort + 1 + (Math.floor(this.now() / 1000) % 61)) % PORTS;
    const asked = [
      'tsize',
      '0',
      ...(blockBytes > TFTP_DEFAULT_BLOCK_BYTES ? ['blksize', String(blockBytes)] : []),
    ];
    this.state = {
      server: options.server.slice(),
      router: options.router.slice(),
      serverPort: options.serverPort ?? TFTP_PORT,
      port: FIRST_PORT + this.nextPort,
      packet: buildTftpStrings(TFTP_RRQ, [options.fileName, 'octet', ...asked]),
      sent: false,
      deadlineNs: 0,
      tries: 0,
      open: false,
      blockBytes: TFTP_DEFAULT_BLOCK_BYTES,
      sizeBytes: -1,
      taken: 0,
      block: null,
      failure: null,
    };
    this.transmit(this.state);
  }

  /** Takes what has come and sends again what was not answered. 'block': the next one is here, for `acknowledge`. */
  step(): 'busy' | 'open' | 'block' | 'failed' {
    const { state } = this;
    if (!state || state.failure) return 'failed';
    while (!state.block) {
      const datagram = this.link.next();
      if (!datagram) break;
      if (datagram.destinationPort !== state.port) continue;
      if (!sameAddress(datagram.source, state.server)) continue;
      if (state.open && datagram.sourcePort !== state.serverPort) {
        this.error(state, datagram.sourcePort, TFTP_UNKNOWN_TRANSFER_ID);
        continue;
      }
      this.take(state, datagram.sourcePort, datagram.payload);
      if (this.state?.failure) return 'failed';
    }
    if (state.block) return 'block';
    // False until ARP has found the server.
    state.sent ||= this.repeat(state);
    if (this.now() >= state.deadlineNs) this.again(state);
    if (state.failure) return 'failed';
    return state.open ? 'open' : 'busy';
  }

  /** Takes the block that is here, and asks for the next one; true when it was the last. */
  acknowledge(): boolean {
    const { state } = this;
    if (!state?.block) return true;
    const isLast = state.block.length < state.blockBytes;
    state.block = null;
    state.taken++;
    this.reply(state, state.taken);
    // The server forgets the transfer with this.
    if (isLast) state.open = false;
    return isLast;
  }

  /** Ends a transfer that is under way, and tells the server. */
  abort(): void {
    const { state } = this;
    if (state?.open && !state.failure) this.error(state, state.serverPort, TFTP_BAD_OPTION);
    this.state = null;
  }

  private take(state: TftpState, port: number, payload: Uint8Array): void {
    const operation = payload.length >= 4 ? u16(payload, 0) : 0;
    if (operation === TFTP_ERROR) {
      state.failure = failureOf(u16(payload, 2), payload.subarray(4));
      return;
    }
    if (operation === TFTP_OACK && state.taken === 0) {
      if (!this.takeOptions(state, payload.subarray(2))) {
        this.error(state, port, TFTP_BAD_OPTION);
        state.failure = { reason: 'bad-packet' };
        return;
      }
      state.open = true;
      state.serverPort = port;
      return this.reply(state, 0);
    }
    if (operation !== TFTP_DATA) return;
    const number = u16(payload, 2);
    if (number === (state.taken & 0xffff) && state.taken > 0) return void this.repeat(state);
    if (number !== ((state.taken + 1) & 0xffff)) return;
    const block = payload.slice(4);
    if (block.length > state.blockBytes) {
      state.failure = { reason: 'bad-packet' };
      return;
    }
    state.open = true;
    state.serverPort = port;
    state.block = block;
  }

  private takeOptions(state: TftpState, bytes: Uint8Array): boolean {
    const [...list] = String.fromCharCode(...bytes.subarray(0, 256)).split('\0');
    for (let i = 0; i + 1 < list.length; i += 2) {
      const value = Number(list[i + 1]);
      if (!/^\d{1,10}$/.test(list[i + 1])) return false;
      if (list[i].toLowerCase() === 'tsize') state.sizeBytes = value;
      if (list[i].toLowerCase() === 'blksize') {
        if (value < TFTP_MIN_BLOCK_BYTES || value > MAX_BLOCK_BYTES) return false;
        state.blockBytes = value;
      }
    }
    return true;
  }

  private reply(state: TftpState, block: number): void {
    const packet = new Uint8Array(4);
    put16(packet, 0, TFTP_ACK);
    put16(packet, 2, block & 0xffff);
    state.packet = packet;
    state.tries = 0;
    this.transmit(state);
  }

  private again(state: TftpState): void {
    if (state.tries < WAITS_NS.length) return this.transmit(state);
    const reason = !state.sent ? 'no-arp' : state.open ? 'read-timeout' : 'open-timeout';
    state.failure = { reason };
  }

  private transmit(state: TftpState): void {
    state.deadlineNs = this.now() + WAITS_NS[Math.min(state.tries, WAITS_NS.length - 1)];
    state.tries++;
    state.sent = this.repeat(state);
  }

  private repeat(state: TftpState): boolean {
    const { port, server, serverPort, packet, router } = state;
    return this.link.send(port, server, serverPort, packet, router);
  }

  private error(state: TftpState, port: number, code: number): void {
    this.link.send(state.port, state.server, port, buildTftpError(code, ''), state.router);
  }
}

function failureOf(code: number, bytes: Uint8Array): TftpFailure {
  const reason =
    code === TFTP_FILE_NOT_FOUND
      ? 'not-found'
      : code === TFTP_ACCESS_VIOLATION
        ? 'denied'
        : 'error';
  const text = zeroTerminated(bytes.subarray(0, MAX_ERROR_TEXT));
  return { reason, text: text.replace(/[^ -~]/g, '?') };
}
