/**
 * Message-signalled interrupts: MSI-X table and pending bits, MSI with one vector.
 * Documents: PCI Local Bus Specification 3.0, section 6.8; SDM 3A 11.11 (message address and data).
 * Missing: MSI with several vectors and per-vector masking (MSI-X has both).
 */
import type { AccessWidth, ApicBus, Mmio } from '../../hw';
import { addCapability, PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX } from './capabilities';
import { PCI_COMMAND, PCI_COMMAND_MASTER, type PciFunction } from './pci-function';

const ENTRY_BYTES = 16;
const ENTRY_WORDS = 4;
const VECTOR_CONTROL = 3;
const VECTOR_MASKED = 1;
/** Message control of MSI-X, in the capability. */
const MSIX_CONTROL = 2;
const MSIX_ENABLE = 0x80;
const MSIX_FUNCTION_MASK = 0x40;
/** Offset of the pending bit array in the window of the table. */
const PBA_OFFSET = 0x800;
/** Size of the window; a BAR of its own. */
export const MSIX_WINDOW_BYTES = 0x1000;
/** Entries that fit in front of the pending bits. */
export const MSIX_MAX_VECTORS = PBA_OFFSET / ENTRY_BYTES;

/** Sends a message as a memory write to the interrupt window does; addresses outside FEExxxxxh go nowhere (SDM 3A 11.11.1). */
export function deliverMessage(bus: ApicBus, address: number, high: number, data: number): void {
  if (high !== 0 || address >>> 20 !== 0xfee) return;
  bus.deliver({
    destination: (address >>> 12) & 0xff,
    logical: (address & 4) !== 0,
    deliveryMode: (data >>> 8) & 7,
    vector: data & 0xff,
    levelTriggered: (data & 0x8000) !== 0,
  });
}

export interface MsixState {
  table: Uint32Array;
  pending: boolean[];
}

export interface MsixConfig {
  readonly vectors: number;
  /** Where the capability goes in configuration space: 12 bytes. */
  readonly capability: number;
  /** BAR whose handler is `window`. */
  readonly bar: number;
}

/** A function's MSI-X capability. Its owner passes on configuration writes and saves `save()` with its own state. */
export class Msix {
  private readonly table: Uint32Array;
  private pending: boolean[];

  constructor(
    private readonly fn: Pick<PciFunction, 'config' | 'writeMask'>,
    private readonly bus: ApicBus,
    private readonly layout: MsixConfig,
  ) {
    const { vectors, capability, bar } = layout;
    this.table = new Uint32Array(vectors * ENTRY_WORDS);
    this.pending = new Array<boolean>(vectors).fill(false);
    const body = new Uint8Array(10);
    const view = new DataView(body.buffer);
    view.setUint16(0, vectors - 1, true);
    view.setUint32(2, bar, true);
    view.setUint32(6, PBA_OFFSET | bar, true);
    addCapability(fn, capability, PCI_CAP_ID_MSIX, body);
    fn.writeMask[capability + MSIX_CONTROL + 1] = MSIX_ENABLE | MSIX_FUNCTION_MASK;
    this.reset();
  }

  get enabled(): boolean {
    return (this.control & MSIX_ENABLE) !== 0;
  }

  /** Vectors the function has. */
  get vectors(): number {
    return this.layout.vectors;
  }

  reset(): void {
    this.table.fill(0);
    for (let i = 0; i < this.layout.vectors; i++)
      this.table[i * ENTRY_WORDS + VECTOR_CONTROL] = VECTOR_MASKED;
    this.pending.fill(false);
  }

  save(): MsixState {
    return { table: new Uint32Array(this.table), pending: [...this.pending] };
  }

  restore(state: MsixState): void {
    this.table.set(state.table.subarray(0, this.table.length));
    this.pending = this.pending.map((_, i) => state.pending[i] ?? false);
  }

