/** Debian's own kernels, booted directly by `domus run` to a shell on the serial console. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest, type GuestName } from '../../build/guests.mjs';
import { Domus } from '../toolstack/domus';

const BOOT_MS = 280_000;

let domus: Domus;
beforeAll(() => {
  domus = new Domus();
});
afterAll(() => domus.close());

interface Boot {
  readonly kernel: GuestName;
  readonly ramdisk: GuestName;
  readonly extra: string;
  /** What the console shows when the shell is there. */
  readonly ready: string;
  /** Answer of `uname -m`. */
  readonly machine: string;
  /** Without the translator. */
  readonly interpreted?: boolean;
}

async function bootsAndPowersOff(boot: Boot): Promise<void> {
  const tier = boot.interpreted ? 'interpreted' : 'translated';
  const config = domus.file(
    `${boot.machine}-${tier}.cfg`,
    [
      `name = "${boot.machine.replaceAll('_', '-')}-${tier}"`,
      'memory = 512',
      `kernel = "${await guest(boot.kernel)}"`,
      `ramdisk = "${await guest(boot.ramdisk)}"`,
      `extra = "console=ttyS0 ${boot.extra}"`,
      'serial = "pty"',
      `translate = ${boot.interpreted ? 0 : 1}`,
    ].join('\n'),
  );
  const started = Date.now();
  const program = domus.start('run', config);
  await program.printed('Linux version 6.1', BOOT_MS);
  await program.printed(boot.ready, BOOT_MS);
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  console.log(`boot: ${boot.kernel}, ${boot.ramdisk}, ${tier}, to a shell in ${seconds} s`);
  program.type('echo $((6 * 7)) $(uname -m)\n');
  await program.printed(`42 ${boot.machine}`, BOOT_MS);
  program.type('poweroff -f\n');
  const { status, stdout } = await program.finished;
  expect(stdout).not.toContain('Kernel panic');
  expect(status).toBe(0);
}

it('boots the 64-bit kernel to a BusyBox shell and ends with status 0 when it powers off', () =>
  bootsAndPowersOff({
    kernel: 'debian-amd64-linux',
    ramdisk: 'busybox-initrd.gz',
    extra: '',
    ready: BUSYBOX_MARKER,
    machine: 'x86_64',
  }));

it('boots the 32-bit installer kernel to the shell of its initramfs', () =>
  bootsAndPowersOff({
    kernel: 'debian-i386-linux',
    ramdisk: 'debian-i386-initrd.gz',
    extra: 'rdinit=/bin/sh',
    ready: 'built-in shell (ash)',
    machine: 'i686',
  }));

it('boots the 64-bit installer kernel to the shell of its initramfs with the interpreter alone', () =>
  bootsAndPowersOff({
    kernel: 'debian-amd64-linux',
    ramdisk: 'debian-amd64-initrd.gz',
    extra: 'rdinit=/bin/sh',
    ready: 'built-in shell (ash)',
    machine: 'x86_64',
    interpreted: true,
  }));
