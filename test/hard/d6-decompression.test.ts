/** D6: compressed clusters that are no such thing, or expand without end (reliability.md, section 3). */
import { readFileSync, writeFileSync } from 'node:fs';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, it } from 'vitest';
import { Directory, qemuImg, run } from '../storage/qemu';
import { Random } from '../storage/random';
import { bundleProgram } from '../toolstack/bundle';
import { count, judge, mebibytes, secondsSince } from './bar';

const CLUSTER = 64 << 10;
const SECTOR = 512;
const MAX_GROWTH_BYTES = 32 << 20;
/** What the length field of an L2 entry of 64 KiB clusters can say, with a sector to spare. */
const MAX_PACKED = 255 * SECTOR;

const directory = new Directory();
const random = new Random(6);
let program = '';
beforeAll(async () => {
  program = await bundleProgram('../hard/cluster-reader.ts', directory.path);
});
afterAll(() => directory.close());

type Pack = (bytes: Uint8Array) => Buffer;

/** Ways to be hostile for streams that `pack` makes. */
function deflateAttacks(pack: Pack): (() => Buffer)[] {
  const text = Buffer.alloc(CLUSTER, 'compressible ');
  const valid = pack(text);
  const bomb = pack(Buffer.alloc(96 << 20));
  return [
    () => bomb.subarray(0, MAX_PACKED),
    () => pack(Buffer.alloc(CLUSTER + 1, random.below(256))),
    () => pack(Buffer.alloc(CLUSTER + 1 + random.below(8 << 20), random.below(256))),
    () => pack(Buffer.alloc(random.below(CLUSTER), random.below(256))),
    () => Buffer.from(random.bytes(4 * (1 + random.below(4000)))),
    () => valid.subarray(0, 1 + random.below(valid.length - 1)),
    () => {
      const copy = Buffer.from(valid);
      for (let i = 1 + random.below(4); i > 0; i--)
        copy[random.below(copy.length)] ^= 1 << random.below(8);
      return copy;
    },
    // Stored blocks of no bytes, one after the other (RFC 1951 3.2.4).
    () => Buffer.alloc(5 * 20_000, Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff])),
    () => Buffer.alloc(MAX_PACKED, random.below(256)),
  ];
}

/** A Zstandard frame (RFC 8878 3.1.1): descriptor, what follows it, and blocks. */
function frame(descriptor: number, header: readonly number[], ...blocks: Buffer[]): Buffer {
  return Buffer.concat([Buffer.from([0x28, 0xb5, 0x2f, 0xfd, descriptor, ...header]), ...blocks]);
}

/** A block of one byte that stands for `length` (3.1.1.2.2). */
function runBlock(length: number, last: boolean): Buffer {
  const head = (length << 3) | (1 << 1) | (last ? 1 : 0);
  return Buffer.from([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff, random.below(256)]);
}

function zstdAttacks(): (() => Buffer)[] {
  const runs = (number: number, length: number): Buffer[] =>
    Array.from({ length: number }, (_, i) => runBlock(length, i === number - 1));
  const window = (): number => random.pick([0x00, 0x38, 0x80, 0xff]);
  const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
  return [
    // 4 bytes stand for 128 KiB each: 1 GiB and more.
    () => frame(0x00, [window()], ...runs(8000 + random.below(20_000), 128 << 10)),
    () => frame(0x00, [window()], ...runs(1 + random.below(4), CLUSTER + 1)),
    () => frame(0x00, [window()], ...runs(1, random.below(CLUSTER))),
    () => frame(0xe0, huge, ...runs(1 + random.below(9000), 128 << 10)),
    () => frame(0xc0, [window(), ...huge], ...runs(1, CLUSTER)),
    () => frame(0x00, [window()], ...runs(1, (1 << 21) - 1)),
    () => frame(random.below(256), [...random.bytes(16)], Buffer.from(random.bytes(4000))),
    () => Buffer.from(random.bytes(4 * (1 + random.below(2000)))),
    () => frame(0x00, [0x38], Buffer.alloc(90_000)),
    // A skippable frame (3.1.2) in front, and frames behind each other.
    () =>
      Buffer.concat([
        Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f]),
        frame(0x00, [0x38], ...runs(1, CLUSTER)),
      ]),
    () =>
      Buffer.concat(Array.from({ length: 1000 }, () => frame(0x00, [0x38], ...runs(1, CLUSTER)))),
    () => frame(0x00, [0x38], ...runs(2, CLUSTER / 2)),
  ];
}

