/**
 * Receive side of the 8254x: address, multicast and VLAN filters, VLAN tags, checksum reports.
 * Document: Intel 317453-005, sections 3.2 and 13.5.
 */
import { ETHERNET_HEADER_BYTES } from '../../hw';
import * as r from './e1000-regs';
import { isBroadcast, isMulticast } from './mac-address';
import {
  checkChecksums,
  ETHER_TYPE_IPV6,
  foldSum,
  frameLayout,
  sumOfGoodTcp,
  sumWords,
} from './offload';

/** Reads a register by its offset. */
export type RegisterReader = (offset: number) => number;

/** A frame without its VLAN tag. */
export interface Untagged {
  readonly frame: Uint8Array;
  /** The tag that was taken out, -1 none. */
  readonly tag: number;
}

/** Bytes of a receive buffer: RCTL.BSIZE and BSEX. */
export function bufferBytes(rctl: number): number {
  const code = (rctl >>> 16) & 3;
  const bytes = 2048 >> code;
  return rctl & r.RCTL_BSEX && code !== 0 ? bytes * 16 : bytes;
}

function isTagged(reg: RegisterReader, frame: Uint8Array): boolean {
  return frame.length >= 18 && ((frame[12] << 8) | frame[13]) === (reg(r.VET) & 0xffff);
}

/** With CTRL.VME the tag goes to the descriptor. */
export function stripTag(reg: RegisterReader, frame: Uint8Array): Untagged {
  if (!(reg(r.CTRL) & r.CTRL_VME) || !isTagged(reg, frame)) return { frame, tag: -1 };
  const stripped = new Uint8Array(frame.length - 4);
  stripped.set(frame.subarray(0, 12));
  stripped.set(frame.subarray(16), 12);
  return { frame: stripped, tag: (frame[14] << 8) | frame[15] };
}

/** Receive filters, 3.2.1 and 13.5.1. */
export function isWanted(reg: RegisterReader, frame: Uint8Array): boolean {
  const rctl = reg(r.RCTL);
  if (rctl & r.RCTL_VFE && isTagged(reg, frame)) {
    const vlan = ((frame[14] & 0x0f) << 8) | frame[15];
    if (!(reg(r.VFTA + 4 * (vlan >> 5)) & (1 << (vlan & 31)))) return false;
  }
  if (isBroadcast(frame) && rctl & r.RCTL_BAM) return true;
  if (isMulticast(frame)) {
    if (rctl & r.RCTL_MPE) return true;
    // RCTL.MO: which twelve bits of the address are the hash.
    const shift = [4, 3, 2, 0][(rctl >>> 12) & 3];
    const hash = (((frame[5] << 8) | frame[4]) >> shift) & 0xfff;
    if (reg(r.MTA + 4 * (hash >> 5)) & (1 << (hash & 31))) return true;
  } else if (rctl & r.RCTL_UPE) return true;
  return isListed(reg, frame);
}

function isListed(reg: RegisterReader, frame: Uint8Array): boolean {
  const low = (frame[0] | (frame[1] << 8) | (frame[2] << 16) | (frame[3] << 24)) >>> 0;
  const high = frame[4] | (frame[5] << 8);
  for (let i = 0; i < r.RECEIVE_ADDRESSES; i++) {
    const listed = reg(r.RAH0 + 8 * i);
    if (listed & r.RAH_AV && (listed & 0xffff) === high && reg(r.RAL0 + 8 * i) === low) return true;
  }
  return false;
}

/** What checks of TCP that the back end has just made would find. */
function goodChecksums(frame: Uint8Array): { ip: 'none' | 'good'; transport: 'good' } {
  const isIpv6 = frameLayout(frame).etherType === ETHER_TYPE_IPV6;
  return { ip: isIpv6 ? 'none' : 'good', transport: 'good' };
}

/** Status and error bits of the descriptor, and the packet checksum (3.2.3, 3.2.9). */
export interface ReceiveReport {
  readonly status: number;
  readonly errors: number;
  readonly sum: number;
}

export function checksumReport(rxcsum: number, frame: Uint8Array, isGood: boolean): ReceiveReport {
  const start = rxcsum & 0xff;
  const isKnown = isGood && start % 2 === 0 && start < ETHERNET_HEADER_BYTES;
  const sum = foldSum(isKnown ? sumOfGoodTcp(frame, start) : sumWords(frame, start, frame.length));
  if (!(rxcsum & (r.RXCSUM_IPOFL | r.RXCSUM_TUOFL)))
    return { status: r.RX_STATUS_IXSM, errors: 0, sum };
  const { ip, transport } = isGood ? goodChecksums(frame) : checkChecksums(frame);
  let status = 0;
  let errors = 0;
  if (rxcsum & r.RXCSUM_IPOFL && ip !== 'none') {
    status |= r.RX_STATUS_IPCS;
    if (ip === 'bad') errors |= r.RX_ERROR_IPE;
  }
  if (rxcsum & r.RXCSUM_TUOFL && transport !== 'none') {
    status |= r.RX_STATUS_TCPCS;
    if (transport === 'bad') errors |= r.RX_ERROR_TCPE;
  }
  return { status: status === 0 ? r.RX_STATUS_IXSM : status, errors, sum };
}
