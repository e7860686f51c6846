/** D5: images that name files of the host (reliability.md, section 3): strace sees every file that is opened. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import type { ImageFormat } from '../../core/storage';
import { Directory, qemuImg, run } from '../storage/qemu';
import { bundleProgram } from '../toolstack/bundle';
import { count, judge, secondsSince } from './bar';

const SECRET = '/etc/passwd';
const LIMIT_MS = 60_000;
const SECTOR = 512;
/** glibc's malloc asks this as it gives memory of a thread back (malloc-sysdep.h, check_may_shrink_heap). */
const BY_MALLOC = '/proc/sys/vm/overcommit_memory';

const directory = new Directory();
let program = '';
beforeAll(async () => {
  program = await bundleProgram('../hard/image-opener.ts', directory.path);
});
afterAll(() => directory.close());

interface Case {
  readonly name: string;
  /** The image; in a directory of its own. */
  readonly path: string;
  readonly format: ImageFormat;
  /** Where images below may lie; absent: nowhere. */
  readonly policy?: string;
  /** Files besides the image that may be opened. */
  readonly mayOpen?: readonly string[];
}

let number = 0;
/** A directory of its own for a case. */
function place(): string {
  const path = directory.file(`case${number++}`);
  mkdirSync(path);
  return path;
}

/** A qcow2 image of 1 MiB that names `below` as the image below it. */
function overlay(path: string, below: string, format = 'raw'): string {
  qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', format, '-b', below, path, '1M');
  return path;
}

/** An overlay in a new directory, where images below may lie. */
function attack(name: string, below: string | ((folder: string) => string), format = 'raw'): Case {
  const folder = place();
  const target = typeof below === 'string' ? below : below(folder);
  const path = overlay(join(folder, 'a.qcow2'), target, format);
  return { name, path, format: 'qcow2', policy: folder };
}

function bytesOf(build: (path: string) => void): Buffer {
  const path = join(place(), 'made');
  build(path);
  return readFileSync(path);
}

/** A raw disk into whose first sectors a guest has written the header of another format. */
function rawThatLooksLike(name: string, header: Buffer): Case {
  const folder = place();
  const bytes = Buffer.alloc(1 << 20);
  header.copy(bytes);
  const path = join(folder, 'a.raw');
  writeFileSync(path, bytes);
  return { name, path, format: 'raw', policy: folder };
}

function file(name: string, format: ImageFormat, bytes: Buffer | string): Case {
  const folder = place();
  const path = join(folder, `a.${format}`);
  writeFileSync(path, bytes);
  return { name, path, format, policy: folder };
}

function vmdkDescriptor(type: string, extra: string): string {
  return `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="${type}"\n${extra}\n`;
}

function changed(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
}

