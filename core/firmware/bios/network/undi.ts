/**
 * UNDI functions of the PXE API: frames as they are, through the cable of the card that the machine boots from.
 * Spec: PXE 2.1, section 4. There is no interrupt (IntNumber 0): boot programs poll UNDI_ISR.
 * Missing: changing the station address, diagnostics.
 */
import {
  BROADCAST_MAC,
  ETHERNET_HEADER,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  isGroupMac,
  put16,
  sameAddress,
  u16,
} from '../../../net';
import { MAX_ETHERNET_FRAME_BYTES } from '../../../hw';
import type { BiosMemory } from '../memory';
import type { BiosNetworkCard } from '../platform-api';
import type { PciConfig } from '../system/pci';
import * as pxe from './pxe-codes';
import { FRAME_BUFFER, PXE_SEGMENT } from './structures';
import { far } from './udp-services';

const FLTR_BRDCST = 0x0002;
const FLTR_PRMSC = 0x0004;

const P_UNKNOWN = 0;
const P_IP = 1;
const P_ARP = 2;
const P_RARP = 3;
const XMT_BROADCAST = 1;
const ETHERTYPE_RARP = 0x8035;
const MIN_FRAME_BYTES = 60;
const MAX_DATA_BLOCKS = 8;
const MAX_MULTICAST = 8;
const ADDRESS_BYTES = 16;

const ISR_IN_START = 1;
const ISR_IN_PROCESS = 2;
const ISR_IN_GET_NEXT = 3;
const ISR_OUT_OURS = 0;
const ISR_OUT_NOT_OURS = 1;
const ISR_OUT_DONE = 0;
const ISR_OUT_RECEIVE = 3;

const PACKET_DIRECTED = 0;
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;

const MTU = 1500;
const ETHERNET_TYPE = 1;
const NIC_PCI = 2;
const BUFFERS = 32;
const LINK_BITS_PER_SECOND = 1_000_000_000;
/** Broadcast, multicast, promiscuous, statistics, reset, open and close. */
const SERVICE_FLAGS = 0x0c2b;

export interface UndiState {
  stage: 'stopped' | 'started' | 'initialized' | 'opened';
  filter: number;
  multicast: Uint8Array[];
  sent: number;
  received: number;
}

export const emptyUndi = (): UndiState => ({
  stage: 'started',
  filter: 0,
  multicast: [],
  sent: 0,
  received: 0,
});

export class Undi {
  state: UndiState = emptyUndi();
  /** The last UNDI_ISR found no frame. */
  foundNothing = false;

  constructor(
    private readonly card: BiosNetworkCard,
    private readonly memory: BiosMemory,
    private readonly pci: PciConfig,
    /** STOP_UNDI: nothing of the network boot services is needed any more. */
    private readonly onStop: () => void,
  ) {}

  /** Runs a function; its status. `undefined`: not one of UNDI's. */
  call(opcode: number, parameters: number): number | undefined {
    const { state } = this;
    switch (opcode) {
      case pxe.START_UNDI:
      case pxe.UNDI_STARTUP:
        if (state.stage === 'stopped') state.stage = 'started';
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_CLEANUP:
      case pxe.STOP_UNDI:
        state.stage = 'stopped';
        this.card.release();
        if (opcode === pxe.STOP_UNDI) this.onStop();
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_INITIALIZE:
        state.stage = 'initialized';
        this.card.claim();
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_RESET_ADAPTER:
        this.takeMulticast(parameters + 2);
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_SHUTDOWN:
        state.stage = 'started';
        this.card.release();
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_OPEN:
        state.filter = this.memory.readU16(parameters + 4);
        this.takeMulticast(parameters + 6);
        this.card.claim();
        // What came before is of no interest to who opens the card.
        if (state.stage !== 'opened') while (this.card.receive());
        state.stage = 'opened';
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_CLOSE:
        if (state.stage !== 'opened') return pxe.STATUS_UNDI_INVALID_STATE;
        state.stage = 'initialized';
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_TRANSMIT:
        return this.transmit(parameters);
      case pxe.UNDI_SET_MCAST_ADDRESS:
        this.takeMulticast(parameters + 2);
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_SET_STATION_ADDRESS:
        return sameAddress(this.memory.read(parameters + 2, 6), this.card.mac)
          ? pxe.STATUS_SUCCESS
          : pxe.STATUS_UNSUPPORTED;
      case pxe.UNDI_SET_PACKET_FILTER:
        state.filter = this.memory.readU8(parameters + 2);
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_GET_INFORMATION:
        return this.information(parameters);
      case pxe.UNDI_GET_STATISTICS:
        this.memory.writeU32(parameters + 2, state.sent);
        this.memory.writeU32(parameters + 6, state.received);
        this.memory.writeU32(parameters + 10, 0);
        this.memory.writeU32(parameters + 14, 0);
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_CLEAR_STATISTICS:
        state.sent = 0;
        state.received = 0;
        return pxe.STATUS_SUCCESS;
      case pxe.UNDI_INITIATE_DIAGS:
      case pxe.UNDI_FORCE_INTERRUPT:
        return pxe.STATUS_UNSUPPORTED;
      case pxe.UNDI_GET_MCAST_ADDRESS:
        return this.multicastAddress(parameters);
      case pxe.UNDI_GET_NIC_TYPE:
        return this.nicType(parameters);
      case pxe.UNDI_GET_IFACE_INFO:
        return this.interfaceInfo(parameters);
      case pxe.UNDI_ISR:
        return this.isr(parameters);
      default:
        return undefined;
    }
  }

