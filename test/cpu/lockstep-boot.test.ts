/**
 * The boot of Debian's kernel in lockstep, `DOMUS_LOCKSTEP` million instructions of it (0: to the shell), translated
 * soon so that as much as possible is.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest, type GuestName } from '../../build/guests.mjs';
import { LockstepMachine } from './lockstep-machine';

const MILLIONS = Number(process.env.DOMUS_LOCKSTEP ?? 5) || Infinity;
const TRANSLATE_AFTER = Number(process.env.DOMUS_TRANSLATE ?? 100);

it.each([
  ['64-bit', 'debian-amd64-linux', 'busybox-initrd.gz', ''],
  ['32-bit', 'debian-i386-linux', 'debian-i386-initrd.gz', 'rdinit=/bin/sh'],
] as const satisfies readonly (readonly [string, GuestName, GuestName, string])[])(
  'boots the %s kernel as the interpreter does, one instruction at a time',
  async (_, kernel, ramdisk, extra) => {
    let output = '';
    const machine = new LockstepMachine({
      uuid: '5d8b0c4c-6d1e-4b52-9d5a-6a3b9f3d6a51',
      memoryMiB: 256,
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
    });
    const found = machine.run(
      MILLIONS * 1e6,
      () => output.includes(BUSYBOX_MARKER) || output.includes('built-in shell (ash)'),
    );
    const { counters } = machine.leader.vcpu;
    console.log(
      `lockstep: ${String(counters.instructions)} instructions alike, ${String(counters.interpreted)} of them interpreted, ${String(counters.regionsMade)} regions\n${output.slice(-300)}`,
    );
    const hex = (rip: bigint): string => rip.toString(16);
    expect(found && { ...found, trail: found.trail.map(hex) }).toBeUndefined();
  },
);
