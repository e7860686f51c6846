/**
 * Virtio network device.
 * Document: VIRTIO 1.2, section 5.1. Scope: one queue pair, mergeable receive buffers, control queue (receive mode,
 * MAC table, VLAN filter), checksum offload and large TCP segments both ways.
 * Missing: several queue pairs, receive coalescing, UDP segmentation, announcements.
 */
import {
  MAX_LARGE_FRAME_BYTES,
  OFFLOAD_GOOD,
  OFFLOAD_KIND,
  OFFLOAD_NONE,
  OFFLOAD_PARTIAL,
  OFFLOAD_SHIFT,
  RECEIVE_PARTIAL,
  RECEIVE_TCPV4,
  RECEIVE_TCPV6,
  type FrameOffload,
  type NetworkBackend,
} from '../../hw';
import { isBroadcast, isFor, isMulticast, MAC_BYTES, macBytes } from '../net/mac-address';
import {
  checkChecksums,
  completeChecksum,
  ETHER_TYPE_IPV6,
  ETHER_TYPE_VLAN,
  frameLayout,
  sealLarge,
  segmentTcp,
  tcpSegmentation,
} from '../net/offload';
import { gather, scatter, totalBytes } from './scatter';
import type { VirtioDevice, VirtioTransport } from './virtio-device';
import { VIRTIO_F_VERSION_1, VIRTIO_ID_NET } from './virtio-regs';
import type { VirtChain } from './virtqueue';

// Feature bits, 5.1.3.
const VIRTIO_NET_F_CSUM = 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1;
const VIRTIO_NET_F_MAC = 5;
const VIRTIO_NET_F_GUEST_TSO4 = 7;
const VIRTIO_NET_F_GUEST_TSO6 = 8;
const VIRTIO_NET_F_HOST_TSO4 = 11;
const VIRTIO_NET_F_HOST_TSO6 = 12;
const VIRTIO_NET_F_HOST_ECN = 13;
export const VIRTIO_NET_F_MRG_RXBUF = 15;
const VIRTIO_NET_F_STATUS = 16;
export const VIRTIO_NET_F_CTRL_VQ = 17;
export const VIRTIO_NET_F_CTRL_RX = 18;
export const VIRTIO_NET_F_CTRL_VLAN = 19;
const VIRTIO_NET_F_CTRL_RX_EXTRA = 20;
const VIRTIO_NET_F_CTRL_MAC_ADDR = 23;

const QUEUE_RX = 0;
const QUEUE_TX = 1;
const QUEUE_CTRL = 2;
const RING_SIZE = 256;
const CTRL_SIZE = 64;

// Configuration space, 5.1.4.
const CONFIG_BYTES = 12;
const CONFIG_STATUS = 6;
const CONFIG_MAX_PAIRS = 8;
const VIRTIO_NET_S_LINK_UP = 1;

// Packet header, 5.1.6.
const HEADER_LEGACY_BYTES = 10;
const HEADER_BYTES = 12;
const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
const VIRTIO_NET_HDR_F_DATA_VALID = 2;
/** Where the checksum lies in a TCP header. */
const TCP_CHECKSUM = 16;
const GSO_NONE = 0;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_ECN = 0x80;
const HDR_FLAGS = 0;
const HDR_GSO_TYPE = 1;
const HDR_HDR_LEN = 2;
const HDR_GSO_SIZE = 4;
const HDR_CSUM_START = 6;
const HDR_CSUM_OFFSET = 8;
const HDR_NUM_BUFFERS = 10;

/** Longest packet a driver may hand over: 64 KiB of TCP and its headers. Longer ones are dropped. */
const MAX_PACKET_BYTES = 0x10000 + 128;

// Control queue, 5.1.6.5.
const CTRL_RX = 0;
const CTRL_MAC = 1;
const CTRL_MAC_TABLE_SET = 0;
const CTRL_MAC_ADDR_SET = 1;
const CTRL_VLAN = 2;
const CTRL_VLAN_ADD = 0;
const CTRL_VLAN_DEL = 1;
const CTRL_OK = 0;
const CTRL_ERR = 1;
/** Addresses of the MAC table; with more the device takes all of that kind. */
const MAX_MAC_TABLE = 64;
/** Longest control command read: two full tables and their counts; what is longer is refused. */
const MAX_CTRL_BYTES = 0x2000;