  private takeMulticast(at: number): void {
    const count = Math.min(this.memory.readU16(at), MAX_MULTICAST);
    this.state.multicast = Array.from({ length: count }, (_, i) =>
      this.memory.read(at + 2 + i * ADDRESS_BYTES, 6),
    );
  }

  private transmit(parameters: number): number {
    const { memory, state } = this;
    if (state.stage !== 'opened') return pxe.STATUS_UNDI_INVALID_STATE;
    const protocol = memory.readU8(parameters + 2);
    const descriptor = far(memory, parameters + 8);
    const pieces = [{ at: far(memory, descriptor + 2), length: memory.readU16(descriptor) }];
    const blocks = Math.min(memory.readU16(descriptor + 6), MAX_DATA_BLOCKS);
    for (let i = 0; i < blocks; i++) {
      const at = descriptor + 8 + i * 8;
      const isFar = memory.readU8(at) === 1;
      pieces.push({
        at: isFar ? far(memory, at + 4) : memory.readU32(at + 4),
        length: memory.readU16(at + 2),
      });
    }
    const header = protocol === P_UNKNOWN ? 0 : ETHERNET_HEADER;
    const length = pieces.reduce((sum, piece) => sum + piece.length, header);
    if (length < ETHERNET_HEADER || length > MAX_ETHERNET_FRAME_BYTES)
      return pxe.STATUS_UNDI_TRANSMIT_ERROR;
    const frame = new Uint8Array(Math.max(length, MIN_FRAME_BYTES));
    if (protocol !== P_UNKNOWN) {
      const types: Readonly<Record<number, number>> = {
        [P_IP]: ETHERTYPE_IPV4,
        [P_ARP]: ETHERTYPE_ARP,
        [P_RARP]: ETHERTYPE_RARP,
      };
      const type = types[protocol];
      if (type === undefined) return pxe.STATUS_UNDI_TRANSMIT_ERROR;
      const isBroadcast = memory.readU8(parameters + 3) === XMT_BROADCAST;
      frame.set(isBroadcast ? BROADCAST_MAC : memory.read(far(memory, parameters + 4), 6));
      frame.set(this.card.mac, 6);
      put16(frame, 12, type);
    }
    let at = header;
    for (const piece of pieces) {
      frame.set(memory.read(piece.at, piece.length), at);
      at += piece.length;
    }
    this.card.send(frame);
    state.sent++;
    return pxe.STATUS_SUCCESS;
  }

  private information(parameters: number): number {
    const { memory, card } = this;
    const address = new Uint8Array(ADDRESS_BYTES);
    address.set(card.mac);
    memory.writeU16(parameters + 2, 0);
    memory.writeU16(parameters + 4, 0);
    memory.writeU16(parameters + 6, MTU);
    memory.writeU16(parameters + 8, ETHERNET_TYPE);
    memory.writeU16(parameters + 10, card.mac.length);
    memory.write(parameters + 12, address);
    memory.write(parameters + 28, address);
    memory.writeU16(parameters + 44, 0);
    memory.writeU16(parameters + 46, BUFFERS);
    memory.writeU16(parameters + 48, BUFFERS);
    return pxe.STATUS_SUCCESS;
  }