  /** Sends a vector's message, or remembers it while the vector is masked. */
  signal(vector: number): void {
    if (!this.enabled || vector >= this.layout.vectors) return;
    if (this.isMasked(vector)) this.pending[vector] = true;
    else this.send(vector);
  }

  /** Configuration space was written: an unmasked function sends what was pending. */
  onConfigWrite(offset: number, length: number): void {
    const at = this.layout.capability + MSIX_CONTROL;
    if (offset <= at + 1 && offset + length > at) this.sendPending();
  }

  readonly window: Mmio = {
    readMmio: (offset, width) => {
      const word = this.readWord(offset & ~3 & (MSIX_WINDOW_BYTES - 1));
      const value = word >>> (8 * (offset & 3));
      return width === 4 ? value >>> 0 : value & (width === 2 ? 0xffff : 0xff);
    },
    writeMmio: (offset, width, value) => this.writeTable(offset, width, value),
  };

  private get control(): number {
    return this.fn.config[this.layout.capability + MSIX_CONTROL + 1];
  }

  private isMasked(vector: number): boolean {
    return (
      (this.control & MSIX_FUNCTION_MASK) !== 0 ||
      (this.table[vector * ENTRY_WORDS + VECTOR_CONTROL] & VECTOR_MASKED) !== 0
    );
  }

  private send(vector: number): void {
    if (!(this.fn.config[PCI_COMMAND] & PCI_COMMAND_MASTER)) return;
    const at = vector * ENTRY_WORDS;
    deliverMessage(this.bus, this.table[at], this.table[at + 1], this.table[at + 2]);
  }

  private sendPending(): void {
    if (!this.enabled) return;
    for (let vector = 0; vector < this.pending.length; vector++) {
      if (!this.pending[vector] || this.isMasked(vector)) continue;
      this.pending[vector] = false;
      this.send(vector);
    }
  }

  private readWord(offset: number): number {
    if (offset < this.table.length * 4) return this.table[offset >> 2];
    const first = (offset - PBA_OFFSET) * 8;
    if (first < 0 || first >= this.pending.length) return 0;
    let bits = 0;
    for (let i = 0; i < 32; i++) if (this.pending[first + i]) bits |= 1 << i;
    return bits >>> 0;
  }

  private writeTable(offset: number, width: AccessWidth, value: number): void {
    const word = offset >> 2;
    if (offset < 0 || word >= this.table.length) return;
    const shift = 8 * (offset & 3);
    const mask = width === 4 ? 0xffffffff : ((width === 2 ? 0xffff : 0xff) << shift) >>> 0;
    this.table[word] = (this.table[word] & ~mask) | ((value << shift) & mask);
    if ((word & 3) === VECTOR_CONTROL) this.sendPending();
  }
}

const MSI_CONTROL_ENABLE = 0x01;
const MSI_CONTROL_64BIT = 0x80;

/** A function's MSI capability: one vector, 64-bit address. All its state lies in configuration space. */
export class Msi {
  constructor(
    private readonly fn: Pick<PciFunction, 'config' | 'writeMask'>,
    private readonly bus: ApicBus,
    private readonly at: number,
  ) {
    const body = new Uint8Array(12);
    body[0] = MSI_CONTROL_64BIT;
    addCapability(fn, at, PCI_CAP_ID_MSI, body);
    fn.writeMask[at + 2] = MSI_CONTROL_ENABLE;
    fn.writeMask[at + 4] = 0xfc;
    fn.writeMask.fill(0xff, at + 5, at + 14);
  }

  get enabled(): boolean {
    return (this.fn.config[this.at + 2] & MSI_CONTROL_ENABLE) !== 0;
  }

  signal(): void {
    const { config } = this.fn;
    if (!this.enabled || !(config[PCI_COMMAND] & PCI_COMMAND_MASTER)) return;
    const view = new DataView(config.buffer, config.byteOffset, 256);
    deliverMessage(
      this.bus,
      view.getUint32(this.at + 4, true),
      view.getUint32(this.at + 8, true),
      view.getUint16(this.at + 12, true),
    );
  }
}
