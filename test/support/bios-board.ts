import type {
  AccessWidth,
  BlockBackend,
  GprName,
  RegisterAccess,
  SegmentName,
  SegmentState,
  SystemBus,
} from '../../core/hw';
import { GPR_NAMES } from '../../core/hw';
import { NULL_LOGGER } from '../../core/base';
import { Bios, type BiosConfig, type BiosDisk, type BiosNetworkCard } from '../../core/firmware';
import { ArrayMemory } from './array-memory';
import { MockClock } from './mock-clock';

/** Registers of a processor that is not there. */
export class PlainRegisters implements RegisterAccess {
  private readonly gpr = new Map<GprName, bigint>(GPR_NAMES.map((name) => [name, 0n]));
  private readonly segments = new Map<SegmentName, SegmentState>();
  rip = 0n;
  rflags = 2;
  cr0 = 0x10n;
  cr2 = 0n;
  cr3 = 0n;
  cr4 = 0n;
  efer = 0n;
  gdtr = { base: 0n, limit: 0 };
  idtr = { base: 0n, limit: 0x3ff };

  get32(name: GprName): number {
    return Number(this.gpr.get(name)! & 0xffffffffn);
  }
  set32(name: GprName, value: number): void {
    this.gpr.set(name, BigInt(value >>> 0));
  }
  set16(name: GprName, value: number): void {
    this.gpr.set(name, (this.gpr.get(name)! & ~0xffffn) | BigInt(value & 0xffff));
  }
  set8(name: GprName, value: number): void {
    this.gpr.set(name, (this.gpr.get(name)! & ~0xffn) | BigInt(value & 0xff));
  }
  get64(name: GprName): bigint {
    return this.gpr.get(name)!;
  }
  set64(name: GprName, value: bigint): void {
    this.gpr.set(name, BigInt.asUintN(64, value));
  }
  getSegment(name: SegmentName): SegmentState {
    return this.segments.get(name) ?? { selector: 0, base: 0n, limit: 0xffff, access: 0x93 };
  }
  setSegment(name: SegmentName, state: SegmentState): void {
    this.segments.set(name, { ...state });
  }
}

/** CMOS, PCI configuration space, VGA registers and memory, DISPI: enough of a board to run BIOS services on. */
export class PlainBus implements SystemBus {
  readonly cmos = new Uint8Array(128);
  readonly vga = new Uint8Array(0x20000);
  readonly dispi = new Uint16Array(16);
  readonly indexed = new Map<number, Uint8Array>();
  /** Configuration spaces by slot << 3 | function. */
  readonly pci = new Map<number, Uint8Array>();
  /** Everything written to ports that are not modelled: port to last value. */
  readonly written = new Map<number, number>();
  private cmosIndex = 0;
  private configAddress = 0;
  private dispiIndex = 0;
  private readonly indexes = new Map<number, number>();
  private attributeData = false;
  private misc = 0;
  readonly dac = new Uint8Array(768);
  private dacAt = 0;

  constructor() {
    this.dispi[0] = 0xb0c5;
    this.dispi[10] = 0x100;
    this.cmos.set([0x56, 0, 0x34, 0, 0x12, 0, 5, 0x29, 0x02, 0x24, 0x26, 0x02, 0, 0x80]);
    this.cmos[0x32] = 0x20;
    this.addFunction(0, 0, 0x12378086, 0x060000);
    this.addFunction(1, 0, 0x70008086, 0x060100)[0x0e] = 0x80;
    this.addFunction(1, 1, 0x70108086, 0x010180);
    this.addFunction(1, 3, 0x71138086, 0x068000)[0x3d] = 1;
    this.addFunction(2, 0, 0x11111234, 0x030000)[0x3d] = 1;
  }

  addFunction(slot: number, fn: number, id: number, classCode: number): Uint8Array {
    const space = new Uint8Array(256);
    new DataView(space.buffer).setUint32(0, id, true);
    new DataView(space.buffer).setUint32(8, classCode * 256, true);
    this.pci.set((slot << 3) | fn, space);
    return space;
  }

