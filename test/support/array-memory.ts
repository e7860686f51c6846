import type { GuestMemory } from '../../core/hw';

/** Guest RAM as one array. */
export class ArrayMemory implements GuestMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  private readonly data: DataView;

  constructor(readonly ramBytes: number) {
    this.bytes = new Uint8Array(ramBytes);
    this.data = new DataView(this.bytes.buffer);
  }

  private has(gpa: number, length: number): boolean {
    return gpa >= 0 && gpa + length <= this.ramBytes;
  }

  readU8(gpa: number): number {
    return this.has(gpa, 1) ? this.data.getUint8(gpa) : 0xff;
  }
  readU16(gpa: number): number {
    return this.has(gpa, 2) ? this.data.getUint16(gpa, true) : 0xffff;
  }
  readU32(gpa: number): number {
    return this.has(gpa, 4) ? this.data.getUint32(gpa, true) : 0xffffffff;
  }
  readU64(gpa: number): bigint {
    return this.has(gpa, 8) ? this.data.getBigUint64(gpa, true) : 0xffffffffffffffffn;
  }
  writeU8(gpa: number, value: number): void {
    if (this.has(gpa, 1)) this.data.setUint8(gpa, value);
  }
  writeU16(gpa: number, value: number): void {
    if (this.has(gpa, 2)) this.data.setUint16(gpa, value, true);
  }
  writeU32(gpa: number, value: number): void {
    if (this.has(gpa, 4)) this.data.setUint32(gpa, value, true);
  }
  writeU64(gpa: number, value: bigint): void {
    if (this.has(gpa, 8)) this.data.setBigUint64(gpa, value, true);
  }
  read(gpa: number, length: number): Uint8Array<ArrayBuffer> {
    return this.has(gpa, length)
      ? this.bytes.slice(gpa, gpa + length)
      : new Uint8Array(length).fill(0xff);
  }
  readInto(gpa: number, target: Uint8Array): void {
    if (this.has(gpa, target.length)) target.set(this.bytes.subarray(gpa, gpa + target.length));
    else target.fill(0xff);
  }
  write(gpa: number, bytes: Uint8Array): void {
    if (this.has(gpa, bytes.length)) this.bytes.set(bytes, gpa);
  }
  view(gpa: number, length: number): Uint8Array | undefined {
    return this.has(gpa, length) ? this.bytes.subarray(gpa, gpa + length) : undefined;
  }
  overwritten(): void {
    // Nothing is decoded from it.
  }
  fill(gpa: number, length: number, value: number): void {
    if (this.has(gpa, length)) this.bytes.fill(value, gpa, gpa + length);
  }
}