  /** Ethernet group of an IPv4 group, RFC 1112 6.4. */
  private multicastAddress(parameters: number): number {
    const [, b, c, d] = this.memory.read(parameters + 2, 4);
    const address = new Uint8Array(ADDRESS_BYTES);
    address.set([0x01, 0x00, 0x5e, b & 0x7f, c, d]);
    this.memory.write(parameters + 6, address);
    return pxe.STATUS_SUCCESS;
  }

  private nicType(parameters: number): number {
    const { memory, pci, card } = this;
    const config = (register: number): number => pci.read(card.slot, 0, register, 4) >>> 0;
    const classes = config(0x08);
    memory.writeU8(parameters + 2, NIC_PCI);
    memory.writeU32(parameters + 3, config(0x00));
    memory.writeU8(parameters + 7, classes >>> 24);
    memory.writeU8(parameters + 8, classes >>> 16);
    memory.writeU8(parameters + 9, classes >>> 8);
    memory.writeU8(parameters + 10, classes);
    memory.writeU16(parameters + 11, card.slot << 3);
    memory.writeU32(parameters + 13, config(0x2c));
    return pxe.STATUS_SUCCESS;
  }

  private interfaceInfo(parameters: number): number {
    const { memory } = this;
    const name = new Uint8Array(ADDRESS_BYTES);
    name.set(Uint8Array.from('DIX+802.3', (c) => c.charCodeAt(0)));
    memory.write(parameters + 2, name);
    memory.writeU32(parameters + 18, LINK_BITS_PER_SECOND);
    memory.writeU32(parameters + 22, SERVICE_FLAGS);
    memory.write(parameters + 26, new Uint8Array(16));
    return pxe.STATUS_SUCCESS;
  }

  private isr(parameters: number): number {
    const { memory, card } = this;
    const answer = (flag: number): number => {
      memory.writeU16(parameters + 2, flag);
      return pxe.STATUS_SUCCESS;
    };
    switch (memory.readU16(parameters + 2)) {
      case ISR_IN_START: {
        this.foundNothing = this.state.stage !== 'opened' || !card.hasFrame;
        return answer(this.foundNothing ? ISR_OUT_NOT_OURS : ISR_OUT_OURS);
      }
      case ISR_IN_PROCESS:
      case ISR_IN_GET_NEXT:
        this.foundNothing = !this.giveFrame(parameters);
        return answer(this.foundNothing ? ISR_OUT_DONE : ISR_OUT_RECEIVE);
      default:
        return pxe.STATUS_UNSUPPORTED;
    }
  }

  private giveFrame(parameters: number): boolean {
    const { memory, card, state } = this;
    if (state.stage !== 'opened') return false;
    for (let frame = card.receive(); frame; frame = card.receive()) {
      const kind = this.kindOf(frame);
      if (kind === undefined) continue;
      state.received++;
      const type = u16(frame, 12);
      const protocol = type === ETHERTYPE_IPV4 ? P_IP : type === ETHERTYPE_ARP ? P_ARP : P_UNKNOWN;
      memory.write(PXE_SEGMENT * 16 + FRAME_BUFFER, frame);
      memory.writeU16(parameters + 4, frame.length);
      memory.writeU16(parameters + 6, frame.length);
      memory.writeU16(parameters + 8, ETHERNET_HEADER);
      memory.writeU16(parameters + 10, FRAME_BUFFER);
      memory.writeU16(parameters + 12, PXE_SEGMENT);
      memory.writeU8(parameters + 14, protocol);
      memory.writeU8(parameters + 15, kind);
      return true;
    }
    return false;
  }

  /** How a frame came to us; undefined when the filter keeps it back. */
  private kindOf(frame: Uint8Array): number | undefined {
    const { filter, multicast } = this.state;
    if (frame.length < ETHERNET_HEADER || frame.length > MAX_ETHERNET_FRAME_BYTES) return undefined;
    const to = frame.subarray(0, 6);
    const all = (filter & FLTR_PRMSC) !== 0;
    if (sameAddress(to, this.card.mac)) return PACKET_DIRECTED;
    if (sameAddress(to, BROADCAST_MAC))
      return all || (filter & FLTR_BRDCST) !== 0 ? PACKET_BROADCAST : undefined;
    if (isGroupMac(to))
      return all || multicast.some((group) => sameAddress(group, to))
        ? PACKET_MULTICAST
        : undefined;
    return all ? PACKET_DIRECTED : undefined;
  }
}
