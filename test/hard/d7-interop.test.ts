/** D7: images that Domus and QEMU change in turn (reliability.md, section 3). qemu-img is the judge, and so is Domus's own check. */
import { rmSync, writeFileSync } from 'node:fs';
import { afterAll, it } from 'vitest';
import {
  applyImageSnapshot,
  checkImage,
  convertImage,
  createImageSnapshot,
  createQcow2,
  deleteImageSnapshot,
  growImage,
  type CreateQcow2Options,
  type DiskImage,
  type ImageTask,
} from '../../core/storage';
import { contents, Directory, HOST, open, OWNER, qemuImg, run } from '../storage/qemu';
import { Random } from '../storage/random';
import { count, judge, secondsSince } from './bar';

const IMAGES = 20;
const OPERATIONS = 5000;
/** Each writes so many operations before the other has the image. */
const TURN = 250;
const SECTOR = 512;
const MIB = 2 ** 20;
const MAX_BYTES = 6 * MIB;
const MAX_SNAPSHOTS = 4;
/** Most that is looked at beside a change. */
const MAX_GRAIN = 65536;

interface Kind extends Partial<CreateQcow2Options> {
  /** Its disk holds something from the start: in compressed clusters, or in the image below it. */
  readonly filled?: 'compressed' | 'below';
}

const KINDS: readonly Kind[] = [
  {},
  { clusterBytes: 4096 },
  { clusterBytes: 512 },
  { clusterBytes: 4096, refcountOrder: 3 },
  { clusterBytes: 4096, version: 2 },
  { clusterBytes: 1024, refcountOrder: 6 },
  { clusterBytes: 2 * MIB },
  { clusterBytes: 4096, filled: 'compressed' },
  { filled: 'below' },
];

const directory = new Directory();
afterAll(() => directory.close());

/** One image and what its disk and its snapshots hold. */
class Subject {
  readonly path: string;
  private model = Buffer.alloc(2 * MIB);
  private readonly snapshots = new Map<string, Buffer>();
  private readonly random: Random;
  private readonly clusterBytes: number;
  private readonly canGrow: boolean;
  private names = 0;
  operations = 0;
  readonly problems: string[] = [];

  constructor(
    index: number,
    private readonly kind: Kind,
  ) {
    this.path = directory.file(`${index}.qcow2`);
    this.random = new Random(index + 1);
    this.clusterBytes = kind.clusterBytes ?? 65536;
    this.canGrow = kind.version !== 2;
  }

  async create(): Promise<void> {
    const { path, model, random } = this;
    const { filled, clusterBytes = 65536, ...kind } = this.kind;
    if (filled === undefined)
      return createQcow2(HOST.files, { path, sizeBytes: model.length, clusterBytes, ...kind });
    for (let at = 0; at < model.length; at += 256 << 10)
      model.set(Buffer.alloc(random.below(200) << 10, random.bytes(1000)), at);
    const below = `${path}.below`;
    writeFileSync(below, model);
    const options = ['-o', `cluster_size=${clusterBytes}`];
    if (filled === 'compressed')
      qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', ...options, below, path);
    else qemuImg('create', '-q', '-f', 'qcow2', ...options, '-F', 'raw', '-b', below, path);
  }

  private get task(): ImageTask {
    const backing = { directories: [directory.path] };
    return { path: this.path, format: 'qcow2', owner: OWNER, backing };
  }

  private range(): { offset: number; length: number } {
    const sectors = this.model.length / SECTOR;
    const first = this.random.below(sectors);
    const most = Math.min(this.random.pick([1, 8, 64, 300]), sectors - first);
    return { offset: first * SECTOR, length: (1 + this.random.below(most)) * SECTOR };
  }

  /** The whole clusters of a range: what QEMU's discard certainly makes zeros of. */
  private clusters({ offset, length }: { offset: number; length: number }): [number, number] {
    const { clusterBytes } = this;
    const end = Math.floor((offset + length) / clusterBytes) * clusterBytes;
    return [Math.ceil(offset / clusterBytes) * clusterBytes, end];
  }