/** Receive modes in the order of the commands of class CTRL_RX. */
const RX_MODES = ['promiscuous', 'allMulti', 'allUni', 'noMulti', 'noUni', 'noBroadcast'] as const;
type RxMode = Record<(typeof RX_MODES)[number], boolean>;

export interface VirtioNetState {
  version: 1;
  mac: Uint8Array;
  mode: RxMode;
  /** Six bytes an address. */
  unicast: Uint8Array;
  multicast: Uint8Array;
  /** The table was too long: all addresses of the kind are taken. */
  unicastOverflow: boolean;
  multicastOverflow: boolean;
  /** A bit for each of 4,096 VLANs. */
  vlans: Uint8Array;
}

export interface VirtioNetConfig {
  /** `00:16:3e:xx:xx:xx`. */
  readonly mac: string;
}

export class VirtioNet implements VirtioDevice {
  readonly deviceType = VIRTIO_ID_NET;
  readonly pciClass = 0x020000;
  readonly queueSizes = [RING_SIZE, RING_SIZE, CTRL_SIZE];
  readonly features = [
    VIRTIO_NET_F_CSUM,
    VIRTIO_NET_F_GUEST_CSUM,
    VIRTIO_NET_F_MAC,
    VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6,
    VIRTIO_NET_F_HOST_TSO4,
    VIRTIO_NET_F_HOST_TSO6,
    VIRTIO_NET_F_HOST_ECN,
    VIRTIO_NET_F_MRG_RXBUF,
    VIRTIO_NET_F_STATUS,
    VIRTIO_NET_F_CTRL_VQ,
    VIRTIO_NET_F_CTRL_RX,
    VIRTIO_NET_F_CTRL_VLAN,
    VIRTIO_NET_F_CTRL_RX_EXTRA,
    VIRTIO_NET_F_CTRL_MAC_ADDR,
  ];
  readonly config = new Uint8Array(CONFIG_BYTES);
  readonly counters = { sent: 0, received: 0, filtered: 0, dropped: 0 };
  private readonly address: Uint8Array;
  private transport: VirtioTransport | undefined;
  private s: VirtioNetState;
  private readonly packet = new Uint8Array(MAX_PACKET_BYTES);
  private readonly header = new Uint8Array(HEADER_BYTES);
  private readonly headerView = new DataView(this.header.buffer);

  constructor(
    private readonly backend: NetworkBackend,
    settings: VirtioNetConfig,
  ) {
    this.address = macBytes(settings.mac);
    this.s = this.powerOn();
    backend.onReceive = (frame, offload = OFFLOAD_NONE) => this.receive(frame, offload);
    backend.onLinkChange = () => {
      this.showConfig();
      this.transport?.configChanged();
    };
    this.showConfig();
  }

  attach(transport: VirtioTransport): void {
    this.transport = transport;
  }

  /** Legacy drivers set the address by writing it here (5.1.4.4). */
  writeConfig(offset: number, length: number, value: number): void {
    if (this.transport?.has(VIRTIO_F_VERSION_1)) return;
    for (let i = 0; i < length && offset + i < MAC_BYTES; i++)
      this.s.mac[offset + i] = value >>> (8 * i);
    this.showConfig();
  }

  start(): void {
    // Without the VLAN filter every VLAN is let in; with it those that the driver names (5.1.6.5.3).
    this.s.vlans.fill(this.transport?.has(VIRTIO_NET_F_CTRL_VLAN) ? 0 : 0xff);
    this.offerReceive();
  }

  /** What the driver takes from the back end. */
  private offerReceive(): void {
    const { transport } = this;
    if (!transport?.running || !transport.has(VIRTIO_NET_F_GUEST_CSUM)) {
      this.backend.receiveOffloads = 0;
      return;
    }
    this.backend.receiveOffloads =
      RECEIVE_PARTIAL |
      (transport.has(VIRTIO_NET_F_GUEST_TSO4) ? RECEIVE_TCPV4 : 0) |
      (transport.has(VIRTIO_NET_F_GUEST_TSO6) ? RECEIVE_TCPV6 : 0);
  }

