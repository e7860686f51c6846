import type { Mmio, PortIo } from './bus';

/**
 * Guest-physical memory as devices see it (DMA). The only path to guest RAM outside the CPU:
 * every call checks `0 <= gpa <= size - length` (reliability.md 2.3.3), marks pages dirty and
 * drops translated code it overwrites. Ranges that are not RAM read as all ones and ignore writes.
 */
export interface GuestMemory {
  /** RAM in bytes, contiguous from GPA 0. */
  readonly ramBytes: number;
  readU8(gpa: number): number;
  readU16(gpa: number): number;
  readU32(gpa: number): number;
  readU64(gpa: number): bigint;
  writeU8(gpa: number, value: number): void;
  writeU16(gpa: number, value: number): void;
  writeU32(gpa: number, value: number): void;
  writeU64(gpa: number, value: bigint): void;
  /** A private copy of `length` bytes (never a view of guest RAM). */
  read(gpa: number, length: number): Uint8Array<ArrayBuffer>;
  /** Fills `target` from `gpa` on: `read` without a buffer of its own. */
  readInto(gpa: number, target: Uint8Array): void;
  write(gpa: number, bytes: Uint8Array): void;
  fill(gpa: number, length: number, value: number): void;
  /** The live bytes, for reading or writing a file within the same call and nothing else; undefined where not all of it is RAM. */
  view(gpa: number, length: number): Uint8Array | undefined;
  /** What `view` gave was written to. */
  overwritten(gpa: number, length: number): void;
}

/** Physical address map services a board gives to PCI, VGA and chipset models. GPAs and lengths are multiples of 4096. */
export interface AddressSpace {
  /** Maps a device's registers; later mappings win over earlier ones. Returns the call that removes it. */
  mapMmio(gpa: number, length: number, device: Mmio): () => void;
  /** Maps memory that the CPU reaches directly (VRAM BAR). `region` came from `allocateRegion`. */
  mapRegion(gpa: number, region: MemoryRegion): () => void;
  /** Reserves directly mappable host memory, zeroed. */
  allocateRegion(name: string, bytes: number, readOnly?: boolean): MemoryRegion;
  mapPorts(port: number, count: number, device: PortIo): () => void;
}

/** Device memory that guests reach without exits; `bytes` is the live view for the device. */
export interface MemoryRegion {
  readonly name: string;
  /** ROM: guest stores are dropped. */
  readonly readOnly?: boolean;
  readonly bytes: Uint8Array;
}
