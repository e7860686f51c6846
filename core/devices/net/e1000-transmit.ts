/**
 * Transmit descriptors of the 8254x: legacy, context and data; checksum and TCP segmentation offload.
 * Document: Intel 317453-005, sections 3.3 to 3.5. Missing: UDP segmentation (drivers do not use it).
 */
import type { GuestMemory } from '../../hw';
import {
  DESCRIPTOR_BYTES,
  POPTS_IXSM,
  POPTS_TXSM,
  TUCMD_TCP,
  TUCMD_TSE,
  TX_CMD_DEXT,
  TX_CMD_EOP,
  TX_CMD_IC,
  TX_CMD_RPS,
  TX_CMD_RS,
  TX_CMD_TSE,
  TX_CMD_VLE,
  TX_STATUS_DD,
} from './e1000-regs';
import { completeChecksum, segmentTcp, type Segmentation } from './offload';

/** Longest packet a driver may put together; PAYLEN has 20 bits, TCP uses 64 KiB. Longer ones are dropped. */
const MAX_PACKET_BYTES = 0x10000 + 256;
const DTYP_CONTEXT = 0;

/** A context descriptor, 3.3.6: what later data descriptors ask for. */
export interface TxContext {
  ipcss: number;
  ipcso: number;
  ipcse: number;
  tucss: number;
  tucso: number;
  tucse: number;
  command: number;
  headerLength: number;
  mss: number;
}

export interface E1000TransmitState {
  /** Contexts with and without segmentation are kept apart. */
  plain: TxContext;
  segmented: TxContext;
  /** The packet whose descriptors have come so far. */
  packet: Uint8Array;
  options: number;
  vlan: number;
  isSegmented: boolean;
  overflow: boolean;
}

export interface E1000TransmitWires {
  readonly memory: GuestMemory;
  send(frame: Uint8Array): void;
  /** Takes a large TCP segment as it is, IP header complete; false: it has to be cut. */
  sendLarge(frame: Uint8Array, layout: Segmentation): boolean;
  /** CTRL.VME and VET: 0 when tags are not inserted. */
  vlanType(): number;
}

export class E1000Transmit {
  readonly counters = { segmented: 0, dropped: 0 };
  private readonly buffer = new Uint8Array(MAX_PACKET_BYTES);
  private length = 0;
  private plain = noContext();
  private segmented = noContext();
  private options = 0;
  private vlan = -1;
  private isSegmented = false;
  private overflow = false;

  constructor(private readonly wires: E1000TransmitWires) {}

  reset(): void {
    this.begin();
    this.plain = noContext();
    this.segmented = noContext();
  }

  save(): E1000TransmitState {
    return {
      plain: { ...this.plain },
      segmented: { ...this.segmented },
      packet: this.buffer.slice(0, this.length),
      options: this.options,
      vlan: this.vlan,
      isSegmented: this.isSegmented,
      overflow: this.overflow,
    };
  }

  restore(state: E1000TransmitState): void {
    this.plain = { ...state.plain };
    this.segmented = { ...state.segmented };
    this.length = Math.min(state.packet.length, MAX_PACKET_BYTES);
    this.buffer.set(state.packet.subarray(0, this.length));
    this.options = state.options;
    this.vlan = state.vlan;
    this.isSegmented = state.isSegmented;
    this.overflow = state.overflow;
  }

  /** Carries out the descriptor at `gpa`; returns whether its status was reported (RS). */
  run(gpa: number): boolean {
    const { memory } = this.wires;
    const low = memory.readU32(gpa + 8);
    const high = memory.readU32(gpa + 12);
    const command = low >>> 24;
    if (!(command & TX_CMD_DEXT)) this.legacy(gpa, low, high);
    else if (((low >>> 20) & 15) === DTYP_CONTEXT) this.context(gpa, low, high);
    else this.data(gpa, low, high);
    if (!(command & (TX_CMD_RS | TX_CMD_RPS))) return false;
    memory.writeU8(gpa + DESCRIPTOR_BYTES - 4, (high & 0xff) | TX_STATUS_DD);
    return true;
  }

  private legacy(gpa: number, low: number, high: number): void {
    const command = low >>> 24;
    this.append(gpa, low & 0xffff);
    if (!(command & TX_CMD_EOP)) return;
    if (command & TX_CMD_VLE) this.vlan = high >>> 16;
    const start = (high >>> 8) & 0xff;
    const field = (low >>> 16) & 0xff;
    if (command & TX_CMD_IC && !this.overflow) completeChecksum(this.packet, start, field);
    this.emit(this.packet);
    this.begin();
  }

