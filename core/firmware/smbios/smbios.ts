/**
 * SMBIOS tables: 2.8 entry point (32-bit) and structures 0, 1, 3, 4, 16, 17, 19, 32, 127.
 * Spec: DMTF DSP0134 2.8.0. Missing: base board, slots, OEM strings.
 */
import { ByteBuilder, checksum, latin1 } from '../bytes';

export interface SmbiosConfig {
  readonly ramBytes: number;
  readonly vcpus: number;
  /** The domain's UUID as text; shown as the system UUID. */
  readonly uuid: string;
  readonly biosVersion: string;
  /** Manufacturer string of the CPU as CPUID leaf 0 tells it, and its brand string. */
  readonly cpuVendor: string;
  readonly cpuBrand: string;
  /** CPUID.01H EAX and EDX. */
  readonly cpuSignature: number;
  readonly cpuFeatures: number;
}

export interface SmbiosTables {
  /** 31 bytes; goes to a 16-byte boundary in F0000h-FFFFFh. */
  readonly entryPoint: Uint8Array<ArrayBuffer>;
  readonly structures: Uint8Array<ArrayBuffer>;
}

const MIB = 1024 * 1024;

/** Collects one structure: formatted area, then its strings. */
class Structure {
  private readonly body = new ByteBuilder();
  private readonly strings: string[] = [];

  constructor(
    readonly type: number,
    readonly handle: number,
  ) {}

  /** Adds to the formatted area. */
  fields(write: (body: ByteBuilder) => void): this {
    write(this.body);
    return this;
  }

  /** Adds a string reference; empty texts are string number 0. */
  string(text: string): this {
    const printable = text.replace(/[^\x20-\x7e]/g, '').slice(0, 64);
    if (printable === '') this.body.u8(0);
    else this.body.u8(this.strings.push(printable));
    return this;
  }

  build(): Uint8Array<ArrayBuffer> {
    const b = new ByteBuilder()
      .u8(this.type, 4 + this.body.length)
      .u16(this.handle)
      .raw(this.body.build());
    for (const text of this.strings) b.raw(latin1(text)).u8(0);
    if (this.strings.length === 0) b.u8(0);
    return b.u8(0).build();
  }
}

/** 7.2.1: the first three fields are little-endian on the wire. */
export function uuidBytes(uuid: string): Uint8Array<ArrayBuffer> {
  const hex = uuid
    .replace(/[^0-9a-fA-F]/g, '')
    .padEnd(32, '0')
    .slice(0, 32);
  const raw = Uint8Array.from({ length: 16 }, (_, i) => parseInt(hex.slice(i * 2, i * 2 + 2), 16));
  return Uint8Array.of(
    raw[3],
    raw[2],
    raw[1],
    raw[0],
    raw[5],
    raw[4],
    raw[7],
    raw[6],
    ...raw.subarray(8),
  );
}

export function buildSmbios(config: SmbiosConfig, structuresGpa: number): SmbiosTables {
  const MEMORY_ARRAY = 0x1000;
  const parts: Structure[] = [];
  const add = (type: number, handle: number): Structure => {
    const structure = new Structure(type, handle);
    parts.push(structure);
    return structure;
  };

  add(0, 0)
    .string('Domus')
    .string(config.biosVersion)
    .fields((b) => b.u16(0xe000))
    .string('01/01/2026')
    // ROM size 128 KiB; PCI, shadowing, CD boot, selectable boot, EDD; ACPI, VM.
    .fields((b) =>
      b
        .u8(0x01)
        .u64((1 << 7) | (1 << 12) | (1 << 15) | (1 << 16) | (1 << 19))
        .u8(0x01, 0x10)
        .u8(1, 0, 0xff, 0xff),
    );
  add(1, 0x100)
    .string('Domus')
    .string('Domus PC (i440FX + PIIX3)')
    .string('1')
    .string('')
    .fields((b) => b.raw(uuidBytes(config.uuid)).u8(0x06))
    .string('')
    .string('Virtual Machine');
  add(3, 0x300)
    .string('Domus')
    .fields((b) => b.u8(0x01)) // other
    .string('1')
    .string('')
    .string('')
    .fields((b) => b.u8(3, 3, 3, 2).u32(0).u8(0, 0, 0, 0))
    .string('');
  for (let cpu = 0; cpu < config.vcpus; cpu++) {
    add(4, 0x400 + cpu)
      .string(`CPU ${cpu}`)
      .fields((b) => b.u8(0x03, 0x01)) // central processor; family: other
      .string(config.cpuVendor)
      .fields((b) => b.u32(config.cpuSignature).u32(config.cpuFeatures))
      .string(config.cpuBrand)
      // Voltage unknown, external clock unknown, speeds 2000 MHz, enabled, no upgrade, no cache handles.
      .fields((b) =>
        b.u8(0).u16(0).u16(2000).u16(2000).u8(0x41, 0x06).u16(0xffff).u16(0xffff).u16(0xffff),
      )
      .string('')
      .string('')
      .string('')
      .fields((b) => b.u8(1, 1, 1).u16(0x0004).u16(0x0001)); // 64-bit capable; family 2: other
  }
  const kib = Math.floor(config.ramBytes / 1024);
  add(16, MEMORY_ARRAY).fields((b) => b.u8(0x01, 0x03, 0x03).u32(kib).u16(0xfffe).u16(1).u64(0));
  add(17, 0x1100)
    .fields(
      (b) =>
        b
          .u16(MEMORY_ARRAY)
          .u16(0xfffe)
          .u16(0xffff)
          .u16(0xffff)
          .u16(Math.min(Math.floor(config.ramBytes / MIB), 0x7ffe))
          .u8(0x09, 0), // DIMM, no set
    )
    .string('DIMM 0')
    .string('')
    .fields((b) => b.u8(0x07).u16(0x0002).u16(0)) // RAM
    .string('Domus')
    .string('')
    .string('')
    .string('')
    .fields((b) => b.u8(0).u32(0).u16(0).u16(0).u16(0).u16(0));
  add(19, 0x1300).fields((b) =>
    b
      .u32(0)
      .u32(kib - 1)
      .u16(MEMORY_ARRAY)
      .u8(1)
      .u64(0)
      .u64(0),
  );
  add(32, 0x2000).fields((b) => b.zeros(6).u8(0));
  add(127, 0x7f00);

  const images = parts.map((part) => part.build());
  const structures = new ByteBuilder();
  for (const image of images) structures.raw(image);
  const table = structures.build();

  const entry = new ByteBuilder()
    .text('_SM_')
    .u8(0, 0x1f, 2, 8)
    .u16(images.reduce((max, image) => Math.max(max, image.length), 0))
    .u8(0)
    .zeros(5)
    .text('_DMI_')
    .u8(0)
    .u16(table.length)
    .u32(structuresGpa)
    .u16(images.length)
    .u8(0x28)
    .build();
  entry[0x15] = checksum(entry, 0x10, 0x1f);
  entry[4] = checksum(entry);
  return { entryPoint: entry, structures: table };
}