  notify(queue: number): void {
    if (queue === QUEUE_TX) this.transmit();
    else if (queue === QUEUE_CTRL) this.control();
    else this.backend.ready();
  }

  reset(): void {
    this.s = this.powerOn();
    this.showConfig();
    this.backend.receiveOffloads = 0;
  }

  save(): VirtioNetState {
    return copyState(this.s);
  }

  restore(state: VirtioNetState): void {
    this.s = copyState(state);
    this.showConfig();
    this.offerReceive();
    this.backend.ready();
  }

  private powerOn(): VirtioNetState {
    return {
      version: 1,
      mac: new Uint8Array(this.address),
      // Until a driver says otherwise everything is let in, as drivers without a control queue need.
      mode: {
        promiscuous: true,
        allMulti: false,
        allUni: false,
        noMulti: false,
        noUni: false,
        noBroadcast: false,
      },
      unicast: new Uint8Array(0),
      multicast: new Uint8Array(0),
      unicastOverflow: false,
      multicastOverflow: false,
      vlans: new Uint8Array(512).fill(0xff),
    };
  }

  private showConfig(): void {
    this.config.set(this.s.mac);
    this.config[CONFIG_STATUS] = this.backend.linkUp ? VIRTIO_NET_S_LINK_UP : 0;
    this.config[CONFIG_MAX_PAIRS] = 1;
  }

  private get headerBytes(): number {
    const { transport } = this;
    const isLong = transport?.has(VIRTIO_F_VERSION_1) || transport?.has(VIRTIO_NET_F_MRG_RXBUF);
    return isLong ? HEADER_BYTES : HEADER_LEGACY_BYTES;
  }

  // --- Receive

  private receive(frame: Uint8Array, offload: FrameOffload): boolean {
    const { transport } = this;
    if (!transport?.running) return true;
    if (!this.isWanted(frame) || !this.describe(transport, frame, offload)) {
      this.counters.filtered++;
      return true;
    }
    const queue = transport.queue(QUEUE_RX);
    const merge = transport.has(VIRTIO_NET_F_MRG_RXBUF);
    const need = this.headerBytes + frame.length;
    const chains: VirtChain[] = [];
    let room = 0;
    while (room < need) {
      const chain = queue.pop();
      if (chain) {
        chains.push(chain);
        room += totalBytes(chain.writable);
        if (merge || room >= need) continue;
        this.counters.dropped++;
      }
      for (const _ of chains) queue.unpop();
      // No buffer: the frame is offered again. One that is too small for a whole frame: the frame is lost.
      return chain !== undefined || !transport.running;
    }
    this.deliver(chains, frame);
    this.counters.received++;
    return true;
  }

  /** Fills in the packet header. False for a frame that the driver does not take as it is: one that was on its way when the driver changed. */
  private describe(transport: VirtioTransport, frame: Uint8Array, offload: FrameOffload): boolean {
    const { header, headerView } = this;
    header.fill(0);
    const kind = offload & OFFLOAD_KIND;
    const checks = transport.has(VIRTIO_NET_F_GUEST_CSUM);
    if (kind !== OFFLOAD_PARTIAL) {
      const isGood =
        checks && (kind === OFFLOAD_GOOD || checkChecksums(frame).transport === 'good');
      if (isGood) header[HDR_FLAGS] = VIRTIO_NET_HDR_F_DATA_VALID;
      return true;
    }
    const { etherType, network } = frameLayout(frame);
    const isIpv6 = etherType === ETHER_TYPE_IPV6;
    const start = network + (isIpv6 ? 40 : (frame[network] & 0x0f) * 4);
    const mss = offload >>> OFFLOAD_SHIFT;
    const layout = tcpSegmentation(frame, start, Math.max(mss, 1));
    const wanted = isIpv6 ? VIRTIO_NET_F_GUEST_TSO6 : VIRTIO_NET_F_GUEST_TSO4;
    if (!checks || !layout || (mss > 0 && !transport.has(wanted))) return false;
    header[HDR_FLAGS] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    headerView.setUint16(HDR_CSUM_START, start, true);
    headerView.setUint16(HDR_CSUM_OFFSET, TCP_CHECKSUM, true);
    if (mss === 0) return true;
    header[HDR_GSO_TYPE] = isIpv6 ? GSO_TCPV6 : GSO_TCPV4;
    headerView.setUint16(HDR_HDR_LEN, layout.payload, true);
    headerView.setUint16(HDR_GSO_SIZE, mss, true);
    return true;
  }

