import { OFFLOAD_KIND, OFFLOAD_PARTIAL, type FrameOffload } from '../../core/hw';
import {
  UserNat,
  type EgressOptions,
  type GatewayAddresses,
  type NatBoot,
} from '../../core/net/nat';
import { parseIp, parsePrefix } from '../../core/net/wire';
import { FakeNetworkHost } from './net-host';
import { GUEST_MAC, GuestTcp, hear, type Heard } from './net-guest';
import { ManualTimers } from './net-timers';

export const GATEWAY_MAC = Uint8Array.of(0x00, 0x16, 0x3e, 0xff, 0xff, 0x02);

export function ip(text: string): Uint8Array {
  const bytes = parseIp(text);
  if (!bytes) throw new Error(`${text} is not an address`);
  return bytes;
}

export const GATEWAY = ip('10.0.2.2');
export const DNS = ip('10.0.2.3');
export const GUEST = ip('10.0.2.15');
export const GUEST6 = ip('fd00:d0::15');
export const GATEWAY6 = ip('fd00:d0::2');

export const ADDRESSES: GatewayAddresses = {
  mac: GATEWAY_MAC,
  ipv4: parsePrefix('10.0.2.0/24')!,
  gateway: GATEWAY,
  dns: DNS,
  ipv6: {
    prefix: parsePrefix('fd00:d0::/64')!,
    gateway: GATEWAY6,
    linkLocal: ip('fe80::2'),
    dns: ip('fd00:d0::3'),
  },
};

/** A NAT with a guest on one side and a fake host on the other; nothing happens unless the test says so. */
export class NatLab {
  readonly timers = new ManualTimers();
  readonly host = new FakeNetworkHost();
  readonly nat: UserNat;
  /** Frames the guest has got. */
  readonly heard: Heard[] = [];
  readonly tcp: GuestTcp[] = [];
  /** Decides about each frame to the guest: false loses it. */
  filter: (frame: Heard) => boolean = () => true;
  /** False: the link has no room. */
  room = true;
  /** What the guest's card takes, RECEIVE_*. */
  receiveOffloads = 0;
  /** What went with the frames to the guest. */
  readonly offloads: FrameOffload[] = [];
  /** Frames whose TCP checksum is left to the card. */
  private readonly partial = new WeakSet<Uint8Array>();
  private toNat: Uint8Array[] = [];
  private toGuest: Uint8Array[] = [];

  constructor(egress: Partial<EgressOptions> = {}, boot?: NatBoot) {
    let seed = 0x12345678;
    this.nat = new UserNat(
      {
        network: this.host,
        timers: this.timers,
        random32: () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0),
      },
      {
        addresses: ADDRESSES,
        firstHost: 15,
        domainName: '',
        hostName: 'guest',
        egress: { outside: true, lan: false, rules: [], ...egress },
        ...(boot && { boot }),
      },
      (frame, offload) => {
        if (!this.room) return false;
        const copy = frame.slice();
        this.toGuest.push(copy);
        this.offloads.push(offload);
        if ((offload & OFFLOAD_KIND) === OFFLOAD_PARTIAL) this.partial.add(copy);
        return true;
      },
      () => this.receiveOffloads,
    );
  }

  /** The guest sends a frame; `settle` lets it arrive. */
  send(frame: Uint8Array): void {
    this.toNat.push(frame.slice());
  }

  /** Carries frames both ways until all is quiet. */
  settle(order: (frames: Uint8Array[]) => Uint8Array[] = (frames) => frames): void {
    for (let i = 0; i < 10_000 && (this.toNat.length > 0 || this.toGuest.length > 0); i++) {
      for (const frame of order(this.toNat.splice(0))) this.nat.receive(frame);
      this.nat.flush();
      for (const frame of order(this.toGuest.splice(0))) this.deliver(frame);
    }
  }

  /** Sends one frame and returns what the guest hears because of it. */
  exchange(frame: Uint8Array): Heard[] {
    const before = this.heard.length;
    this.send(frame);
    this.settle();
    return this.heard.slice(before);
  }

  /** A connection of the guest's, its SYN already sent. */
  connect(
    remote: Uint8Array,
    port: number,
    options: { mss?: number; shift?: number; seq?: number; from?: number } = {},
  ): GuestTcp {
    const source = remote.length === 4 ? GUEST : GUEST6;
    const from = options.from ?? 40000 + this.tcp.length;
    const guest = new GuestTcp(
      (frame) => this.send(frame),
      GATEWAY_MAC,
      source,
      from,
      remote,
      port,
      options,
    );
    this.tcp.push(guest);
    guest.connect();
    this.settle();
    return guest;
  }

  /** A connection that is open on both sides. */
  open(remote: Uint8Array, port: number, options: { mss?: number; shift?: number } = {}) {
    const guest = this.connect(remote, port, options);
    const stream = this.host.streams.at(-1);
    if (!stream) throw new Error('the host was not asked to connect');
    stream.events.onConnect();
    this.settle();
    return { guest, stream };
  }

  /** Lets time pass in ticks, frames flowing. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 50) {
      this.timers.advance(Math.min(50, left));
      this.settle();
    }
  }

  private deliver(frame: Uint8Array): void {
    const heard = hear(frame, !this.partial.has(frame));
    if (!this.filter(heard)) return;
    this.heard.push(heard);
    const { tcp, packet } = heard;
    if (!tcp || !packet) return;
    for (const guest of this.tcp)
      if (guest.port === tcp.destinationPort && guest.remotePort === tcp.sourcePort)
        guest.arrive(tcp);
  }
}

export { GUEST_MAC };
