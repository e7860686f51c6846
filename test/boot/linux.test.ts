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

/** What the guest says of where its kernel lies; the shell puts the line together, so that its echo is not taken for it. */
const ASK_WHERE =
  'echo "text$(grep -m1 " _text$" /proc/kallsyms | cut -d" " -f1) $(grep -m1 "Kernel code" /proc/iomem)"\n';
const WHERE = /text([0-9a-f]{16}) +([0-9a-f]{8})-/g;
/** Of a start that unpacks its kernel itself; one that finds it unpacked needs 1,400 million to the shell. */
const UNPACKING_INSTRUCTIONS = 2e9;

it(
  'finds its kernel unpacked at the first start and unpacks it after a reboot, at random places',
  async () => {
    const daemon = await domus.daemon();
    const config = domus.file(
      'places.cfg',
      [
        'name = "places"',
        'memory = 512',
        `kernel = "${await guest('debian-amd64-linux')}"`,
        `ramdisk = "${await guest('busybox-initrd.gz')}"`,
        'extra = "console=ttyS0"',
        'serial = "pty"',
      ].join('\n'),
    );
    const program = domus.start('create', '-c', config);
    const instructions = async (): Promise<number> => {
      const report = await domus.do('perf', 'places', '--json');
      return (JSON.parse(report) as { counts: { instructions: number } }).counts.instructions;
    };
    const shells = (): number => program.stdout.split(BUSYBOX_MARKER).length - 1;
    const places = (): string[][] =>
      [...program.stdout.matchAll(WHERE)].map((found) => found.slice(1));

    await program.until(() => shells() === 1, 'shell', BOOT_MS);
    const first = await instructions();
    expect(first).toBeLessThan(UNPACKING_INSTRUCTIONS);
    program.type(ASK_WHERE);
    await program.until(() => places().length === 1, 'place');
    program.type('reboot -f\n');
    await program.until(() => shells() === 2, 'shell after the reboot', BOOT_MS);
    expect((await instructions()) - first).toBeGreaterThan(UNPACKING_INSTRUCTIONS);
    program.type(ASK_WHERE);
    await program.until(() => places().length === 2, 'place after the reboot');
    const [one, two] = places();
    console.log(
      `boot: ${first / 1e6} million instructions; text and its place in memory ${one?.join(', ')}; then ${two?.join(', ')}`,
    );
    // One of some 480 addresses and one of some 220 places each time: alike once in 100,000 runs.
    expect(one).not.toEqual(two);
    for (const [text = '', physical = ''] of places()) {
      expect(text).toMatch(/^ffffffff[8-b].[02468ace]00000$/);
      expect(physical).toMatch(/^[01].[02468ace]00000$/);
    }
    await domus.do('destroy', 'places');
    daemon.child.kill();
    await daemon.finished;
  },
  2 * BOOT_MS,
);
