/**
 * Firmware configuration device (fw_cfg), the interface of QEMU's PC.
 * Document: QEMU docs/specs/fw_cfg.rst (interface description).
 * Scope: selector 510h, data 511h, DMA 514h (read, skip, select), file directory. Missing: writes to items.
 */
import { cloneState } from '../../base';
import type { AccessWidth, Device, GuestMemory, PortIo, ResetKind } from '../../hw';

export const FW_CFG_SIGNATURE = 0x00;
export const FW_CFG_ID = 0x01;
export const FW_CFG_UUID = 0x02;
export const FW_CFG_RAM_SIZE = 0x03;
export const FW_CFG_NOGRAPHIC = 0x04;
export const FW_CFG_NB_CPUS = 0x05;
export const FW_CFG_KERNEL_ADDR = 0x07;
export const FW_CFG_KERNEL_SIZE = 0x08;
export const FW_CFG_KERNEL_CMDLINE = 0x09;
export const FW_CFG_INITRD_ADDR = 0x0a;
export const FW_CFG_INITRD_SIZE = 0x0b;
export const FW_CFG_BOOT_DEVICE = 0x0c;
export const FW_CFG_NUMA = 0x0d;
export const FW_CFG_BOOT_MENU = 0x0e;
export const FW_CFG_MAX_CPUS = 0x0f;
export const FW_CFG_KERNEL_ENTRY = 0x10;
export const FW_CFG_KERNEL_DATA = 0x11;
export const FW_CFG_INITRD_DATA = 0x12;
export const FW_CFG_CMDLINE_ADDR = 0x13;
export const FW_CFG_CMDLINE_SIZE = 0x14;
export const FW_CFG_CMDLINE_DATA = 0x15;
export const FW_CFG_SETUP_ADDR = 0x16;
export const FW_CFG_SETUP_SIZE = 0x17;
export const FW_CFG_SETUP_DATA = 0x18;
export const FW_CFG_FILE_DIR = 0x19;
const FW_CFG_FILE_FIRST = 0x20;
/** Bit 14 selects the write path, bit 15 architecture-local items (8000h...). */
const SELECTOR_MASK = 0xbfff;

/** Traditional interface and DMA. */
const FEATURES = 0x03;
const DMA_SIGNATURE_HIGH = 0x51454d55;
const DMA_SIGNATURE_LOW = 0x20434647;
const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
/** DMA moves this much at a time, so that a guest's length never sizes a buffer. */
const CHUNK_BYTES = 0x10000;

export interface FwCfgState {
  version: 1;
  selected: number;
  offset: number;
  dmaHigh: number;
}

export interface FwCfgConfig {
  /** Items by key; `FW_CFG_SIGNATURE`, `_ID` and `_FILE_DIR` are added. */
  items: ReadonlyMap<number, Uint8Array>;
  /** Named files, keys from 20h in order of name. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** Offset 0: selector and data ports (510h, 511h); `dma` is 514h-51Bh. */
export class FwCfg implements Device<FwCfgState>, PortIo {
  readonly id = 'fw-cfg';
  private s: FwCfgState = powerOn();
  private readonly items: ReadonlyMap<number, Uint8Array>;

  constructor(
    private readonly wires: { memory: GuestMemory },
    config: FwCfgConfig,
  ) {
    this.items = layOut(config);
  }

  reset(_kind: ResetKind): void {
    this.s = powerOn();
  }

  save(): FwCfgState {
    return cloneState(this.s);
  }

  restore(state: FwCfgState): void {
    this.s = cloneState(state);
  }

  readPort(offset: number, width: AccessWidth): number {
    if (offset === 0 && width === 2) return this.s.selected;
    if (offset !== 1) return width === 1 ? 0xff : 0xffff;
    return this.nextByte();
  }

  writePort(offset: number, width: AccessWidth, value: number): void {
    if (offset !== 0) return;
    this.select(width === 1 ? value & 0xff : value & 0xffff);
  }

