/**
 * DHCP as a PXE client speaks it: an address, the boot server and the name of the boot file, also from a proxy DHCP
 * server that answers beside the one with the addresses.
 * Specs: RFC 2131, 2132, 4578; Preboot Execution Environment 2.1, section 2.2.
 * Missing: boot server discovery (port 4011, option 43 menus), renewing the lease.
 */
import {
  ANY_IPV4,
  BROADCAST_IPV4,
  buildDhcpRequest,
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  DHCPACK,
  DHCPDISCOVER,
  DHCPNAK,
  DHCPOFFER,
  DHCPREQUEST,
  isAny,
  OPTION_PARAMETERS,
  OPTION_REQUESTED_IP,
  OPTION_ROUTER,
  OPTION_SERVER_ID,
  OPTION_SUBNET_MASK,
  OPTION_VENDOR_CLASS,
  parseDhcpReply,
  sameAddress,
  u32,
  type DhcpAnswerMessage,
} from '../../../net';
import type { UdpLink } from './udp-link';

const OPTION_MAX_MESSAGE = 57;
const OPTION_CLIENT_ARCH = 93;
const OPTION_CLIENT_NDI = 94;
const OPTION_CLIENT_UUID = 97;
/** Longest message, IP and UDP headers included, that has its place among the cached packets. */
const MAX_MESSAGE_BYTES = 1260;
export const MAX_CACHED_BYTES = MAX_MESSAGE_BYTES - 28;
const CLASS = 'PXEClient:Arch:00000:UNDI:002001';
/** What a boot program may want to know: addresses, names, boot file and server, vendor options. */
const PARAMETERS = [
  1, 3, 6, 12, 13, 15, 17, 43, 54, 60, 66, 67, 128, 129, 130, 131, 132, 133, 134, 135,
];

const SECOND_NS = 1_000_000_000;
/** How long each try waits for an answer; PXE 2.1 waits 4, 8, 16 and 32 seconds, for networks with slow switches. */
const WAITS_NS = [1, 2, 4, 8].map((seconds) => seconds * SECOND_NS);
/** An offer without a boot file waits this long for one that has it. */
const PROXY_WAIT_NS = SECOND_NS;

export interface DhcpState {
  phase: 'discover' | 'request';
  xid: number;
  startedNs: number;
  tries: number;
  deadlineNs: number;
  /** Messages as they came: the best offer, and that of a proxy with a boot file. */
  offer: Uint8Array | null;
  proxy: Uint8Array | null;
  /** Our DHCPDISCOVER, which boot programs may ask for. */
  discover: Uint8Array;
}

/** What a client has in the end. */
export interface DhcpResult {
  readonly discover: Uint8Array;
  readonly acknowledge: Uint8Array;
  /** The message that named the boot file. */
  readonly boot: Uint8Array;
  readonly server: Uint8Array;
  readonly fileName: string;
}

export type DhcpStep = DhcpResult | 'busy' | 'no-offer' | 'no-boot-file' | 'no-answer' | 'refused';

export class DhcpClient {
  state: DhcpState | null = null;

  constructor(
    private readonly link: UdpLink,
    private readonly now: () => number,
    /** SMBIOS UUID of the machine, 16 bytes. */
    private readonly uuid: Uint8Array,
  ) {}

  begin(): void {
    const now = this.now();
    const xid = (u32(this.link.card.mac, 2) ^ Math.floor(now / 1000)) >>> 0;
    this.state = {
      phase: 'discover',
      xid,
      startedNs: now,
      tries: 0,
      deadlineNs: now,
      offer: null,
      proxy: null,
      discover: new Uint8Array(),
    };
  }

  /** Takes what has come and does what is due. */
  step(): DhcpStep {
    const { state } = this;
    if (!state) return 'no-offer';
    for (let datagram = this.link.next(); datagram; datagram = this.link.next()) {
      if (datagram.destinationPort !== DHCP_CLIENT_PORT) continue;
      const done = this.take(state, datagram.payload);
      if (done !== undefined) return done;
    }
    if (this.now() < state.deadlineNs) return 'busy';
    if (state.phase === 'discover' && state.offer) return this.choose(state, state.offer);
    if (state.tries >= WAITS_NS.length)
      return state.phase === 'discover' ? 'no-offer' : 'no-answer';
    this.transmit(state);
    return 'busy';
  }