/** A qcow2 image whose compressed clusters but the first are `attacks` in turn. */
function hostileQcow2(
  name: string,
  blocks: number,
  type: string,
  attacks: (() => Buffer)[],
): string {
  const raw = directory.file(`${name}.raw`);
  writeFileSync(raw, Buffer.alloc(blocks * CLUSTER, 'compressible '));
  const path = directory.file(`${name}.qcow2`);
  qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', `compression_type=${type}`, raw, path);
  const file = readFileSync(path);
  const l2 = file.readUInt32BE(file.readUInt32BE(44) + 4);
  const parts = [file, Buffer.alloc(CLUSTER - (file.length % CLUSTER))];
  let at = file.length + (parts[1]?.length ?? 0);
  for (let block = 1; block < blocks; block++) {
    const payload = (attacks[block % attacks.length]?.() ?? file).subarray(0, MAX_PACKED);
    const sectors = Math.ceil(payload.length / SECTOR) - 1;
    // Bit 62: compressed; from bit 54 the sectors behind the first (qcow2.rst, "Compressed Clusters Descriptor").
    file.writeUInt32BE((0x40000000 | (sectors << 22)) >>> 0, l2 + block * 8);
    file.writeUInt32BE(at, l2 + block * 8 + 4);
    const whole = Buffer.alloc((sectors + 1) * SECTOR);
    payload.copy(whole);
    parts.push(whole);
    at += whole.length;
  }
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

/** A stream-optimised VMDK whose grains but the first are `attacks` in turn; its grains follow each other by markers. */
function hostileVmdk(blocks: number, attacks: (() => Buffer)[]): string {
  const raw = directory.file('v.raw');
  writeFileSync(raw, Buffer.alloc(blocks * CLUSTER, Buffer.from(random.bytes(CLUSTER))));
  const path = directory.file('v.vmdk');
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, path);
  const file = readFileSync(path);
  const atStart = file.readUInt32LE(56);
  // All ones: the grain directory is where the footer says.
  const inFooter = atStart === 0xffffffff ? file.length - 2 * SECTOR : 0;
  const directoryAt = file.readUInt32LE(inFooter + 56) * SECTOR;
  const table = file.readUInt32LE(directoryAt) * SECTOR;
  for (let block = 1; block < blocks; block++) {
    const grain = file.readUInt32LE(table + block * 4) * SECTOR;
    const room = file.readUInt32LE(grain + 8);
    const payload = (attacks[block % attacks.length]?.() ?? file).subarray(0, room);
    file.writeUInt32LE(payload.length, grain + 8);
    payload.copy(file, grain + 12);
  }
  writeFileSync(path, file);
  return path;
}

interface Outcome {
  readonly largest: number;
  readonly growth: number;
  readonly read: number;
  readonly refused: number;
  readonly slowestMs: number;
  readonly unclear: readonly string[];
}

it('D6: hostile compressed clusters', () => {
  const begin = performance.now();
  const misses: string[] = [];
  const files = [
    { blocks: 501, format: 'qcow2', path: hostileQcow2('zlib', 501, 'zlib', deflateAttacks(deflateRawSync)) },
    { blocks: 401, format: 'qcow2', path: hostileQcow2('zstd', 401, 'zstd', zstdAttacks()) },
    { blocks: 101, format: 'vmdk', path: hostileVmdk(101, deflateAttacks(deflateSync)) },
  ]; // prettier-ignore
  const outcomes = files.map(({ blocks, format, path }): Outcome => {
    const { status, output } = run(process.execPath, program, path, format, String(CLUSTER), String(blocks)); // prettier-ignore
    if (status !== 0) throw new Error(`${path}: the process ended with ${status}: ${output}`);
    return JSON.parse(output) as Outcome;
  });
  for (const { largest, growth, unclear } of outcomes) {
    misses.push(...unclear);
    if (largest > CLUSTER) misses.push(`a cluster gave ${largest} bytes`);
    if (growth > MAX_GROWTH_BYTES) misses.push(`memory grew by ${mebibytes(growth)}`);
  }
  const sum = (value: (outcome: Outcome) => number): number =>
    outcomes.reduce((total, outcome) => total + value(outcome), 0);
  const most = (value: (outcome: Outcome) => number): number => Math.max(...outcomes.map(value));
  const refused = sum((outcome) => outcome.refused);
  const read = sum((outcome) => outcome.read);
  judge({
    bar: 'D6',
    ours: `${count(refused + read)} hostile clusters (zlib, zstd, VMDK): ${refused} refused, ${read} read, at most ${most((outcome) => outcome.largest)} of ${CLUSTER} bytes out, +${mebibytes(most((outcome) => outcome.growth))}, slowest ${most((outcome) => outcome.slowestMs).toFixed(0)} ms, ${secondsSince(begin)}`,
    anchor: 'Cloud Hypervisor: explicitly not protected',
    misses: misses.slice(0, 20),
  });
});
