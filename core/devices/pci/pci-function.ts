/**
 * What a PCI function (VGA, IDE, bridge...) shows to the bus that carries it.
 * Document: PCI Local Bus Specification 2.1, chapter 6 (configuration space, header type 00h).
 * Scope: type-00h headers, one INTx pin a function; capabilities in `capabilities.ts`, MSI and MSI-X in `msi.ts`.
 * Missing: 64-bit BARs.
 *
 * A function owns its 256 bytes of configuration space. The bus (`PciBus`) does everything the specification asks of
 * each function alike: write masks, BAR sizing, decode enables, mapping, the interrupt status bit.
 */
import type { IrqLine, MemoryRegion, Mmio, PortIo } from '../../hw';

// Header registers, PCI 2.1 figure 6-1.
export const PCI_VENDOR_ID = 0x00;
export const PCI_DEVICE_ID = 0x02;
export const PCI_COMMAND = 0x04;
export const PCI_STATUS = 0x06;
export const PCI_REVISION_ID = 0x08;
export const PCI_CLASS_PROG = 0x09;
export const PCI_CLASS_DEVICE = 0x0a;
export const PCI_HEADER_TYPE = 0x0e;
export const PCI_BASE_ADDRESS_0 = 0x10;
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
export const PCI_SUBSYSTEM_ID = 0x2e;
export const PCI_ROM_ADDRESS = 0x30;
export const PCI_INTERRUPT_LINE = 0x3c;
export const PCI_INTERRUPT_PIN = 0x3d;

export const PCI_COMMAND_IO = 0x0001;
export const PCI_COMMAND_MEMORY = 0x0002;
export const PCI_COMMAND_MASTER = 0x0004;
export const PCI_COMMAND_INTX_DISABLE = 0x0400;
export const PCI_STATUS_INTERRUPT = 0x0008;
export const PCI_ROM_ADDRESS_ENABLE = 0x0001;

/** One base address register. `size` is a power of two: at least 4 for `io`, 16 for `mmio`; a `region` is at least 4096 bytes. */
export type PciBar =
  | {
      readonly index: PciBarIndex;
      readonly kind: 'io';
      readonly size: number;
      readonly handler: PortIo;
    }
  | {
      readonly index: PciBarIndex;
      readonly kind: 'mmio';
      readonly size: number;
      readonly prefetchable?: boolean;
      readonly handler: Mmio;
    }
  | {
      readonly index: PciBarIndex;
      readonly kind: 'region';
      readonly size: number;
      readonly prefetchable?: boolean;
      readonly handler: MemoryRegion;
    };

export type PciBarIndex = 0 | 1 | 2 | 3 | 4 | 5;

/** A line that leads nowhere: what `irq` holds until the bus has connected the function. */
export const UNCONNECTED_IRQ: IrqLine = { set() {} };

/**
 * One function on the bus. The bus writes `config` (masked) and calls `onConfigWrite` afterwards; the function may
 * change read-only bytes of `config` itself. `save`/`restore` of `config` is done by the bus.
 */
export interface PciFunction {
  readonly config: Uint8Array;
  /** 256 bytes: bits that software may write. BAR, ROM and command bits are filled in by the bus. */
  readonly writeMask: Uint8Array;
  /** 256 bytes: bits that a written 1 clears. */
  readonly clearMask: Uint8Array;
  readonly bars: readonly PciBar[];
  /** Expansion ROM image, length a power of two, at least 4096. */
  readonly rom?: MemoryRegion;
  /** INTx of this function, level triggered; the bus replaces it when the function is plugged in. */
  irq: IrqLine;
  /** After software wrote `length` bytes at `offset`, whatever the masks let through. */
  onConfigWrite?(offset: number, length: number): void;
  /** Before software reads `length` bytes at `offset`: the function may update `config`. */
  onConfigRead?(offset: number, length: number): void;
}

export interface PciConfigOptions {
  vendor: number;
  device: number;
  /** 24 bits: base class, sub-class, programming interface: 0x030000 is VGA, 0x010180 is IDE with bus master. */
  class: number;
  revision?: number;
  /** 1 INTA# ... 4 INTD#, 0 none. */
  interruptPin?: 0 | 1 | 2 | 3 | 4;
  subsystemVendor?: number;
  subsystem?: number;
  /** Function 0 of a package with several functions. */
  multifunction?: boolean;
  /** Reset value of the status register. */
  status?: number;
  /** Reset value of the command register. */
  command?: number;
}

/** The configuration space of a type-00h function with its masks: spread it into the object that is the function. */
export function pciConfig(
  options: PciConfigOptions,
): Pick<PciFunction, 'config' | 'writeMask' | 'clearMask'> {
  const config = new Uint8Array(256);
  const view = new DataView(config.buffer);
  view.setUint16(PCI_VENDOR_ID, options.vendor, true);
  view.setUint16(PCI_DEVICE_ID, options.device, true);
  view.setUint16(PCI_COMMAND, options.command ?? 0, true);
  view.setUint16(PCI_STATUS, options.status ?? 0x0280, true);
  config[PCI_REVISION_ID] = options.revision ?? 0;
  config[PCI_CLASS_PROG] = options.class;
  view.setUint16(PCI_CLASS_DEVICE, options.class >>> 8, true);
  config[PCI_HEADER_TYPE] = options.multifunction ? 0x80 : 0;
  view.setUint16(PCI_SUBSYSTEM_VENDOR_ID, options.subsystemVendor ?? 0, true);
  view.setUint16(PCI_SUBSYSTEM_ID, options.subsystem ?? 0, true);
  config[PCI_INTERRUPT_PIN] = options.interruptPin ?? 0;
  const writeMask = new Uint8Array(256);
  writeMask[PCI_INTERRUPT_LINE] = 0xff;
  const clearMask = new Uint8Array(256);
  // Error bits of the status register: detected parity error, system error, aborts (PCI 2.1 6.2.3).
  clearMask[PCI_STATUS + 1] = 0xf9;
  return { config, writeMask, clearMask };
}