  private take(state: DhcpState, payload: Uint8Array): DhcpStep | undefined {
    const message = parseDhcpReply(payload);
    if (!message || message.xid !== state.xid || payload.length > MAX_CACHED_BYTES)
      return undefined;
    if (!sameAddress(message.clientMac, this.link.card.mac)) return undefined;
    if (state.phase === 'discover') {
      if (message.type !== DHCPOFFER) return undefined;
      if (isAny(message.yourAddress)) {
        if (message.bootFile !== '' && !state.proxy) state.proxy = payload.slice();
      } else if (!state.offer || message.bootFile !== '') state.offer = payload.slice();
      const offered = state.offer && parseDhcpReply(state.offer);
      if (!state.offer || !offered) return undefined;
      if (offered.bootFile !== '' || state.proxy) return this.choose(state, state.offer);
      state.deadlineNs = Math.min(state.deadlineNs, this.now() + PROXY_WAIT_NS);
      return undefined;
    }
    if (message.type === DHCPNAK) return 'refused';
    const offered = state.offer && parseDhcpReply(state.offer);
    if (message.type !== DHCPACK || !offered || !sameServer(message, offered)) return undefined;
    return this.finish(state, payload.slice(), message);
  }

  private choose(state: DhcpState, offer: Uint8Array): DhcpStep {
    if (!state.proxy && (parseDhcpReply(offer)?.bootFile ?? '') === '') return 'no-boot-file';
    state.phase = 'request';
    state.tries = 0;
    this.transmit(state);
    return 'busy';
  }

  private finish(state: DhcpState, acknowledge: Uint8Array, message: DhcpAnswerMessage): DhcpStep {
    const proxy = state.proxy && parseDhcpReply(state.proxy);
    const named = proxy ?? message;
    if (named.bootFile === '') return 'no-boot-file';
    const identifier = named.options.get(OPTION_SERVER_ID);
    const server = isAny(named.server) && identifier?.length === 4 ? identifier : named.server;
    this.link.state.address = message.yourAddress.slice();
    this.link.state.mask = addressOption(message, OPTION_SUBNET_MASK);
    this.link.state.router = addressOption(message, OPTION_ROUTER);
    return {
      discover: state.discover,
      acknowledge,
      boot: state.proxy ?? acknowledge,
      server: server.slice(),
      fileName: named.bootFile,
    };
  }

  private transmit(state: DhcpState): void {
    const now = this.now();
    const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
    const options: [number, Uint8Array][] = [
      [OPTION_PARAMETERS, Uint8Array.from(PARAMETERS)],
      [OPTION_MAX_MESSAGE, Uint8Array.of(MAX_MESSAGE_BYTES >> 8, MAX_MESSAGE_BYTES & 0xff)],
      [OPTION_CLIENT_UUID, Uint8Array.of(0, ...this.uuid)],
      [OPTION_CLIENT_ARCH, Uint8Array.of(0, 0)],
      [OPTION_CLIENT_NDI, Uint8Array.of(1, 2, 1)],
      [OPTION_VENDOR_CLASS, ascii(CLASS)],
    ];
    const offered = state.phase === 'request' && state.offer ? parseDhcpReply(state.offer) : null;
    if (offered) {
      options.push([OPTION_REQUESTED_IP, offered.yourAddress.slice()]);
      const server = offered.options.get(OPTION_SERVER_ID);
      if (server) options.push([OPTION_SERVER_ID, server.slice()]);
    }
    const message = buildDhcpRequest({
      type: offered ? DHCPREQUEST : DHCPDISCOVER,
      xid: state.xid,
      seconds: Math.min(Math.floor((now - state.startedNs) / SECOND_NS), 0xffff),
      clientMac: this.link.card.mac,
      options,
    });
    if (!offered) state.discover = message;
    this.link.state.address = ANY_IPV4.slice();
    this.link.send(DHCP_CLIENT_PORT, BROADCAST_IPV4, DHCP_SERVER_PORT, message);
    state.deadlineNs = now + WAITS_NS[Math.min(state.tries, WAITS_NS.length - 1)];
    state.tries++;
  }
}

function sameServer(a: DhcpAnswerMessage, b: DhcpAnswerMessage): boolean {
  const [one, other] = [a, b].map(({ options }) => options.get(OPTION_SERVER_ID) ?? ANY_IPV4);
  return sameAddress(one, other);
}

/** The first address of an option, zero without one. */
function addressOption({ options }: DhcpAnswerMessage, code: number): Uint8Array {
  const bytes = options.get(code);
  return bytes && bytes.length >= 4 ? bytes.slice(0, 4) : ANY_IPV4.slice();
}