  private config(port: number): { space: Uint8Array; at: number } | undefined {
    const space = this.pci.get((this.configAddress >> 8) & 0xff);
    return space && { space, at: (this.configAddress & 0xfc) + (port & 3) };
  }

  readPort(port: number, width: AccessWidth): number {
    const ones = width === 1 ? 0xff : width === 2 ? 0xffff : 0xffffffff;
    if (port === 0x71) return this.cmos[this.cmosIndex];
    if (port >= 0xcfc && port < 0xd00) {
      const hit = this.config(port);
      if (!hit) return ones;
      const view = new DataView(hit.space.buffer);
      return width === 1
        ? view.getUint8(hit.at)
        : width === 2
          ? view.getUint16(hit.at, true)
          : view.getUint32(hit.at, true);
    }
    if (port === 0x1cf) return this.dispi[this.dispiIndex & 15];
    if (port === 0x3cc) return this.misc;
    if (port === 0x3da || port === 0x3ba) {
      this.attributeData = false;
      return 0;
    }
    if (port === 0x3c1) return this.registers(0x3c0)[this.indexes.get(0x3c0)! & 0x1f];
    if (port === 0x3c9) return this.dac[this.dacAt++ % 768];
    if (port === 0x3c5 || port === 0x3cf || port === 0x3d5 || port === 0x3b5)
      return this.registers(port - 1)[this.indexes.get(port - 1) ?? 0];
    if (port === 0x64) return 0;
    return ones;
  }

  writePort(port: number, width: AccessWidth, value: number): void {
    this.written.set(port, value);
    if (port === 0x70) this.cmosIndex = value & 0x7f;
    else if (port === 0x71) this.cmos[this.cmosIndex] = value;
    else if (port === 0xcf8) this.configAddress = value;
    else if (port >= 0xcfc && port < 0xd00) this.writeConfig(port, width, value);
    else if (port === 0x1ce) this.dispiIndex = value;
    else if (port === 0x1cf) this.dispi[this.dispiIndex & 15] = value;
    else if (port === 0x3c2) this.misc = value;
    else if (port === 0x3c0) {
      if (this.attributeData) this.registers(0x3c0)[this.indexes.get(0x3c0)! & 0x1f] = value;
      else this.indexes.set(0x3c0, value);
      this.attributeData = !this.attributeData;
    } else if (port === 0x3c7 || port === 0x3c8) this.dacAt = value * 3;
    else if (port === 0x3c9) this.dac[this.dacAt++ % 768] = value;
    else if (port === 0x3c4 || port === 0x3ce || port === 0x3d4 || port === 0x3b4)
      this.indexes.set(port, value);
    else if (port === 0x3c5 || port === 0x3cf || port === 0x3d5 || port === 0x3b5)
      this.registers(port - 1)[this.indexes.get(port - 1) ?? 0] = value;
  }

