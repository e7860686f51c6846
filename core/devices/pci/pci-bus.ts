/**
 * PCI bus 0: configuration space of its functions, BAR mapping, INTx lines.
 * Document: PCI Local Bus Specification 2.1, chapter 6. Missing: bridges to other buses, 64-bit BARs.
 */
import { cloneState } from '../../base';
import type { AccessWidth, AddressSpace, Device, IrqLine, ResetKind } from '../../hw';
import {
  PCI_BASE_ADDRESS_0,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MEMORY,
  PCI_INTERRUPT_PIN,
  PCI_ROM_ADDRESS,
  PCI_ROM_ADDRESS_ENABLE,
  PCI_STATUS,
  PCI_STATUS_INTERRUPT,
  type PciBar,
  type PciFunction,
} from './pci-function';

/** I/O, memory, bus master, parity and SERR# enables, INTx disable. */
const COMMAND_WRITABLE = 0x0547;
const CACHE_LINE_SIZE = 0x0c;
const LATENCY_TIMER = 0x0d;

export interface PciBusState {
  version: 1;
  /** By `slot.function`. */
  functions: Record<string, { config: Uint8Array; level: boolean }>;
}

export interface PciBusCapabilities {
  addressSpace: AddressSpace;
  /** PIRQA# to PIRQD#. */
  pirq: readonly [IrqLine, IrqLine, IrqLine, IrqLine];
}

interface Window {
  readonly bar: PciBar | 'rom';
  /** Where it is mapped, -1 when it is not. */
  at: number;
  unmap: () => void;
}

interface Plugged {
  readonly slot: number;
  readonly fn: PciFunction;
  readonly initial: Uint8Array;
  readonly mask: Uint8Array;
  readonly windows: Window[];
  level: boolean;
}

export class PciBus implements Device<PciBusState> {
  readonly id = 'pci';
  private readonly functions = new Map<number, Plugged>();
  private readonly asserted: [number, number, number, number] = [0, 0, 0, 0];

  constructor(private readonly wires: PciBusCapabilities) {}

  /** Puts a function on the bus and connects its interrupt. */
  plug(slot: number, number: number, fn: PciFunction): void {
    const mask = new Uint8Array(fn.writeMask);
    const maskView = new DataView(mask.buffer);
    const config = new DataView(fn.config.buffer, fn.config.byteOffset, 256);
    maskView.setUint16(PCI_COMMAND, COMMAND_WRITABLE, true);
    mask[CACHE_LINE_SIZE] = 0xff;
    mask[LATENCY_TIMER] = 0xf8;
    const windows: Window[] = [];
    for (const bar of fn.bars) {
      const flags = bar.kind === 'io' ? 1 : bar.prefetchable ? 8 : 0;
      const offset = PCI_BASE_ADDRESS_0 + 4 * bar.index;
      config.setUint32(offset, flags, true);
      maskView.setUint32(offset, -bar.size & (bar.kind === 'io' ? ~3 : ~15), true);
      windows.push({ bar, at: -1, unmap: () => {} });
    }
    if (fn.rom) {
      maskView.setUint32(PCI_ROM_ADDRESS, -fn.rom.bytes.length | PCI_ROM_ADDRESS_ENABLE, true);
      windows.push({ bar: 'rom', at: -1, unmap: () => {} });
    }
    const plugged: Plugged = {
      slot,
      fn,
      initial: new Uint8Array(fn.config),
      mask,
      windows,
      level: false,
    };
    this.functions.set((slot << 3) | number, plugged);
    fn.irq = { set: (level) => this.setLevel(plugged, level) };
  }

  reset(_kind: ResetKind): void {
    for (const p of this.functions.values()) {
      this.setLevel(p, false);
      p.fn.config.set(p.initial);
      this.remap(p);
      p.fn.onConfigWrite?.(0, 256);
    }
  }

  save(): PciBusState {
    const functions: PciBusState['functions'] = {};
    for (const [key, p] of this.functions)
      functions[`${key >> 3}.${key & 7}`] = { config: p.fn.config, level: p.level };
    return cloneState<PciBusState>({ version: 1, functions });
  }

  restore(state: PciBusState): void {
    for (const [key, p] of this.functions) {
      const saved = state.functions[`${key >> 3}.${key & 7}`];
      if (!saved) continue;
      this.setLevel(p, false);
      p.fn.config.set(saved.config.subarray(0, 256));
      this.remap(p);
      p.fn.onConfigWrite?.(0, 256);
      this.setLevel(p, saved.level);
    }
  }

