import { assert } from '../base';
import {
  CODE_MAP_BASE,
  DIRTY_MAP_BASE,
  PHYS_MAP_BASE,
  PHYS_READ,
  PHYS_WRITE,
  RAM_BASE,
} from '../cpu';
import type {
  AccessWidth,
  AddressSpace,
  GuestMemory,
  MemoryRegion,
  Mmio,
  PortIo,
  SystemBus,
} from '../hw';
import { PortMap } from './port-map';

const PAGE = 4096;
const PAGES = 0x100000;
/** Shadow granule of the PAM registers. */
const GRANULE = 0x4000;
const LEGACY_BASE = 0xa0000;
const LEGACY_END = 0x100000;
const ALL_ONES = [0, 0xff, 0xffff, 0, 0xffffffff] as const;

interface HostRegion extends MemoryRegion {
  /** Byte offset in the domain's memory, a multiple of 4096. */
  readonly base: number;
}

interface Mapping {
  readonly gpa: number;
  readonly end: number;
  readonly target:
    | { readonly kind: 'mmio'; readonly device: Mmio }
    | { readonly kind: 'region'; readonly region: HostRegion; readonly offset: number };
}

/** What has to know when memory changes behind the processors' backs. */
export interface MemoryObserver {
  /** Other memory or devices answer there: cached translations are void, and code decoded from there. */
  mapChanged(gpa: number, length: number): void;
  /** Bytes that hold decoded code were overwritten. */
  codeOverwritten(gpa: number, length: number): void;
}

/**
 * The machine's physical address space and its I/O ports, over the domain's shared memory: RAM from GPA 0, device
 * registers and device memory above and between. Keeps the physical page map that the processors' TLB fill reads.
 */
export class MachineAddressSpace implements AddressSpace, GuestMemory, SystemBus {
  readonly ramBytes: number;
  readonly ports = new PortMap();
  private readonly ram: Uint8Array;
  private readonly ramView: DataView;
  private readonly physMap: Uint32Array;
  private readonly codeMap: Uint32Array;
  private readonly dirtyMap: Uint8Array;
  private readonly mappings: Mapping[] = [];
  /** Per 16 KiB granule of A0000h-FFFFFh: PHYS_READ and PHYS_WRITE say that RAM answers. */
  private readonly shadow = new Uint8Array((LEGACY_END - LEGACY_BASE) / GRANULE);
  private readonly observers: MemoryObserver[] = [];
  private a20 = true;
  private nextRegion: number;
  private lastHit: Mapping | undefined;

  constructor(
    private readonly buffer: ArrayBufferLike,
    ramBytes: number,
  ) {
    assert(
      ramBytes % PAGE === 0 && RAM_BASE + ramBytes <= buffer.byteLength,
      'RAM does not fit the memory',
    );
    this.ramBytes = ramBytes;
    this.ram = new Uint8Array(buffer, RAM_BASE, ramBytes);
    this.ramView = new DataView(buffer, RAM_BASE, ramBytes);
    this.physMap = new Uint32Array(buffer, PHYS_MAP_BASE, PAGES);
    this.codeMap = new Uint32Array(buffer, CODE_MAP_BASE, PAGES);
    this.dirtyMap = new Uint8Array(buffer, DIRTY_MAP_BASE, PAGES);
    this.nextRegion = RAM_BASE + ramBytes;
    this.updateMap(0, PAGES);
  }

  observe(observer: MemoryObserver): void {
    this.observers.push(observer);
  }

  // --- AddressSpace

  mapMmio(gpa: number, length: number, device: Mmio): () => void {
    return this.add({ gpa, end: gpa + length, target: { kind: 'mmio', device } });
  }

  mapRegion(gpa: number, region: MemoryRegion): () => void {
    return this.mapPart(gpa, region, 0, region.bytes.length);
  }

  /** Maps `length` bytes of a region from `offset` on: the alias of a ROM's end below 1 MiB. */
  mapPart(gpa: number, region: MemoryRegion, offset: number, length: number): () => void {
    assert('base' in region, 'region is not of this address space');
    return this.add({
      gpa,
      end: gpa + length,
      target: { kind: 'region', region: region as HostRegion, offset },
    });
  }

  allocateRegion(name: string, bytes: number, readOnly = false): MemoryRegion {
    const base = this.nextRegion;
    const size = Math.ceil(bytes / PAGE) * PAGE;
    assert(base + size <= this.buffer.byteLength, `no room for device memory ${name}`);
    this.nextRegion = base + size;
    const region: HostRegion = {
      name,
      base,
      bytes: new Uint8Array(this.buffer, base, size),
      readOnly,
    };
    return region;
  }

  mapPorts(port: number, count: number, device: PortIo): () => void {
    return this.ports.map(port, count, device);
  }