  /** BARs keep only their size's bits: VGA BAR0 is 16 MiB, the IDE's BAR4 16 ports. */
  private writeConfig(port: number, width: AccessWidth, value: number): void {
    const hit = this.config(port);
    if (!hit) return;
    const view = new DataView(hit.space.buffer);
    const { at } = hit;
    if (at >= 0x10 && at < 0x28) {
      const id = view.getUint32(0, true);
      if (id === 0x11111234 && at === 0x10) view.setUint32(at, (value & 0xff000000) | 8, true);
      if (id === 0x11111234 && at === 0x18) view.setUint32(at, value & 0xfffff000, true);
      if (id === 0x70108086 && at === 0x20) view.setUint32(at, (value & 0xfff0) | 1, true);
    } else if (at >= 4 && !(at >= 8 && at < 0x10)) {
      if (width === 1) view.setUint8(at, value);
      else if (width === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
    }
  }

  registers(port: number): Uint8Array {
    let registers = this.indexed.get(port);
    if (!registers) this.indexed.set(port, (registers = new Uint8Array(256)));
    return registers;
  }

  /** What the VGA's register BAR (BAR 2) begins with. */
  readonly edid = Uint8Array.from({ length: 128 }, (_, i) =>
    i === 0 || i === 7 ? 0 : i < 7 ? 0xff : i,
  );

  readMmio(gpa: number, width: AccessWidth): number {
    const vga = new DataView(this.pci.get(2 << 3)!.buffer);
    const registers = vga.getUint32(0x18, true);
    let value = 0;
    for (let i = width - 1; i >= 0; i--) {
      const at = gpa + i;
      const byte = registers !== 0 && at >= registers ? this.edid[at - registers] : undefined;
      value = value * 256 + (byte ?? this.vga[at - 0xa0000] ?? 0xff);
    }
    return value;
  }

  writeMmio(gpa: number, width: AccessWidth, value: number): void {
    for (let i = 0; i < width; i++)
      if (gpa - 0xa0000 + i < this.vga.length) this.vga[gpa - 0xa0000 + i] = value >>> (8 * i);
  }
}

/** A block back end over an array. */
export function arrayBackend(bytes: Uint8Array, readOnly = false): BlockBackend {
  const check = (offset: number, length: number): void => {
    if (offset + length > bytes.length)
      throw Object.assign(new Error('past the end'), { code: 'EIO' });
  };
  return {
    sizeBytes: bytes.length,
    readOnly,
    read: (offset, target, done) => {
      target.set(bytes.subarray(offset, offset + target.length));
      done();
    },
    write: (offset, source, done) => {
      bytes.set(source, offset);
      done();
    },
    flush: (done) => done(),
    readNow: (offset, length) => {
      check(offset, length);
      return bytes.slice(offset, offset + length);
    },
    writeNow: (offset, source) => {
      check(offset, source.length);
      bytes.set(source, offset);
    },
  };
}

export interface CallResult {
  readonly carry: boolean;
  readonly zero: boolean;
  /** What the ROM is asked to do next: 0 done, 1 wait, 2 spin. */
  readonly action: number;
  readonly returnTo: { segment: number; offset: number };
}

const CARRY = 1;
const ZERO = 0x40;

/** A BIOS after POST on the plain bus, and a way to call its services. */
export class BiosBench {
  /** Linear address of the stack that services are called on. */
  stack = 0x8000;
  readonly memory = new ArrayMemory(32 << 20);
  readonly registers = new PlainRegisters();
  readonly bus = new PlainBus();
  readonly clock = new MockClock();
  readonly bios: Bios;

  constructor(
    disks: readonly BiosDisk[] = [],
    config: Partial<BiosConfig> = {},
    networks: readonly BiosNetworkCard[] = [],
  ) {
    const font = (height: number): Uint8Array =>
      Uint8Array.from({ length: 256 * height }, (_, i) => Math.floor(i / height));
    this.bios = new Bios(
      {
        memory: this.memory,
        registers: this.registers,
        bus: this.bus,
        disks,
        networks,
        clock: this.clock,
        fonts: { font8x8: font(8), font8x14: font(14), font8x16: font(16) },
        log: NULL_LOGGER,
      },
      {
        bootOrder: 'cda',
        serialPorts: [1],
        hpet: true,
        vcpus: 1,
        uuid: '00112233-4455-6677-8899-aabbccddeeff',
        biosVersion: 'test',
        cpuVendor: 'GenuineIntel',
        cpuBrand: 'test',
        cpuSignature: 0x306c3,
        cpuFeatures: 0x1f8bfbff,
        ...config,
      },
    );
    this.bios.post();
  }

  segment(name: SegmentName, selector: number): void {
    this.registers.setSegment(name, {
      selector,
      base: BigInt(selector * 16),
      limit: 0xffff,
      access: 0x93,
    });
  }