  private context(gpa: number, low: number, high: number): void {
    const { memory } = this.wires;
    const ip = memory.readU32(gpa);
    const tcp = memory.readU32(gpa + 4);
    const context: TxContext = {
      ipcss: ip & 0xff,
      ipcso: (ip >>> 8) & 0xff,
      ipcse: ip >>> 16,
      tucss: tcp & 0xff,
      tucso: (tcp >>> 8) & 0xff,
      tucse: tcp >>> 16,
      command: low >>> 24,
      headerLength: (high >>> 8) & 0xff,
      mss: high >>> 16,
    };
    if (context.command & TUCMD_TSE) this.segmented = context;
    else this.plain = context;
  }

  private data(gpa: number, low: number, high: number): void {
    const command = low >>> 24;
    if (this.length === 0 && !this.overflow) {
      // Options and segmentation are those of the packet's first descriptor (3.3.7.2).
      this.options = (high >>> 8) & 0xff;
      this.isSegmented = (command & TX_CMD_TSE) !== 0;
      this.vlan = -1;
    }
    this.append(gpa, low & 0xfffff);
    if (!(command & TX_CMD_EOP)) return;
    if (command & TX_CMD_VLE) this.vlan = high >>> 16;
    this.sendPacket();
    this.begin();
  }

  private sendPacket(): void {
    if (this.isSegmented) return this.sendSegments();
    const { packet, options, plain } = this;
    if (!this.overflow) {
      const { ipcss, ipcso, ipcse, tucss, tucso, tucse } = plain;
      if (options & POPTS_TXSM) completeChecksum(packet, tucss, tucso, end(packet, tucse));
      if (options & POPTS_IXSM) completeChecksum(packet, ipcss, ipcso, end(packet, ipcse));
    }
    this.emit(packet);
  }

  private sendSegments(): void {
    const { packet } = this;
    const { ipcss, tucss, headerLength, mss, command } = this.segmented;
    const isTcp = (command & TUCMD_TCP) !== 0;
    const fits = ipcss + 20 <= tucss && tucss + 20 <= headerLength && headerLength <= packet.length;
    if (this.overflow || !isTcp || !fits || mss === 0) {
      this.counters.dropped++;
      return;
    }
    this.counters.segmented++;
    const layout = { network: ipcss, transport: tucss, payload: headerLength, mss };
    const isTagged = this.vlan >= 0 && this.wires.vlanType() !== 0;
    if (!isTagged && this.wires.sendLarge(packet, layout)) return;
    segmentTcp(packet, layout, (segment) => this.emit(segment));
  }

  private get packet(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private begin(): void {
    this.length = 0;
    this.options = 0;
    this.vlan = -1;
    this.isSegmented = false;
    this.overflow = false;
  }

  private append(gpa: number, bytes: number): void {
    if (this.overflow || this.length + bytes > MAX_PACKET_BYTES) {
      this.overflow = true;
      return;
    }
    const { memory } = this.wires;
    const at = memory.readU32(gpa) + memory.readU32(gpa + 4) * 0x1_0000_0000;
    memory.readInto(at, this.buffer.subarray(this.length, this.length + bytes));
    this.length += bytes;
  }

  private emit(frame: Uint8Array): void {
    if (this.overflow) {
      this.counters.dropped++;
      return;
    }
    const type = this.wires.vlanType();
    if (this.vlan < 0 || type === 0 || frame.length < 12) return this.wires.send(frame);
    const tagged = new Uint8Array(frame.length + 4);
    tagged.set(frame.subarray(0, 12));
    tagged.set([type >> 8, type & 0xff, this.vlan >> 8, this.vlan & 0xff], 12);
    tagged.set(frame.subarray(12), 16);
    this.wires.send(tagged);
  }
}

/** IPCSE and TUCSE name the last byte; 0 is the end of the packet. */
function end(packet: Uint8Array, last: number): number {
  return last === 0 ? packet.length : Math.min(last + 1, packet.length);
}

function noContext(): TxContext {
  return {
    ipcss: 0,
    ipcso: 0,
    ipcse: 0,
    tucss: 0,
    tucso: 0,
    tucse: 0,
    command: 0,
    headerLength: 0,
    mss: 0,
  };
}
