/**
 * A whole Debian, from its installer to a login: unattended by the preseed that `domus install` makes, over the NAT
 * network from this computer's own mirror, onto a qcow2 disk. `npm run test:install`; takes long, so that it is no
 * part of `npm test`. DOMUS_INSTALL_QEMU=1 does the same steps with QEMU's emulator first and prints its times beside.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aptProxy, debianMirror } from '../../build/guests/debian-installer.mjs';
import { guest } from '../../build/guests.mjs';
import type { DomainInfo } from '../../core/api';
import { Domus, type Program } from '../toolstack/domus';

const MINUTE = 60_000;
const INSTALL_MS = 180 * MINUTE;
const BOOT_MS = 20 * MINUTE;
/** Asking costs a third of a second of processor time. */
const POLL_MS = 5_000;
const MEMORY_MIB = 1024;
const DISK_GIB = 4;
const REPORTS = resolve(import.meta.dirname, '../../dist/reports');
const QEMU = 'qemu-system-x86_64';

let domus: Domus;
let password: string;
const times: string[] = [];

beforeAll(() => {
  domus = new Domus();
  mkdirSync(REPORTS, { recursive: true });
  password = `p${Math.random().toString(36).slice(2)}`;
});
afterAll(async () => {
  process.stdout.write(`\n${times.join('\n')}\n`);
  await domus.close();
});

/** Notes how long a step took. */
async function timed<T>(step: string, work: () => Promise<T>): Promise<T> {
  const begin = Date.now();
  const result = await work();
  times.push(`${step.padEnd(44)}${((Date.now() - begin) / 1000).toFixed(1).padStart(9)} s`);
  process.stdout.write(`${times[times.length - 1]}\n`);
  return result;
}

async function until(done: (domain: DomainInfo) => boolean, patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const domain = await domus.domain('debian');
    if (done(domain)) return;
    if (Date.now() > deadline) throw new Error(`the domain is ${domain.state}: ${domain.reason}`);
    await new Promise((wake) => setTimeout(wake, POLL_MS));
  }
}

/** The serial console; what it shows is kept in a file for whoever wants to know why a step failed. */
function attach(log: string): Program {
  const program = domus.start('console', 'debian');
  const path = join(REPORTS, log);
  writeFileSync(path, '');
  program.child.stdout.on('data', (bytes: Buffer) => writeFileSync(path, bytes, { flag: 'a' }));
  return program;
}

/** Types, and waits for a text behind it; what was printed since. What was shown before doesn't count. */
async function answer(program: Program, typed: string, expected: string): Promise<string> {
  const before = program.stdout.length;
  program.type(typed);
  const shown = (): boolean => program.stdout.slice(before).includes(expected);
  await program.until(shown, expected, BOOT_MS);
  return program.stdout.slice(before);
}

/** Runs a line in the installed system's shell; what it printed. The shell puts the mark together, its echo does not show it. */
function shell(program: Program, line: string, mark: number): Promise<string> {
  return answer(program, `${line}; echo MARK$((${mark}+0))END\n`, `MARK${mark}END`);
}

/** Logs in at a prompt that has been shown. */
async function logIn(program: Program): Promise<void> {
  await answer(program, 'root\n', 'Password: ');
  await answer(program, `${password}\n`, 'root@debian:');
}

/** Runs QEMU's emulator (no KVM) with its first serial port on a pipe until `text` comes, or until it ends. */
async function inQemu(args: readonly string[], text: string | undefined): Promise<void> {
  const common = ['-accel', 'tcg', '-m', String(MEMORY_MIB), '-display', 'none', '-no-reboot'];
  const child = spawn(QEMU, [...common, '-serial', 'stdio', ...args]);
  let output = '';
  const over = new Promise<void>((done) => child.once('close', () => done()));
  const seen = new Promise<void>((done) => {
    child.stdout.on('data', (bytes: Buffer) => {
      output = (output + bytes.toString()).slice(-4000);
      if (text !== undefined && output.includes(text)) done();
    });
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), INSTALL_MS);
  await Promise.race([seen, over]);
  clearTimeout(limit);
  child.kill('SIGKILL');
  await over;
  if (text !== undefined && !output.includes(text))
    throw new Error(`QEMU ended without ${text}: ${output}`);
}

