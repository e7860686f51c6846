/**
 * A small emitter of AML, the byte code of ACPI tables. Every function returns one encoded term.
 * Spec: ACPI 6.5 section 20 (AML), section 6.4 (resource descriptors).
 * Scope: the terms our DSDT uses. Missing: everything else, on purpose.
 */
import { ByteBuilder, latin1 } from '../bytes';

export type Aml = Uint8Array<ArrayBuffer>;

function join(...parts: readonly ArrayLike<number>[]): Aml {
  const b = new ByteBuilder();
  for (const part of parts) b.raw(part);
  return b.build();
}

/** 20.2.2 name objects: 'PCI0', '\\_SB_.PCI0', '^LNKA'; segments are padded with '_'. */
export function path(name: string): Aml {
  const match = /^(\\?)(\^*)(.*)$/.exec(name)!;
  const b = new ByteBuilder().text(match[1]).text(match[2]);
  const segments = match[3] === '' ? [] : match[3].split('.');
  if (segments.length === 0) b.u8(0);
  else if (segments.length === 2) b.u8(0x2e);
  else if (segments.length > 2) b.u8(0x2f, segments.length);
  for (const segment of segments) b.text(segment, 4, 0x5f);
  return b.build();
}

/** 20.2.4: the length counts its own bytes and what follows. */
function withPkgLength(body: Aml): Aml {
  const size = body.length;
  if (size + 1 < 0x40) return join([size + 1], body);
  for (let extra = 1; ; extra++) {
    const total = size + 1 + extra;
    if (total >= 1 << (4 + 8 * extra)) continue;
    const head = [(extra << 6) | (total & 0xf)];
    for (let i = 0; i < extra; i++) head.push((total >> (4 + 8 * i)) & 0xff);
    return join(head, body);
  }
}

export function integer(value: number | bigint): Aml {
  const n = BigInt(value);
  if (n === 0n) return Uint8Array.of(0x00);
  if (n === 1n) return Uint8Array.of(0x01);
  const b = new ByteBuilder();
  if (n <= 0xffn) return b.u8(0x0a, Number(n)).build();
  if (n <= 0xffffn) return b.u8(0x0b).u16(Number(n)).build();
  if (n <= 0xffff_ffffn) return b.u8(0x0c).u32(Number(n)).build();
  return b.u8(0x0e).u64(n).build();
}

export function string(text: string): Aml {
  return join([0x0d], latin1(text), [0]);
}

/** EISAID("PNP0A03") as the integer that AML stores, ACPI 19.6.34. */
export function eisaId(id: string): Aml {
  const letter = (i: number): number => id.charCodeAt(i) - 0x40;
  const product = parseInt(id.slice(3), 16);
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  return new ByteBuilder().u8(0x0c, vendor >> 8, vendor, product >> 8, product).build();
}

export function name(object: string, value: Aml): Aml {
  return join([0x08], path(object), value);
}

export function scope(object: string, ...terms: readonly Aml[]): Aml {
  return join([0x10], withPkgLength(join(path(object), ...terms)));
}

export function device(object: string, ...terms: readonly Aml[]): Aml {
  return join([0x5b, 0x82], withPkgLength(join(path(object), ...terms)));
}

export function method(object: string, argCount: number, ...terms: readonly Aml[]): Aml {
  return join([0x14], withPkgLength(join(path(object), [argCount], ...terms)));
}

/** A serialized method (bit 3 of the flags): needed when it creates named objects. */
export function serializedMethod(object: string, argCount: number, ...terms: readonly Aml[]): Aml {
  return join([0x14], withPkgLength(join(path(object), [argCount | 8], ...terms)));
}

/** DefProcessor, deprecated in 6.0 but the form every operating system since ACPI 1.0 reads. */
export function processor(object: string, id: number): Aml {
  return join([0x5b, 0x83], withPkgLength(join(path(object), [id, 0, 0, 0, 0, 0])));
}

export function packageOf(...elements: readonly Aml[]): Aml {
  return join([0x12], withPkgLength(join([elements.length], ...elements)));
}

export function buffer(bytes: Uint8Array): Aml {
  return join([0x11], withPkgLength(join(integer(bytes.length), bytes)));
}

export const REGION_SYSTEM_IO = 0x01;
export const REGION_PCI_CONFIG = 0x02;

