/**
 * The boot of Debian's kernel in lockstep, `DOMUS_LOCKSTEP` million instructions of it (0: to the shell, and the installer to its first question), translated
 * soon so that as much as possible is.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest, type GuestName } from '../../build/guests.mjs';
import { LockstepMachine } from './lockstep-machine';

const MILLIONS = Number(process.env.DOMUS_LOCKSTEP ?? 300) || Infinity;
const TRANSLATE_AFTER = Number(process.env.DOMUS_TRANSLATE ?? 100);

type Row = readonly [
  name: string,
  unoptimized: boolean,
  kernel: GuestName,
  ramdisk: GuestName,
  extra: string,
  ready: string,
];

const SYSTEMS = [
  ['64-bit kernel', 'debian-amd64-linux', 'busybox-initrd.gz', '', BUSYBOX_MARKER],
  ['32-bit kernel', 'debian-i386-linux', 'debian-i386-initrd.gz', 'rdinit=/bin/sh', '(ash)'],
] as const;
const BOOTS = SYSTEMS.flatMap(([name, ...rest]): Row[] => [
  [name, false, ...rest],
  [name, true, ...rest],
]);
const INSTALLER: Row = [
  'installer',
  false,
  'debian-amd64-linux',
  'debian-amd64-initrd.gz',
  '',
  'language',
];

it.each(MILLIONS === Infinity ? [...BOOTS, INSTALLER] : BOOTS)(
  'boots the %s (translated without optimizations: %s) as the interpreter does, one instruction at a time',
  async (name, unoptimized, kernel, ramdisk, extra, ready) => {
    let output = '';
    const machine = new LockstepMachine({
      uuid: '5d8b0c4c-6d1e-4b52-9d5a-6a3b9f3d6a51',
      memoryMiB: name === 'installer' ? 1024 : 256,
      vcpus: 1,
      bootOrder: 'c',
      disks: [],
      serial: { write: (bytes) => (output += Buffer.from(bytes).toString()) },
      kernel: {
        image: readFileSync(await guest(kernel)),
        ramdisk: readFileSync(await guest(ramdisk)),
        commandLine: `console=ttyS0 ${extra}`,
      },
      translateAfter: TRANSLATE_AFTER,
      unoptimized,
    });
    const found = machine.run(MILLIONS * 1e6, () => output.includes(ready));
    const { counters } = machine.leader.vcpu;
    console.log(
      `lockstep: ${String(counters.instructions)} instructions alike, ${String(counters.interpreted)} of them interpreted, ${String(counters.regionsMade)} regions\n${output.slice(-300)}`,
    );
    const hex = (rip: bigint): string => rip.toString(16);
    expect(found && { ...found, trail: found.trail.map(hex) }).toBeUndefined();
  },
);