  private deliver(chains: readonly VirtChain[], frame: Uint8Array): void {
    const { transport, header, headerView, headerBytes } = this;
    if (!transport) return;
    headerView.setUint16(HDR_NUM_BUFFERS, chains.length, true);
    const queue = transport.queue(QUEUE_RX);
    let at = 0;
    chains.forEach((chain, index) => {
      const skip = index === 0 ? headerBytes : 0;
      if (index === 0)
        scatter(transport.memory, chain.writable, 0, header.subarray(0, headerBytes));
      const used = scatter(transport.memory, chain.writable, skip, frame.subarray(at));
      at += used;
      queue.put(chain.head, skip + used, index);
    });
    queue.publish(chains.length);
    transport.signal(QUEUE_RX);
  }

  private isWanted(frame: Uint8Array): boolean {
    const { mode, mac, unicast, multicast, vlans, unicastOverflow, multicastOverflow } = this.s;
    if (mode.promiscuous) return true;
    if (((frame[12] << 8) | frame[13]) === ETHER_TYPE_VLAN) {
      const vlan = ((frame[14] & 0x0f) << 8) | frame[15];
      if (!(vlans[vlan >> 3] & (1 << (vlan & 7)))) return false;
    }
    if (isBroadcast(frame)) return !mode.noBroadcast;
    if (isMulticast(frame))
      return !mode.noMulti && (mode.allMulti || multicastOverflow || isInTable(frame, multicast));
    if (mode.noUni) return false;
    return mode.allUni || unicastOverflow || isFor(frame, mac) || isInTable(frame, unicast);
  }

  // --- Transmit

  private transmit(): void {
    const { transport } = this;
    if (!transport) return;
    const queue = transport.queue(QUEUE_TX);
    for (let i = 0; i < RING_SIZE; i++) {
      const chain = queue.pop();
      if (!chain) break;
      this.sendChain(transport, chain);
      queue.push(chain.head, 0);
    }
    transport.signal(QUEUE_TX);
  }

  private sendChain(transport: VirtioTransport, { readable }: VirtChain): void {
    const { headerBytes, header, packet } = this;
    const bytes = totalBytes(readable) - headerBytes;
    if (bytes <= 0 || bytes > MAX_PACKET_BYTES) {
      this.counters.dropped++;
      return;
    }
    gather(transport.memory, readable, 0, header.subarray(0, headerBytes));
    const frame = packet.subarray(0, bytes);
    gather(transport.memory, readable, headerBytes, frame);
    this.counters.sent++;
    const gso = header[HDR_GSO_TYPE] & ~GSO_ECN;
    const start = this.headerView.getUint16(HDR_CSUM_START, true);
    if (gso === GSO_TCPV4 || gso === GSO_TCPV6) {
      const mss = this.headerView.getUint16(HDR_GSO_SIZE, true);
      const layout = tcpSegmentation(frame, start, mss);
      if (!layout) this.counters.dropped++;
      else if (this.backend.takesOffload && bytes <= MAX_LARGE_FRAME_BYTES) {
        sealLarge(frame, layout);
        this.backend.send(frame, OFFLOAD_PARTIAL);
      } else segmentTcp(frame, layout, (segment) => this.backend.send(segment));
      return;
    }
    if (gso !== GSO_NONE) {
      this.counters.dropped++;
      return;
    }
    let offload = OFFLOAD_NONE;
    if (header[HDR_FLAGS] & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
      const field = this.headerView.getUint16(HDR_CSUM_OFFSET, true);
      const isTcp = field === TCP_CHECKSUM && tcpSegmentation(frame, start, 1) !== undefined;
      if (isTcp && this.backend.takesOffload) offload = OFFLOAD_PARTIAL;
      else completeChecksum(frame, start, start + field);
    }
    this.backend.send(frame, offload);
  }