  readonly dma: PortIo = {
    readPort: (offset, width) => {
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = ((value << 8) | signatureByte(offset + i)) >>> 0;
      return value;
    },
    writePort: (offset, width, value) => {
      // Big-endian address: the high half is latched, the low half starts the transfer.
      if (width !== 4) return;
      const swapped = swap32(value);
      if (offset === 0) {
        this.s.dmaHigh = swapped;
      } else if (offset === 4) {
        const address = this.s.dmaHigh * 0x1_0000_0000 + swapped;
        this.s.dmaHigh = 0;
        this.runDma(address);
      }
    },
  };

  private get data(): Uint8Array | undefined {
    return this.items.get(this.s.selected & SELECTOR_MASK);
  }

  private select(key: number): void {
    this.s.selected = key;
    this.s.offset = 0;
  }

  private nextByte(): number {
    const { data } = this;
    if (!data || this.s.offset >= data.length) return 0;
    return data[this.s.offset++];
  }

  /** struct FWCfgDmaAccess { be32 control, length; be64 address }. */
  private runDma(at: number): void {
    const { memory } = this.wires;
    const control = swap32(memory.readU32(at));
    const length = swap32(memory.readU32(at + 4));
    const target = swap32(memory.readU32(at + 8)) * 0x1_0000_0000 + swap32(memory.readU32(at + 12));
    if (control & DMA_SELECT) this.select(control >>> 16);
    let result = 0;
    if (control & DMA_READ) this.dmaRead(target, length);
    else if (control & DMA_WRITE) result = DMA_ERROR;
    else if (control & DMA_SKIP)
      this.s.offset = Math.min(this.s.offset + length, this.data?.length ?? 0);
    memory.writeU32(at, swap32(result));
  }

  /** Beyond the item's end the guest gets zeroes. Addresses outside RAM ignore the write, and end the work. */
  private dmaRead(target: number, length: number): void {
    const { memory } = this.wires;
    const end = Math.min(target + length, memory.ramBytes);
    let to = target;
    const data = this.data;
    while (data && to < end && this.s.offset < data.length) {
      const count = Math.min(end - to, data.length - this.s.offset, CHUNK_BYTES);
      memory.write(to, data.subarray(this.s.offset, this.s.offset + count));
      this.s.offset += count;
      to += count;
    }
    if (to < end) memory.fill(to, end - to, 0);
  }
}

/** A little-endian integer item. */
export function fwCfgInteger(value: number, bytes: 2 | 4 | 8): Uint8Array {
  const data = new Uint8Array(bytes);
  for (let i = 0, rest = value; i < bytes; i++, rest = Math.floor(rest / 256)) data[i] = rest % 256;
  return data;
}

function layOut(config: FwCfgConfig): Map<number, Uint8Array> {
  const items = new Map(config.items);
  items.set(FW_CFG_SIGNATURE, ascii('QEMU'));
  items.set(FW_CFG_ID, fwCfgInteger(FEATURES, 4));
  const names = [...config.files.keys()].sort();
  // be32 count, then { be32 size; be16 select; be16 0; char name[56] } each.
  const directory = new Uint8Array(4 + 64 * names.length);
  const view = new DataView(directory.buffer);
  view.setUint32(0, names.length);
  names.forEach((name, i) => {
    const data = config.files.get(name)!;
    const at = 4 + 64 * i;
    view.setUint32(at, data.length);
    view.setUint16(at + 4, FW_CFG_FILE_FIRST + i);
    directory.set(ascii(name).subarray(0, 55), at + 8);
    items.set(FW_CFG_FILE_FIRST + i, data);
  });
  items.set(FW_CFG_FILE_DIR, directory);
  return items;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

function swap32(value: number): number {
  return (
    (((value & 0xff) << 24) |
      ((value & 0xff00) << 8) |
      ((value >>> 8) & 0xff00) |
      (value >>> 24)) >>>
    0
  );
}

/** Port bytes of the big-endian signature "QEMU CFG". */
function signatureByte(offset: number): number {
  const word = offset < 4 ? DMA_SIGNATURE_HIGH : DMA_SIGNATURE_LOW;
  return offset > 7 ? 0 : (word >>> (24 - 8 * (offset & 3))) & 0xff;
}

function powerOn(): FwCfgState {
  return { version: 1, selected: 0, offset: 0, dmaHigh: 0 };
}