  /** PAM and SMRAM: whether RAM answers reads and writes of a range in A0000h-FFFFFh. */
  setShadow(gpa: number, length: number, readRam: boolean, writeRam: boolean): void {
    const value = (readRam ? PHYS_READ : 0) | (writeRam ? PHYS_WRITE : 0);
    const first = (gpa - LEGACY_BASE) / GRANULE;
    const last = first + length / GRANULE;
    let changed = false;
    for (let i = first; i < last; i++) {
      changed ||= this.shadow[i] !== value;
      this.shadow[i] = value;
    }
    if (changed) this.remap(gpa, gpa + length);
  }

  /** A20 gate. QUIRK: with the gate low only the second megabyte wraps, which is what software can tell. */
  setA20(enabled: boolean): void {
    if (this.a20 === enabled) return;
    this.a20 = enabled;
    this.remap(0x100000, 0x200000);
  }

  // --- SystemBus

  readPort(port: number, width: AccessWidth): number {
    return this.ports.read(port, width);
  }

  writePort(port: number, width: AccessWidth, value: number): void {
    this.ports.write(port, width, value);
  }

  readMmio(address: number, width: AccessWidth): number {
    const gpa = this.gate(address);
    if (
      gpa < LEGACY_END &&
      gpa >= LEGACY_BASE &&
      this.shadow[((gpa - LEGACY_BASE) / GRANULE) | 0] & PHYS_READ
    )
      return this.readRam(gpa, width);
    const hit = this.find(gpa);
    if (!hit)
      return gpa + width <= this.ramBytes && !isLegacy(gpa)
        ? this.readRam(gpa, width)
        : ALL_ONES[width];
    if (hit.target.kind === 'mmio') return hit.target.device.readMmio(gpa - hit.gpa, width);
    const { region, offset } = hit.target;
    const at = gpa - hit.gpa + offset;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (region.bytes[at + i] ?? 0xff);
    return value;
  }

  writeMmio(address: number, width: AccessWidth, value: number): void {
    const gpa = this.gate(address);
    if (isLegacy(gpa) && this.shadow[((gpa - LEGACY_BASE) / GRANULE) | 0] & PHYS_WRITE) {
      this.writeRam(gpa, width, value);
      return;
    }
    const hit = this.find(gpa);
    if (!hit) {
      if (gpa + width <= this.ramBytes && !isLegacy(gpa)) this.writeRam(gpa, width, value);
      return;
    }
    if (hit.target.kind === 'mmio') {
      hit.target.device.writeMmio(gpa - hit.gpa, width, value);
      return;
    }
    const { region, offset } = hit.target;
    if (region.readOnly) return;
    const at = gpa - hit.gpa + offset;
    for (let i = 0; i < width && at + i < region.bytes.length; i++)
      region.bytes[at + i] = value >>> (8 * i);
    this.written(gpa, width);
  }

  // --- GuestMemory (DMA)

  readU8(gpa: number): number {
    return this.inRam(gpa, 1) ? this.ram[gpa] : 0xff;
  }

  readU16(gpa: number): number {
    return this.inRam(gpa, 2) ? this.ramView.getUint16(gpa, true) : 0xffff;
  }

  readU32(gpa: number): number {
    return this.inRam(gpa, 4) ? this.ramView.getUint32(gpa, true) : 0xffffffff;
  }

  readU64(gpa: number): bigint {
    return this.inRam(gpa, 8) ? this.ramView.getBigUint64(gpa, true) : 0xffffffffffffffffn;
  }

  writeU8(gpa: number, value: number): void {
    if (!this.inRam(gpa, 1)) return;
    this.ram[gpa] = value;
    this.written(gpa, 1);
  }

  writeU16(gpa: number, value: number): void {
    if (!this.inRam(gpa, 2)) return;
    this.ramView.setUint16(gpa, value, true);
    this.written(gpa, 2);
  }

  writeU32(gpa: number, value: number): void {
    if (!this.inRam(gpa, 4)) return;
    this.ramView.setUint32(gpa, value, true);
    this.written(gpa, 4);
  }

  writeU64(gpa: number, value: bigint): void {
    if (!this.inRam(gpa, 8)) return;
    this.ramView.setBigUint64(gpa, value, true);
    this.written(gpa, 8);
  }

  read(gpa: number, length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(length);
    this.readInto(gpa, copy);
    return copy;
  }

  readInto(gpa: number, target: Uint8Array): void {
    const { length } = target;
    if (this.inRam(gpa, length)) target.set(this.ram.subarray(gpa, gpa + length));
    else target.fill(0xff);
  }