  // --- Control

  private control(): void {
    const { transport } = this;
    if (!transport) return;
    const queue = transport.queue(QUEUE_CTRL);
    for (let i = 0; i < CTRL_SIZE; i++) {
      const chain = queue.pop();
      if (!chain) break;
      const bytes = totalBytes(chain.readable);
      const command = new Uint8Array(Math.min(bytes, MAX_CTRL_BYTES));
      gather(transport.memory, chain.readable, 0, command);
      const isOk = bytes >= 3 && bytes <= MAX_CTRL_BYTES && this.runControl(command);
      const ack = Uint8Array.of(isOk ? CTRL_OK : CTRL_ERR);
      const room = totalBytes(chain.writable);
      scatter(transport.memory, chain.writable, room - 1, room > 0 ? ack : ack.subarray(1));
      queue.push(chain.head, Math.min(room, 1));
    }
    transport.signal(QUEUE_CTRL);
  }

  private runControl(command: Uint8Array): boolean {
    const [kind, code] = command;
    const data = command.subarray(2);
    switch (kind) {
      case CTRL_RX: {
        const mode = RX_MODES.at(code);
        if (!mode) return false;
        this.s.mode[mode] = data[0] !== 0;
        return true;
      }
      case CTRL_MAC:
        return this.setAddresses(code, data);
      case CTRL_VLAN: {
        const vlan = data[0] | (data[1] << 8);
        if (data.length < 2 || vlan > 4095) return false;
        if (code === CTRL_VLAN_ADD) this.s.vlans[vlan >> 3] |= 1 << (vlan & 7);
        else if (code === CTRL_VLAN_DEL) this.s.vlans[vlan >> 3] &= ~(1 << (vlan & 7));
        else return false;
        return true;
      }
      default:
        return false;
    }
  }

  private setAddresses(code: number, data: Uint8Array): boolean {
    if (code === CTRL_MAC_ADDR_SET) {
      if (data.length !== MAC_BYTES) return false;
      this.s.mac.set(data);
      this.showConfig();
      return true;
    }
    if (code !== CTRL_MAC_TABLE_SET) return false;
    const unicast = macTable(data, 0);
    const multicast = unicast && macTable(data, unicast.end);
    if (!multicast || multicast.end !== data.length) return false;
    this.s.unicast = unicast.addresses;
    this.s.unicastOverflow = unicast.overflow;
    this.s.multicast = multicast.addresses;
    this.s.multicastOverflow = multicast.overflow;
    return true;
  }
}

interface MacTable {
  readonly addresses: Uint8Array;
  readonly overflow: boolean;
  readonly end: number;
}

/** struct virtio_net_ctrl_mac: a count and as many addresses. */
function macTable(data: Uint8Array, at: number): MacTable | undefined {
  if (at + 4 > data.length) return undefined;
  const entries = new DataView(data.buffer, data.byteOffset + at, 4).getUint32(0, true);
  const end = at + 4 + entries * MAC_BYTES;
  if (end > data.length) return undefined;
  const overflow = entries > MAX_MAC_TABLE;
  return { addresses: overflow ? new Uint8Array(0) : data.slice(at + 4, end), overflow, end };
}

function isInTable(frame: Uint8Array, table: Uint8Array): boolean {
  for (let at = 0; at < table.length; at += MAC_BYTES) if (isFor(frame, table, at)) return true;
  return false;
}

function copyState(s: VirtioNetState): VirtioNetState {
  return {
    ...s,
    mode: { ...s.mode },
    mac: new Uint8Array(s.mac),
    unicast: new Uint8Array(s.unicast),
    multicast: new Uint8Array(s.multicast),
    vlans: new Uint8Array(s.vlans),
  };
}