  async byDomus(): Promise<void> {
    const image = await open(this.path, 'qcow2', this.task);
    for (let i = 0; i < TURN; i++) {
      const { offset, length } = this.range();
      const what = this.random.below(10);
      if (what < 6) {
        const bytes = this.random.bytes(length);
        await image.write(offset, bytes);
        this.model.set(bytes, offset);
      } else if (what < 8) {
        await image.writeZeroes(offset, length);
        this.model.fill(0, offset, offset + length);
      } else if (what < 9) {
        await image.discard(offset, length);
        // What a discard leaves alone is up to the image.
        this.model.set(await image.read(offset, length), offset);
      } else await image.flush();
      await this.compareAround(image, offset, length);
      this.operations++;
    }
    this.compare(await contents(image), 'Domus reads what it wrote');
    await image.close();
  }

  /** What lies about a change in the same clusters is as it was; at the end much of that is written over. */
  private async compareAround(image: DiskImage, offset: number, length: number): Promise<void> {
    const grain = Math.min(this.clusterBytes, MAX_GRAIN);
    const from = offset - (offset % grain);
    const to = Math.min(this.model.length, Math.ceil((offset + length) / grain) * grain);
    const bytes = Buffer.from(await image.read(from, to - from));
    if (!bytes.equals(this.model.subarray(from, to)))
      this.problems.push(`${this.path}: other bytes about ${length} bytes at ${offset}`);
  }

  /**
   * What QEMU writes, by one process for each compressed write. With several, QEMU (7.2) packs compressed data into a
   * cluster that a discard has freed and a write taken since: qemu-io alone shows it by writing compressed at 0, discarding
   * that, writing at 8192, and compressed at 4096, in clusters of 4096 bytes.
   */
  byQemu(): void {
    let commands: string[] = [];
    const processes = [commands];
    const { clusterBytes } = this;
    for (let i = 0; i < TURN; i++) {
      const { offset, length } = this.range();
      const what = this.random.below(10);
      const value = 1 + this.random.below(255);
      if (what < 2 && this.kind.filled === 'compressed') {
        // QEMU compresses whole clusters that are not there.
        const at = offset - (offset % clusterBytes);
        if (at + clusterBytes <= this.model.length) {
          processes.push((commands = []));
          commands.push(`discard -q ${at} ${clusterBytes}`);
          commands.push(`write -q -c -P ${value} ${at} ${clusterBytes}`);
          this.model.fill(value, at, at + clusterBytes);
        }
      } else if (what < 6) {
        commands.push(`write -q -P ${value} ${offset} ${length}`);
        this.model.fill(value, offset, offset + length);
      } else if (what < 8) {
        commands.push(`write -q -z ${what === 6 ? '-u ' : ''}${offset} ${length}`);
        this.model.fill(0, offset, offset + length);
      } else if (what < 9) {
        const [from, to] = this.clusters({ offset, length });
        if (to > from) {
          // With an image below, what a discard leaves there is up to QEMU's version.
          const word = this.kind.filled === 'below' ? 'write -z -u' : 'discard';
          commands.push(`${word} -q ${from} ${to - from}`);
          this.model.fill(0, from, to);
        }
      } else commands.push('flush');
      this.operations++;
    }
    for (const list of processes.filter(({ length }) => length > 0)) {
      const words = list.flatMap((command) => ['-c', command]);
      const { status, output } = run('qemu-io', '-d', 'unmap', '-f', 'qcow2', ...words, this.path);
      if (status !== 0 || output !== '') this.problems.push(`qemu-io: ${output.slice(0, 200)}`);
    }
  }