  /** Configuration read; a function that is not there reads as all ones (master abort). */
  readConfig(devfn: number, offset: number, width: AccessWidth): number {
    const p = this.functions.get(devfn);
    p?.fn.onConfigRead?.(offset, width);
    let value = 0;
    for (let i = width - 1; i >= 0; i--)
      value = value * 256 + (p ? (p.fn.config[(offset + i) & 0xff] ?? 0xff) : 0xff);
    return value;
  }

  writeConfig(devfn: number, offset: number, width: AccessWidth, value: number): void {
    const p = this.functions.get(devfn);
    if (!p) return;
    const { config, clearMask } = p.fn;
    const intxBefore = this.intxDriven(p);
    for (let i = 0; i < width; i++) {
      const at = (offset + i) & 0xff;
      const byte = (value >>> (8 * i)) & 0xff;
      const mask = p.mask[at];
      config[at] = (config[at] & ~mask & ~(byte & clearMask[at])) | (byte & mask);
    }
    if (offset < PCI_ROM_ADDRESS + 4 && offset + width > PCI_COMMAND) this.remap(p);
    const intxAfter = this.intxDriven(p);
    if (intxAfter !== intxBefore) this.drive(p, intxAfter);
    p.fn.onConfigWrite?.(offset, width);
  }

  private remap(p: Plugged): void {
    const { config } = p.fn;
    const view = new DataView(config.buffer, config.byteOffset, 256);
    const command = view.getUint16(PCI_COMMAND, true);
    for (const window of p.windows) {
      const at = decodeWindow(view, command, window.bar, p.mask);
      if (at === window.at) continue;
      window.unmap();
      window.at = at;
      window.unmap = at < 0 ? () => {} : this.map(p.fn, window.bar, at);
    }
  }

  private map(fn: PciFunction, bar: PciBar | 'rom', at: number): () => void {
    const space = this.wires.addressSpace;
    if (bar === 'rom') return fn.rom ? space.mapRegion(at, fn.rom) : () => {};
    switch (bar.kind) {
      case 'io':
        return space.mapPorts(at, bar.size, bar.handler);
      case 'mmio':
        return space.mapMmio(at, bar.size, bar.handler);
      case 'region':
        return space.mapRegion(at, bar.handler);
    }
  }

  private intxDriven(p: Plugged): boolean {
    return p.level && (p.fn.config[PCI_COMMAND + 1] & (PCI_COMMAND_INTX_DISABLE >> 8)) === 0;
  }

  private setLevel(p: Plugged, level: boolean): void {
    if (p.level === level) return;
    const before = this.intxDriven(p);
    p.level = level;
    const { config } = p.fn;
    if (level) config[PCI_STATUS] |= PCI_STATUS_INTERRUPT;
    else config[PCI_STATUS] &= ~PCI_STATUS_INTERRUPT;
    const after = this.intxDriven(p);
    if (after !== before) this.drive(p, after);
  }

  /** INTx pins rotate over the PIRQ lines by slot, as i440FX boards wire them: slot 1 INTA# is PIRQA#. */
  private drive(p: Plugged, level: boolean): void {
    const pin = p.fn.config[PCI_INTERRUPT_PIN] & 7;
    if (pin === 0 || pin > 4) return;
    const pirq = (p.slot + pin - 1 + 3) & 3;
    const before = this.asserted[pirq];
    const after = before + (level ? 1 : -1);
    this.asserted[pirq] = after;
    if ((before === 0) !== (after === 0)) this.wires.pirq[pirq].set(after > 0);
  }
}

/** Address of a window, or -1 when it does not decode (disabled, unset, or being sized). */
function decodeWindow(
  config: DataView,
  command: number,
  bar: PciBar | 'rom',
  mask: Uint8Array,
): number {
  const maskView = new DataView(mask.buffer);
  if (bar === 'rom') {
    const value = config.getUint32(PCI_ROM_ADDRESS, true);
    const address = (value & ~0x7ff) >>> 0;
    const sizing = address === (maskView.getUint32(PCI_ROM_ADDRESS, true) & ~0x7ff) >>> 0;
    return command & PCI_COMMAND_MEMORY &&
      value & PCI_ROM_ADDRESS_ENABLE &&
      address !== 0 &&
      !sizing
      ? address
      : -1;
  }
  const offset = PCI_BASE_ADDRESS_0 + 4 * bar.index;
  const value = config.getUint32(offset, true);
  if (bar.kind === 'io') {
    const port = (value & ~3) >>> 0;
    return command & PCI_COMMAND_IO && port !== 0 && port + bar.size <= 0x10000 ? port : -1;
  }
  const address = (value & ~15) >>> 0;
  const sizing = address === maskView.getUint32(offset, true);
  return command & PCI_COMMAND_MEMORY && address !== 0 && !sizing ? address : -1;
}