  /** `call(0x10, { rax: 0x0e41 })` is INT 10h with these registers (others keep their values). `retry` traps again as the ROM does after waiting. */
  call(
    service: number,
    registers: Partial<Record<GprName, number>> = {},
    retry = false,
  ): CallResult {
    const { memory } = this;
    for (const name of GPR_NAMES)
      if (registers[name] !== undefined) this.registers.set32(name, registers[name]);
    this.segment('ss', 0);
    this.registers.set32('rsp', this.stack);
    this.registers.setSegment('cs', {
      selector: 0xf000,
      base: 0xf0000n,
      limit: 0xffff,
      access: 0x9b,
    });
    this.registers.rip = BigInt([...this.bios.rom.code.traps][0]);
    if (!retry) {
      memory.writeU16(this.stack, service);
      memory.writeU16(this.stack + 2, 0x1234);
      memory.writeU16(this.stack + 4, 0x5678);
      memory.writeU16(this.stack + 6, 0x0202);
    }
    this.bios.writePort();
    const flags = memory.readU16(this.stack + 6);
    return {
      carry: (flags & CARRY) !== 0,
      zero: (flags & ZERO) !== 0,
      action: memory.readU8(this.stack + 1),
      returnTo: { offset: memory.readU16(this.stack + 2), segment: memory.readU16(this.stack + 4) },
    };
  }

  get ax(): number {
    return this.registers.get32('rax') & 0xffff;
  }
  get bx(): number {
    return this.registers.get32('rbx') & 0xffff;
  }
  get cx(): number {
    return this.registers.get32('rcx') & 0xffff;
  }
  get dx(): number {
    return this.registers.get32('rdx') & 0xffff;
  }

  /** Characters on the 80x25 text screen, rows without trailing blanks. */
  text(): string[] {
    return Array.from({ length: 25 }, (_, row) =>
      Array.from({ length: 80 }, (_, column) =>
        String.fromCharCode(this.bus.vga[0x18000 + (row * 80 + column) * 2]),
      )
        .join('')
        .trimEnd(),
    );
  }
}

/** An ISO 9660 image with one El Torito entry, or without a boot record. */
export function bootableIso(
  options: {
    bootable?: boolean;
    mediaType?: number;
    platform?: number;
    loadSegment?: number;
    sectorCount?: number;
    image?: Uint8Array;
  } = {},
): Uint8Array {
  const {
    bootable = true,
    mediaType = 0,
    platform = 0,
    loadSegment = 0,
    sectorCount = 4,
  } = options;
  const image = options.image ?? new Uint8Array(2048).fill(0x90);
  const iso = new Uint8Array(20 * 2048 + Math.ceil(image.length / 2048) * 2048);
  const put = (at: number, text: string): void =>
    iso.set(
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
      at,
    );
  iso[16 * 2048] = 1;
  put(16 * 2048 + 1, 'CD001');
  if (!bootable) return iso;
  put(17 * 2048 + 1, 'CD001');
  put(17 * 2048 + 7, 'EL TORITO SPECIFICATION');
  const view = new DataView(iso.buffer);
  view.setUint32(17 * 2048 + 0x47, 19, true);
  const catalog = 19 * 2048;
  iso[catalog] = 1;
  iso[catalog + 1] = platform;
  view.setUint16(catalog + 30, 0xaa55, true);
  let sum = 0;
  for (let i = 0; i < 32; i += 2) sum += view.getUint16(catalog + i, true);
  view.setUint16(catalog + 28, -sum & 0xffff, true);
  iso[catalog + 32] = 0x88;
  iso[catalog + 33] = mediaType;
  view.setUint16(catalog + 34, loadSegment, true);
  view.setUint16(catalog + 38, sectorCount, true);
  view.setUint32(catalog + 40, 20, true);
  iso.set(image, 20 * 2048);
  return iso;
}
