/**
 * A learning Ethernet switch (IEEE 802.1D clause 7, without spanning tree): frames go to the port their destination
 * was last seen on, to all others when it is not known or a group. A frame never leaves by the port it came in on and
 * passes the switch once, so ports alone make no loop; a port that claims another port's own address is refused.
 */
import { formatMac, isGroupMac, parseMac } from '../wire';

/** Addresses learned; the one not seen for longest gives way (a flood of made-up addresses evicts only itself). */
const MAX_ADDRESSES = 1024;
/** 802.1D 7.9.2: default ageing time. */
const AGEING_MS = 300_000;
/** Frames waiting for one slow port; more are dropped, as in any switch. */
const MAX_QUEUED_FRAMES = 256;
const MIN_FRAME_BYTES = 14;
const MAX_FRAME_BYTES = 1518;
/** 802.1D 7.12.6: bridge management addresses are not forwarded. */
const RESERVED = '01:80:c2:00:00:0';

/** What is plugged into a port. */
export interface SwitchClient {
  /** Takes a frame, valid during the call; false when there is no room: `resume` on the port must follow. */
  deliver(frame: Uint8Array): boolean;
}

export interface SwitchPortOptions {
  /** The only source address this port may use; undefined: any but those of other ports. */
  readonly mac?: string;
}

export interface SwitchPort {
  /** Sends a frame into the switch. It is copied where it must wait. */
  send(frame: Uint8Array): void;
  /** The client takes frames again. */
  resume(): void;
  readonly counters: Readonly<PortCounters>;
  unplug(): void;
}

export interface PortCounters {
  framesIn: number;
  framesOut: number;
  /** No room, malformed, or a source address that is not the port's. */
  dropped: number;
}

interface Learned {
  readonly port: Port;
  seenAt: number;
}

class Port implements SwitchPort {
  readonly counters: PortCounters = { framesIn: 0, framesOut: 0, dropped: 0 };
  private readonly queue: Uint8Array[] = [];

  constructor(
    private readonly owner: EthernetSwitch,
    private readonly client: SwitchClient,
    /** As text; undefined when the port may use any. */
    readonly mac: string | undefined,
  ) {}

  send(frame: Uint8Array): void {
    this.owner.forward(this, frame);
  }

  take(frame: Uint8Array): void {
    if (this.queue.length === 0 && this.client.deliver(frame)) {
      this.counters.framesOut++;
      return;
    }
    if (this.queue.length >= MAX_QUEUED_FRAMES) this.counters.dropped++;
    else this.queue.push(frame.slice());
  }

  resume(): void {
    while (this.queue.length > 0 && this.client.deliver(this.queue[0])) {
      this.queue.shift();
      this.counters.framesOut++;
    }
  }

  unplug(): void {
    this.queue.length = 0;
    this.owner.remove(this);
  }
}

export class EthernetSwitch {
  private readonly ports = new Set<Port>();
  private readonly learned = new Map<string, Learned>();

  constructor(private readonly now: () => number) {}

  get portCount(): number {
    return this.ports.size;
  }

  /** Addresses seen, with nothing about where: for status pages. */
  get addresses(): string[] {
    return [...this.learned.keys()];
  }

  plug(client: SwitchClient, options: SwitchPortOptions = {}): SwitchPort {
    const mac = options.mac === undefined ? undefined : parseMac(options.mac);
    const port = new Port(this, client, mac && formatMac(mac));
    this.ports.add(port);
    return port;
  }

  /** Takes a frame from a port. */
  forward(from: Port, frame: Uint8Array): void {
    const { counters } = from;
    counters.framesIn++;
    if (!this.ports.has(from) || !this.accept(from, frame)) {
      counters.dropped++;
      return;
    }
    const destination = frame.subarray(0, 6);
    const text = formatMac(destination);
    if (text.startsWith(RESERVED)) return;
    const known = isGroupMac(destination) ? undefined : this.find(text);
    if (known) {
      if (known !== from) known.take(frame);
      return;
    }
    for (const port of this.ports) {
      // A port that has one address of its own hears no unicast for others.
      const isForeign = !isGroupMac(destination) && port.mac !== undefined && port.mac !== text;
      if (port !== from && !isForeign) port.take(frame);
    }
  }

  remove(port: Port): void {
    this.ports.delete(port);
    for (const [mac, entry] of this.learned) if (entry.port === port) this.learned.delete(mac);
  }

  private accept(from: Port, frame: Uint8Array): boolean {
    if (frame.length < MIN_FRAME_BYTES || frame.length > MAX_FRAME_BYTES) return false;
    const source = frame.subarray(6, 12);
    if (isGroupMac(source)) return false;
    const text = formatMac(source);
    if (from.mac !== undefined) {
      if (from.mac !== text) return false;
    } else {
      for (const port of this.ports) if (port !== from && port.mac === text) return false;
    }
    this.learn(text, from);
    return true;
  }

  private learn(mac: string, port: Port): void {
    const known = this.learned.get(mac);
    if (known?.port === port) {
      known.seenAt = this.now();
      return;
    }
    this.learned.delete(mac);
    this.learned.set(mac, { port, seenAt: this.now() });
    if (this.learned.size <= MAX_ADDRESSES) return;
    for (const [other, entry] of this.learned) {
      if (entry.port.mac === other) continue;
      this.learned.delete(other);
      break;
    }
  }

  private find(mac: string): Port | undefined {
    const entry = this.learned.get(mac);
    if (!entry) return undefined;
    if (this.now() - entry.seenAt <= AGEING_MS) return entry.port;
    this.learned.delete(mac);
    return undefined;
  }
}
