// The guests of the benchmark: Debian's kernels with an initramfs whose only programs are built here, for 64 and 32 bit.
//   node build/bench/guest.mjs    builds what is missing and prints the paths
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CpioWriter } from '../guests/cpio.mjs';
import { guest } from '../guests.mjs';
import { addDrivers } from '../guests/drivers.mjs';
import { hasApt, installPackages } from '../lib/apt.mjs';
import { filesBelow, fingerprint, withLock, writeAtomic } from '../lib/files.mjs';
import { cacheFolder, ROOT } from '../lib/paths.mjs';
import { debianSource } from './sources.mjs';

const FOLDER = cacheFolder('bench', 'guests');
const SOURCES = join(ROOT, 'test/bench/guest');

/** What each kind of guest is compiled for. 32-bit is Debian's i386: i686, doubles in the x87. */
export const ARCHES = {
  64: { kernel: 'debian-amd64-linux', flags: ['-m64'], tcc: 'TCC_TARGET_X86_64' },
  32: {
    kernel: 'debian-i386-linux',
    flags: ['-m32', '-march=i686', '-mtune=generic', '-mfpmath=387'],
    tcc: 'TCC_TARGET_I386',
  },
};

/** Whole programs are compiled as their authors do it; old C gives warnings that are not ours. */
const OPTIMIZE = ['-O2', '-static'];
const TCC_DEFINES = ['-DONE_SOURCE=1', '-DTCC_VERSION="0.9.27"', '-DCONFIG_TCC_STATIC'];
/** The library without its gz* functions, which no row uses. */
const ZLIB = ['adler32', 'compress', 'crc32', 'deflate', 'inffast', 'inflate', 'inftrees', 'trees', 'uncompr', 'zutil']; // prettier-ignore
const SYSTEM_HEADERS = ['-I/usr/include/x86_64-linux-gnu', '-I/usr/include'];
const PACKAGES = ['gcc', 'libc6-dev', 'gcc-multilib'];

/** Kernel parameters of a benchmark guest; its console is the first serial port. */
export const COMMAND_LINE = 'console=ttyS0 quiet rdinit=/init';

/** Kernel, initramfs and the program itself for 64 or 32 bits; built when the sources or the compiler changed. */
export async function benchGuest(bits) {
  const arch = ARCHES[bits];
  return {
    bits,
    kernel: await guest(arch.kernel),
    ...(await built(bits)),
    commandLine: COMMAND_LINE,
  };
}

/** The same, 64-bit, with the kernel of installed systems and its drivers, for rows that measure devices. */
export async function deviceGuest() {
  const { folder } = await built(64);
  const ramdisk = join(folder, 'initrd-drivers');
  if (!existsSync(ramdisk)) {
    const archive = initramfs((name) => join(folder, name));
    addDrivers(archive.folder('bin'), join(await guest('drivers'), 'modules'));
    writeAtomic(ramdisk, archive.bytes());
  }
  return {
    bits: 64,
    kernel: await guest('drivers-linux'),
    ramdisk,
    folder,
    commandLine: COMMAND_LINE,
  };
}

async function built(bits) {
  const arch = ARCHES[bits];
  installCompilers();
  const mark = fingerprint(
    [...filesBelow([SOURCES]), join(ROOT, 'build/bench/guest.mjs')],
    compilerVersion(),
  ).slice(0, 16);
  const folder = join(FOLDER, `${mark}-${bits}`);
  if (!existsSync(folder)) {
    mkdirSync(FOLDER, { recursive: true });
    await withLock(join(FOLDER, `${mark}-${bits}.lock`), async () => {
      if (!existsSync(folder)) await build(bits, arch, folder);
    });
  }
  return { ramdisk: join(folder, 'initrd'), folder };
}

function installCompilers() {
  if (!hasApt()) return;
  const missing = PACKAGES.filter(
    (name) =>
      spawnSync('dpkg-query', ['-W', '-f', '${Status}', name], { encoding: 'utf8' }).stdout !==
      'install ok installed',
  );
  installPackages(missing, 'Building the guests of the benchmark');
}

const compilerVersion = () => run('gcc', ['--version'], ROOT).split('\n')[0];

async function build(bits, arch, folder) {
  process.stderr.write(`bench: building the ${bits}-bit guest ...\n`);
  const zlib = await debianSource('zlib');
  const tcc = await debianSource('tcc');
  const work = mkdtempSync(join(FOLDER, 'new-'));
  const at = (name) => join(work, name);
  try {
    const compile = (output, ...args) =>
      run('gcc', [...OPTIMIZE, ...arch.flags, '-o', at(output), ...args], work);
    const rows = readdirSync(SOURCES).filter((name) => name.endsWith('.c'));
    compile(
      'bench',
      ...['-Wall', '-Wextra', `-isystem${zlib}`, '-DHAVE_UNISTD_H'],
      ...rows.map((name) => join(SOURCES, name)),
      ...ZLIB.map((name) => join(zlib, `${name}.c`)),
      '-lm',
    );
    const source = join(tcc, 'tcc.c');
    const defines = [...TCC_DEFINES, `-D${arch.tcc}`, `-I${work}`];
    writeFileSync(at('config.h'), '');
    compile('tcc', '-w', ...defines, source);
    // The compiler's own source, preprocessed by itself: the input of two rows.
    run('gcc', ['-O1', '-w', '-o', at('tcc-here'), ...defines, source], work);
    const headers = ['-nostdinc', `-I${join(tcc, 'include')}`, ...SYSTEM_HEADERS];
    run(at('tcc-here'), [...headers, ...defines, '-E', source, '-o', at('tcc-lines.i')], work);
    // Line markers name folders of this machine.
    const text = readFileSync(at('tcc-lines.i'), 'latin1').replace(/^# .*\n/gm, '');
    writeFileSync(at('tcc.i'), text, 'latin1');
    writeFileSync(at('initrd'), initramfs(at).bytes());
    const output = at('output');
    mkdirSync(output);
    for (const name of ['initrd', 'bench', 'tcc', 'tcc.i'])
      renameSync(at(name), join(output, name));
    renameSync(output, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function initramfs(at) {
  const archive = new CpioWriter();
  for (const name of ['bench', 'dev', 'proc', 'tmp']) archive.folder(name);
  archive.characterDevice('dev/console', 5, 1).characterDevice('dev/null', 1, 3, 0o666);
  archive.file('init', readFileSync(at('bench')), 0o755);
  archive.file('bench/tcc', readFileSync(at('tcc')), 0o755);
  archive.file('bench/tcc.i', readFileSync(at('tcc.i')));
  return archive;
}

function run(command, args, cwd) {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(
      `${command} ${args.join(' ')} failed: ${result.error?.message ?? result.stderr}`,
    );
  if (result.stderr !== '') process.stderr.write(result.stderr);
  return result.stdout;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const bits of [64, 32]) {
    const { kernel, ramdisk } = await benchGuest(bits);
    process.stdout.write(`${bits} ${kernel} ${ramdisk}\n`);
  }
}