  write(gpa: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.inRam(gpa, bytes.length)) return;
    this.ram.set(bytes, gpa);
    this.written(gpa, bytes.length);
  }

  fill(gpa: number, length: number, value: number): void {
    if (length <= 0 || !this.inRam(gpa, length)) return;
    this.ram.fill(value, gpa, gpa + length);
    this.written(gpa, length);
  }

  view(gpa: number, length: number): Uint8Array | undefined {
    return this.inRam(gpa, length) ? this.ram.subarray(gpa, gpa + length) : undefined;
  }

  overwritten(gpa: number, length: number): void {
    if (length > 0 && this.inRam(gpa, length)) this.written(gpa, length);
  }

  private inRam(gpa: number, length: number): boolean {
    return gpa >= 0 && length >= 0 && gpa <= this.ramBytes - length;
  }

  private readRam(gpa: number, width: AccessWidth): number {
    return width === 1 ? this.readU8(gpa) : width === 2 ? this.readU16(gpa) : this.readU32(gpa);
  }

  private writeRam(gpa: number, width: AccessWidth, value: number): void {
    if (width === 1) this.writeU8(gpa, value);
    else if (width === 2) this.writeU16(gpa, value);
    else this.writeU32(gpa, value);
  }

  /** Marks pages dirty and drops code decoded from them. */
  private written(gpa: number, length: number): void {
    const first = gpa >>> 12;
    const last = (gpa + length - 1) >>> 12;
    let code = 0;
    for (let page = first; page <= last; page++) {
      this.dirtyMap[page] = 1;
      code |= this.codeMap[page];
    }
    if (code !== 0) for (const observer of this.observers) observer.codeOverwritten(gpa, length);
  }

  // --- Mappings

  private gate(gpa: number): number {
    return !this.a20 && gpa >= 0x100000 && gpa < 0x200000 ? gpa - 0x100000 : gpa;
  }

  private find(gpa: number): Mapping | undefined {
    const last = this.lastHit;
    if (last && gpa >= last.gpa && gpa < last.end) return last;
    for (let i = this.mappings.length - 1; i >= 0; i--) {
      const mapping = this.mappings[i];
      if (gpa < mapping.gpa || gpa >= mapping.end) continue;
      // Only a mapping with nothing in front of any part of it may be remembered.
      if (!this.isCovered(i)) this.lastHit = mapping;
      return mapping;
    }
    return undefined;
  }

  private isCovered(index: number): boolean {
    const { gpa, end } = this.mappings[index];
    for (let i = index + 1; i < this.mappings.length; i++) {
      const later = this.mappings[i];
      if (later.gpa < end && later.end > gpa) return true;
    }
    return false;
  }

  private add(mapping: Mapping): () => void {
    this.mappings.push(mapping);
    this.remap(mapping.gpa, mapping.end);
    return () => {
      const at = this.mappings.indexOf(mapping);
      if (at < 0) return;
      this.mappings.splice(at, 1);
      this.remap(mapping.gpa, mapping.end);
    };
  }

  private remap(gpa: number, end: number): void {
    this.lastHit = undefined;
    this.updatePages(Math.floor(gpa / PAGE), Math.min(Math.ceil(end / PAGE), PAGES));
    // Aliases of the first megabyte while A20 is low.
    if (!this.a20 && gpa < 0x100000) this.updatePages(0x100, 0x200);
  }

  /** The same in whole pages, and tells of it. */
  private updatePages(first: number, end: number): void {
    this.updateMap(first, end);
    for (const observer of this.observers) observer.mapChanged(first * PAGE, (end - first) * PAGE);
  }

  /** The physical page map entries of pages `first` to `end` - 1. */
  private updateMap(first: number, end: number): void {
    const ramPages = this.ramBytes / PAGE;
    for (let page = first; page < end; page++)
      this.physMap[page] = page < ramPages ? (RAM_BASE + page * PAGE) | PHYS_READ | PHYS_WRITE : 0;
    for (const mapping of this.mappings) this.paint(mapping, first, end);
    for (
      let page = Math.max(first, LEGACY_BASE / PAGE);
      page < Math.min(end, LEGACY_END / PAGE);
      page++
    )
      this.paintLegacy(page);
    if (!this.a20)
      for (let page = Math.max(first, 0x100); page < Math.min(end, 0x200); page++)
        this.physMap[page] = this.physMap[page - 0x100]!;
  }

  private paint({ gpa, end, target }: Mapping, first: number, last: number): void {
    const from = Math.max(Math.floor(gpa / PAGE), first);
    const to = Math.min(Math.ceil(end / PAGE), last);
    for (let page = from; page < to; page++) {
      // A register block may be smaller than a page; the rest of its page is then reached through the bus.
      if (target.kind === 'mmio') this.physMap[page] = 0;
      else
        this.physMap[page] =
          (target.region.base + target.offset + page * PAGE - gpa) |
          PHYS_READ |
          (target.region.readOnly ? 0 : PHYS_WRITE);
    }
  }

  /** A0000h-FFFFFh: RAM only as far as the shadow registers say; a read-ROM, write-RAM page stores through the bus. */
  private paintLegacy(page: number): void {
    const shadow = this.shadow[Math.floor((page * PAGE - LEGACY_BASE) / GRANULE)];
    const ram = (RAM_BASE + page * PAGE) | 0;
    if (shadow & PHYS_READ) {
      this.physMap[page] = ram | shadow;
      return;
    }
    const mapped = this.mappings.some((m) => m.gpa < (page + 1) * PAGE && m.end > page * PAGE);
    if (!mapped) this.physMap[page] = 0;
    else if (shadow & PHYS_WRITE) this.physMap[page] &= ~PHYS_WRITE;
  }
}

function isLegacy(gpa: number): boolean {
  return gpa >= LEGACY_BASE && gpa < LEGACY_END;
}