export function operationRegion(
  object: string,
  space: number,
  offset: number,
  length: number,
): Aml {
  return join([0x5b, 0x80], path(object), [space], integer(offset), integer(length));
}

/** Field access type: 1 byte, 2 word, 3 dword; NoLock, Preserve. */
export function field(
  region: string,
  accessType: number,
  fields: readonly (readonly [name: string, bits: number])[],
): Aml {
  const b = new ByteBuilder().raw(path(region)).u8(accessType);
  for (const [fieldName, bits] of fields) b.text(fieldName, 4, 0x5f).u8(bits);
  return join([0x5b, 0x81], withPkgLength(b.build()));
}

export const arg = (n: number): Aml => Uint8Array.of(0x68 + n);
export const local = (n: number): Aml => Uint8Array.of(0x60 + n);
export const ref = path;

export const store = (value: Aml, target: Aml): Aml => join([0x70], value, target);
export const and = (a: Aml, b: Aml, target: Aml = Uint8Array.of(0)): Aml =>
  join([0x7b], a, b, target);
export const or = (a: Aml, b: Aml, target: Aml = Uint8Array.of(0)): Aml =>
  join([0x7d], a, b, target);
export const lessThan = (a: Aml, b: Aml): Aml => join([0x95], a, b);
export const createDwordField = (source: Aml, index: number, object: string): Aml =>
  join([0x8a], source, integer(index), path(object));
export const returnValue = (value: Aml): Aml => join([0xa4], value);
export const ifThen = (condition: Aml, ...then: readonly Aml[]): Aml =>
  join([0xa0], withPkgLength(join(condition, ...then)));

/** 6.4.2.5 I/O port descriptor, 16-bit decode. */
export function io(base: number, length: number): Aml {
  return new ByteBuilder().u8(0x47, 1).u16(base).u16(base).u8(1, length).build();
}

/** 6.4.2.1 IRQ descriptor without flags: edge, active high, exclusive. */
export function irq(...lines: readonly number[]): Aml {
  return new ByteBuilder().u8(0x22).u16(mask(lines)).build();
}

/** 6.4.3.6 extended interrupt descriptor: consumer, level, active high, shared. The first line is at byte 5. */
export function interruptLevelShared(...lines: readonly number[]): Aml {
  const b = new ByteBuilder()
    .u8(0x89)
    .u16(2 + lines.length * 4)
    .u8(0x09, lines.length);
  for (const line of lines) b.u32(line);
  return b.build();
}

function mask(lines: readonly number[]): number {
  return lines.reduce((bits, line) => bits | (1 << line), 0);
}

/** 6.4.2.2 DMA: 8-bit transfers, compatibility speed. */
export function dma(channel: number): Aml {
  return Uint8Array.of(0x2a, 1 << channel, 0);
}

/** 6.4.3.4 32-bit fixed memory range. */
export function memory32Fixed(base: number, length: number, writable: boolean): Aml {
  return new ByteBuilder()
    .u8(0x86)
    .u16(9)
    .u8(writable ? 1 : 0)
    .u32(base)
    .u32(length)
    .build();
}

/** 6.4.3.5 address spaces; producer, min and max fixed, positive decode. */
export function wordBusNumber(first: number, last: number): Aml {
  return new ByteBuilder()
    .u8(0x88)
    .u16(13)
    .u8(2, 0x0c, 0)
    .u16(0)
    .u16(first)
    .u16(last)
    .u16(0)
    .u16(last - first + 1)
    .build();
}

export function wordIo(first: number, last: number): Aml {
  return new ByteBuilder()
    .u8(0x88)
    .u16(13)
    .u8(1, 0x0c, 3)
    .u16(0)
    .u16(first)
    .u16(last)
    .u16(0)
    .u16(last - first + 1)
    .build();
}

/** `cacheable` false: non-cacheable read-write memory, as for BARs. */
export function dwordMemory(first: number, last: number, cacheable: boolean): Aml {
  return new ByteBuilder()
    .u8(0x87)
    .u16(23)
    .u8(0, 0x0c, cacheable ? 3 : 1)
    .u32(0)
    .u32(first)
    .u32(last)
    .u32(0)
    .u32(last - first + 1)
    .build();
}

/** A resource template: descriptors and the end tag (checksum 0 means "not used"). */
export function resources(...descriptors: readonly Aml[]): Aml {
  return buffer(join(...descriptors, [0x79, 0]));
}