function withDataFile(): Buffer {
  return bytesOf((path) => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${path}.data,data_file_raw=on`, path, '1M'); // prettier-ignore
    const bytes = readFileSync(path);
    const at = bytes.indexOf(`${path}.data`);
    bytes.fill(0, at, at + path.length + 5);
    bytes.write(SECRET, at);
    writeFileSync(path, bytes);
  });
}

/** A chain of `length` overlays upon a raw image; those above the tenth may not be reached. */
function chain(length: number): Case {
  const folder = place();
  const base = join(folder, 'base.raw');
  writeFileSync(base, Buffer.alloc(1 << 20));
  const names = Array.from({ length }, (_, i) => join(folder, `${i}.qcow2`));
  names.forEach((path, i) => overlay(path, names[i - 1] ?? base, i === 0 ? 'raw' : 'qcow2'));
  const path = names.at(-1) ?? base;
  const mayOpen = names.slice(-10);
  return {
    name: `${length} images upon each other`,
    path,
    format: 'qcow2',
    policy: folder,
    mayOpen,
  };
}

function ring(): Case {
  const folder = place();
  const [a, b] = [join(folder, 'a.qcow2'), join(folder, 'b.qcow2')];
  overlay(a, b, 'qcow2');
  overlay(b, a, 'qcow2');
  return { name: 'two images below each other', path: a, format: 'qcow2', policy: folder, mayOpen: [b] }; // prettier-ignore
}

function throughAllowed(): Case {
  const folder = place();
  const middle = overlay(join(folder, 'm.qcow2'), SECRET);
  const path = overlay(join(folder, 'a.qcow2'), middle, 'qcow2');
  return { name: 'an allowed image that names a file of the host', path, format: 'qcow2', policy: folder, mayOpen: [middle] }; // prettier-ignore
}

function siblingFolder(): Case {
  const folder = place();
  mkdirSync(`${folder}-secret`);
  writeFileSync(`${folder}-secret/s.raw`, Buffer.alloc(1 << 20));
  const path = overlay(join(folder, 'a.qcow2'), `${folder}-secret/s.raw`);
  return { name: 'a folder whose name starts like the allowed one', path, format: 'qcow2', policy: folder }; // prettier-ignore
}

function linked(what: string): (folder: string) => string {
  return (folder) => {
    symlinkSync(what, join(folder, 'link'));
    return 'link';
  };
}

function fifo(folder: string): string {
  run('mkfifo', join(folder, 'fifo'));
  return 'fifo';
}

function inner(folder: string): string {
  mkdirSync(join(folder, 'inner'));
  return 'inner';
}

function cases(): Case[] {
  const qcow2 = bytesOf((path) => overlay(path, SECRET));
  const plain = bytesOf((path) => void qemuImg('create', '-q', '-f', 'qcow2', path, '1M'));
  const vhd = bytesOf((path) => void qemuImg('create', '-q', '-f', 'vpc', path, '1M'));
  const vdi = bytesOf((path) => void qemuImg('create', '-q', '-f', 'vdi', path, '1M'));
  const flat = vmdkDescriptor('monolithicFlat', `RW 2048 FLAT "${SECRET}" 0`);
  const { policy: _, ...unallowed } = attack('a file of the host, nothing allowed', SECRET);
  return [
    rawThatLooksLike('a qcow2 header on a raw disk', qcow2),
    rawThatLooksLike('a VMDK descriptor on a raw disk', Buffer.from(flat)),
    rawThatLooksLike('a VHD footer on a raw disk', vhd),
    rawThatLooksLike('a VDI header on a raw disk', vdi),
    unallowed,
    attack('a file of the host', SECRET),
    attack('a file of the host as qcow2', SECRET, 'qcow2'),
    attack('a file of the host by ..', '../../../../../../../../etc/passwd'),
    attack('json:', `json:{"driver":"raw","file":{"driver":"file","filename":"${SECRET}"}}`),
    attack('nbd:', 'nbd://127.0.0.1:1/x'),
    attack('http:', 'http://127.0.0.1:1/x'),
    attack('file:', `file:${SECRET}`),
    attack('fat:', 'fat:rw:/etc'),
    attack('data:', 'data:,x'),
    attack('a name with a line feed', `${SECRET}\n`),
    attack('a link to a file of the host', linked(SECRET)),
    attack('a link to a folder of the host', (folder) => `${linked('/etc')(folder)}/passwd`),
    attack('a link to a link', (folder) => {
      symlinkSync('/proc/self/root/etc/passwd', join(folder, 'one'));
      return linked('one')(folder);
    }),
    attack('/dev/zero', '/dev/zero'),
    attack('a link to /dev/zero', linked('/dev/zero')),
    attack('/dev/stdin', '/dev/stdin'),
    attack('/proc/self/environ', '/proc/self/environ'),
    attack('/proc/self/fd/0', '/proc/self/fd/0'),
    // What lies in the allowed folder may be opened; it must not be waited for.
    { ...attack('a FIFO', fifo), mayOpen: [directory.file(`case${number - 1}/fifo`)] },
    { ...attack('a folder', inner), mayOpen: [directory.file(`case${number - 1}/inner`)] },
    attack('itself', 'a.qcow2', 'qcow2'),
    ring(),
    chain(11),
    chain(60),
    throughAllowed(),
    siblingFolder(),
    attack('a device as format', SECRET, 'host_device'),
    file('no format of the image below', 'qcow2', changed(qcow2, (copy) => copy.writeUInt32BE(0x12345678, copy.indexOf(Buffer.from('e2792aca', 'hex'))))),
    file('a name behind the header', 'qcow2', changed(qcow2, (copy) => copy.writeBigUInt64BE(0xffffffffn, 8))),
    file('an external data file', 'qcow2', withDataFile()),
    file('an external data file by its bit alone', 'qcow2', changed(plain, (copy) => copy.writeUInt32BE(4, 76))),
    file('encrypted', 'qcow2', changed(plain, (copy) => copy.writeUInt32BE(2, 32))),
    file('a VMDK of a file of the host', 'vmdk', flat),
    file('a VMDK of a device', 'vmdk', vmdkDescriptor('fullDevice', 'RW 2048 FLAT "/dev/zero" 0')),
    file('a VMDK with a parent', 'vmdk', vmdkDescriptor('monolithicSparse', `parentFileNameHint="${SECRET}"`)),
    file('a differencing VHD', 'vhd', changed(vhd, (copy) => {
      const footer = copy.subarray(copy.length - SECTOR);
      for (const at of [footer, copy]) { at.writeUInt32BE(4, 60); at.writeUInt32BE((at.readUInt32BE(64) - 1) >>> 0, 64); }
    })),
    file('a differencing VDI', 'vdi', changed(vdi, (copy) => copy.writeUInt32LE(4, 0x4c))),
  ]; // prettier-ignore
}

interface Traced {
  readonly opened: readonly string[];
  readonly outcomes: readonly string[];
  readonly problem?: string;
}

/** Runs the product's code on an image; every file that was asked for, found or not. */
function traced({ path, format, policy = '' }: Case): Traced {
  const log = `${path}.strace`;
  const { status, signal, stdout, stderr } = spawnSync('strace', ['-f', '-qq', '-s', '4096', '--seccomp-bpf', '-e', 'trace=open,openat,openat2,creat', '-o', log, process.execPath, program, path, format, policy], { encoding: 'utf8', timeout: LIMIT_MS, killSignal: 'SIGKILL', stdio: ['ignore', 'pipe', 'pipe'] }); // prettier-ignore
  const opened = [...readFileSync(log, 'utf8').matchAll(/\b(?:open|openat|openat2|creat)\((?:AT_FDCWD, |\d+, )?"((?:[^"\\]|\\.)*)"/g)].map((match) => shown(match[1] ?? '')); // prettier-ignore
  if (status !== 0)
    return { opened, outcomes: [], problem: `ended with ${signal ?? status}: ${stderr}` };
  return { opened, outcomes: JSON.parse(stdout) as string[] };
}

/** Runs of digits are process ids in /proc. */
function shown(path: string): string {
  return path.replace(/\/\d+(?=\/|$)/g, '/N');
}

it('D5: images that name other files', () => {
  const begin = performance.now();
  const misses: string[] = [];
  // A harmless overlay shows what the program opens by itself.
  const folder = place();
  const base = join(folder, 'base.raw');
  writeFileSync(base, Buffer.alloc(1 << 20, 5));
  const harmless = overlay(join(folder, 'a.qcow2'), base);
  const control = traced({ name: 'harmless', path: harmless, format: 'qcow2', policy: folder });
  if (control.outcomes.some((outcome) => outcome !== 'done') || !control.opened.includes(base))
    misses.push(`the harmless overlay: ${control.problem ?? control.outcomes.join('; ')}`);
  const usual = new Set(control.opened.filter((path) => !path.startsWith(shown(folder))));
  usual.add(BY_MALLOC);
  let opens = 0;
  let outside = 0;
  let refused = 0;
  const attacks = cases();
  for (const one of attacks) {
    const allowed = new Set([one.path, `${one.path}.copy`, ...(one.mayOpen ?? [])].map(shown));
    const { opened, outcomes, problem } = traced(one);
    opens += opened.length;
    if (problem !== undefined) misses.push(`${one.name}: ${problem}`);
    const others = opened.filter((path) => !usual.has(path) && !allowed.has(path));
    outside += others.length;
    if (others.length > 0) misses.push(`${one.name}: it opened ${[...new Set(others)].join(', ')}`);
    const isRaw = one.format === 'raw';
    if (outcomes.some((outcome) => outcome !== 'done')) refused++;
    if (isRaw !== outcomes.every((outcome) => outcome === 'done'))
      misses.push(`${one.name}: ${outcomes.join('; ')}`);
  }
  judge({
    bar: 'D5',
    ours: `${outside} opens outside the allow-list in ${attacks.length} attacks (${count(opens)} opens seen), ${refused} refused, ${attacks.length - refused} used as the raw disks they are, ${secondsSince(begin)}`,
    anchor: 'GHSA-jmr4-g2hv-mjj6, CVE-2010-2237: files of the host read by probing',
    misses: misses.slice(0, 20),
  });
});