/** The words of `domus install`, without those that say what to do with the result. */
async function installWords(): Promise<string[]> {
  const secret = domus.file('password', `${password}\n`);
  const proxy = aptProxy();
  const answers = [
    `admin-password-file=${secret}`,
    'hostname=debian',
    `mirror=${debianMirror()}`,
    ...(proxy === '' ? [] : [`proxy=${proxy}`]),
  ].join(',');
  return [
    ...['install', '--name', 'debian', '--memory', String(MEMORY_MIB)],
    ...['--disk', `path=${domus.path('debian.qcow2')},size=${DISK_GIB}`],
    ...['--location', await guest('debian-13-install.iso'), '--unattended', answers],
    ...['--extra-args', 'DEBIAN_FRONTEND=text', '--noautoconsole'],
  ];
}

it('installs itself, reboots from its disk, shows a login, and keeps what was written', async () => {
  await domus.daemon();
  const words = await installWords();
  const preview = await domus.do(...words, '--dry-run');
  expect(preview).toContain('d-i passwd/root-password-crypted password $6$');
  expect(preview).not.toContain(password);

  await timed('Domus: installation', async () => {
    await domus.do(...words);
    const { config } = await domus.domain('debian');
    // QEMU gets the same kernel, ramdisk with preseed, and command line.
    copyFileSync(config.kernel, domus.path('linux'));
    copyFileSync(config.ramdisk, domus.path('initrd'));
    writeFileSync(domus.path('extra'), config.extra);
    attach('install-serial.log');
    await until((domain) => domain.config.install !== true, INSTALL_MS);
  });
  const installed = await domus.domain('debian');
  expect(installed.config).toMatchObject({ kernel: '', ramdisk: '', extra: '' });
  expect(installed.config.boot).toMatch(/^c/);

  const console = await timed('Domus: installed system to login', async () => {
    // The installer was domain 1; the installed system gets a new machine.
    await until(({ state, domid }) => state === 'running' && domid === 2, MINUTE);
    const program = attach('installed-serial.log');
    await program.printed('login: ', BOOT_MS);
    return program;
  });
  const screen = join(REPORTS, 'install-login.png');
  await domus.do('screenshot', 'debian', screen);
  const picture = PNG.sync.read(readFileSync(screen));
  expect(picture.data.filter((value, i) => i % 4 === 0 && value > 100).length).toBeGreaterThan(500);

  await logIn(console);
  const text = await shell(console, 'echo kept > /root/file; sync; cat /etc/os-release', 1);
  expect(text).toContain('Debian GNU/Linux');
  await timed('Domus: reboot to login', () => answer(console, 'reboot\n', 'debian login: '));
  await logIn(console);
  expect(await shell(console, 'cat /root/file', 2)).toMatch(/^kept/m);
  console.type('poweroff\n');
  await until(({ state }) => state === 'shutoff', BOOT_MS);

  const disk = domus.path('debian.qcow2');
  const check = spawnSync('qemu-img', ['check', disk], { encoding: 'utf8' });
  expect(check.stdout).toContain('No errors were found');
  await timed('QEMU (TCG): the same disk to login', () =>
    inQemu(['-snapshot', '-drive', `file=${disk},format=qcow2,if=ide`], 'login: '),
  );
});

it.skipIf(process.env['DOMUS_INSTALL_QEMU'] !== '1')(
  'is compared with QEMU, which does the same steps',
  async () => {
    const disk = domus.path('qemu.qcow2');
    expect(spawnSync('qemu-img', ['create', '-f', 'qcow2', disk, `${DISK_GIB}G`]).status).toBe(0);
    const drive = ['-drive', `file=${disk},format=qcow2,if=ide`];
    const network = ['-netdev', 'user,id=n', '-device', 'e1000,netdev=n'];
    const extra = readFileSync(domus.path('extra'), 'utf8');
    const boot = ['-kernel', domus.path('linux'), '-initrd', domus.path('initrd')];
    await timed('QEMU (TCG): installation', () =>
      inQemu([...drive, ...network, ...boot, '-append', extra], undefined),
    );
    await timed('QEMU (TCG): installed system to login', () =>
      inQemu([...drive, ...network], 'login: '),
    );
  },
);