  /** A snapshot or a resize, by either. */
  async whole(domus: boolean): Promise<void> {
    const { path, random, task } = this;
    const taken = [...this.snapshots.keys()];
    const what = random.below(4);
    this.operations++;
    if (what === 0 && taken.length < MAX_SNAPSHOTS) {
      const name = `s${this.names++}`;
      if (domus) await createImageSnapshot(HOST, task, { name, takenAtMs: 1000 });
      else qemuImg('snapshot', '-c', name, path);
      this.snapshots.set(name, Buffer.from(this.model));
    } else if (what === 1 && taken.length > 0) {
      const name = random.pick(taken);
      const kept = this.snapshots.get(name) ?? this.model;
      // QEMU before version 8 does not go back over a resize by itself.
      if (domus) await applyImageSnapshot(HOST, task, name);
      else if (kept.length === this.model.length) qemuImg('snapshot', '-a', name, path);
      else return;
      this.model = Buffer.from(kept);
    } else if (what === 2 && taken.length > 0) {
      const name = random.pick(taken);
      if (domus) await deleteImageSnapshot(HOST, task, name);
      else qemuImg('snapshot', '-d', name, path);
      this.snapshots.delete(name);
    } else if (what === 3 && this.canGrow && this.model.length < MAX_BYTES) {
      const grown = Buffer.alloc(this.model.length + (1 + random.below(1000)) * SECTOR);
      grown.set(this.model);
      if (domus) await growImage(HOST, task, grown.length);
      else qemuImg('resize', '-q', '-f', 'qcow2', path, String(grown.length));
      this.model = grown;
    }
  }

  async judge(by: string): Promise<void> {
    const { path } = this;
    const check = run('qemu-img', 'check', '-f', 'qcow2', path);
    if (check.status !== 0) this.problems.push(`after ${by}: qemu-img check: ${check.output}`);
    const report = await checkImage(HOST, this.task);
    if (report.problemCount > 0 || report.leakedClusters > 0)
      this.problems.push(
        `after ${by}: ${report.leakedClusters} leaks, ${report.problems.join('; ')}`,
      );
    const raw = directory.file('model.raw');
    writeFileSync(raw, this.model);
    const compared = run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', path, raw);
    if (compared.status !== 0) this.problems.push(`after ${by}: ${compared.output}`);
    const image = await open(path, 'qcow2', { ...this.task, readOnly: true });
    this.compare(await contents(image), `after ${by}`);
    await image.close();
  }

  /** Every snapshot holds what the disk held. */
  async judgeSnapshots(): Promise<void> {
    for (const [name, bytes] of this.snapshots) {
      await applyImageSnapshot(HOST, this.task, name);
      this.model = Buffer.from(bytes);
      await this.judge(`snapshot ${name}`);
    }
  }

  /** Each reads what the other has made of the whole image. */
  async judgeCopies(): Promise<void> {
    const { path, task } = this;
    const copy = directory.file('copy.qcow2');
    await convertImage(HOST, task, { path: copy, format: 'qcow2' });
    const check = run('qemu-img', 'check', '-f', 'qcow2', copy);
    if (check.status !== 0) this.problems.push(`Domus's copy: qemu-img check: ${check.output}`);
    const compared = run('qemu-img', 'compare', '-f', 'qcow2', '-F', 'qcow2', path, copy);
    if (compared.status !== 0) this.problems.push(`Domus's copy: ${compared.output}`);
    rmSync(copy);
    qemuImg('convert', '-c', '-f', 'qcow2', '-O', 'qcow2', path, copy);
    const image = await open(copy, 'qcow2', { readOnly: true });
    this.compare(await contents(image), "QEMU's copy");
    await image.close();
    rmSync(copy);
  }

  private compare(bytes: Buffer, when: string): void {
    if (!bytes.equals(this.model)) this.problems.push(`${this.path}: ${when}: other bytes`);
  }
}

it(`D7: ${IMAGES} images of ${OPERATIONS} operations`, async () => {
  const begin = performance.now();
  const problems: string[] = [];
  let operations = 0;
  let checks = 0;
  for (let index = 0; index < IMAGES; index++) {
    const subject = new Subject(index, KINDS[index % KINDS.length] ?? {});
    await subject.create();
    for (let turn = index; subject.operations < OPERATIONS; turn++) {
      const domus = turn % 2 === 0;
      if (domus) await subject.byDomus();
      else subject.byQemu();
      await subject.whole(domus);
      await subject.judge(domus ? 'Domus' : 'QEMU');
      checks++;
    }
    await subject.judgeCopies();
    await subject.judgeSnapshots();
    problems.push(...subject.problems);
    operations += subject.operations;
  }
  judge({
    bar: 'D7',
    ours: `${problems.length} differences or errors in ${count(operations)} operations on ${IMAGES} images, Domus and QEMU in turn, judged ${checks} times, ${secondsSince(begin)}`,
    anchor: 'QEMU: 321 golden outputs of its iotests',
    misses: problems.slice(0, 20),
  });
});
