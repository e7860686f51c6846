// What is measured: rows of the guest program (test/bench/guest), boots of real systems, the bare processor.
import { guest } from '../guests.mjs';

/**
 * Rows of the guest program. `quick` is the part of the work, in percent, that a quick run does; 32-bit guests do
 * `percent32` of it, because their doubles go through an emulated x87.
 */
export const GUEST_ROWS = {
  sha256: { about: 'SHA-256 of 26 MB', quick: 25 },
  qsort: { about: "the C library's qsort, 1,000,000 numbers", quick: 25 },
  bytecode: { about: 'an interpreter: a loop around a switch', quick: 25 },
  nbody: { about: 'five planets, double precision', quick: 20, percent32: 20 },
  matmul: { about: 'matrix multiplication, double precision', quick: 20, percent32: 20 },
  memcpy: { about: 'copies of 16 MB', quick: 25 },
  chase: { about: 'loads that depend on one another, in 4 MB', quick: 50 },
  getppid: { about: 'system calls', quick: 20 },
  fork: { about: 'fork, exit, wait', quick: 25 },
  'page-touch': { about: 'page faults of fresh memory', quick: 25 },
  pipe: { about: 'two processes in turns through pipes', quick: 25 },
  gzip: { about: 'zlib packs and unpacks 0.8 MB of C', quick: 20 },
  compiler: { about: 'the Tiny C Compiler compiles itself', quick: 25 },
};

/**
 * Rows of the guest program that measure a device, 64-bit: `row` is the guest program's name, `machine` what its
 * machine has beside the usual, `megabytes` what is moved. v86 has no such machines.
 */
export const DEVICE_ROWS = {
  ...networkRows('e1000', 'e1000'),
  ...networkRows('virtio', 'virtio-net'),
  ...diskRows('ide', 'sata', 'virtio'),
};

/** TCP through user-mode NAT, over a port of this computer that leads to the guest. */
function networkRows(name, nic) {
  const common = { quick: 12, megabytes: 256, machine: { nic }, network: true };
  return {
    [`net-send-${name}`]: { about: `TCP from the guest, ${nic}`, row: 'net-send', ...common },
    [`net-receive-${name}`]: { about: `TCP to the guest, ${nic}`, row: 'net-receive', ...common },
  };
}

/** Disks past the guest's page cache: 1 MiB at a time, and 4 KiB at random with 16 requests under way. */
function diskRows(...buses) {
  const machine = { disks: true };
  const kinds = {
    'disk-read': { about: 'reads of 1 MiB in order', megabytes: 512 },
    'disk-randread': { about: 'reads of 4 KiB at random', megabytes: 32 },
    'disk-write': { about: 'writes of 1 MiB in order', megabytes: 512 },
    'disk-randwrite': { about: 'writes of 4 KiB at random', megabytes: 32 },
  };
  return Object.fromEntries(
    buses.flatMap((bus) =>
      Object.entries(kinds).map(([kind, { about, megabytes }]) => {
        const row = `${kind}-${bus}`;
        return [row, { about: `${about}, ${bus}`, row, quick: 12, megabytes, machine }];
      }),
    ),
  );
}

/** Boots: the time from the start of the peer's program to what is waited for. */
export const BOOT_ROWS = {
  boot: {
    about: "Debian's installer kernel and initramfs, started directly, to a shell",
    bits: [64, 32],
    machine: async (bits) => {
      const arch = bits === 64 ? 'amd64' : 'i386';
      return {
        bits,
        kernel: await guest(`debian-${arch}-linux`),
        ramdisk: await guest(`debian-${arch}-initrd.gz`),
        commandLine: 'console=ttyS0 rdinit=/bin/sh',
      };
    },
    ready: /built-in shell \(ash\)/,
  },
  installer: {
    about: "Debian's netboot ISO, from power-on through its boot menu to the language screen",
    bits: [64],
    screen: true,
    // With 512 MB the installer goes into its low-memory mode.
    machine: async (bits) => ({ bits, iso: await guest('debian-netboot.iso'), memory: 1024 }),
  },
};

/** The bare processor, without a machine around it; Domus only. */
export const LOOP_ROW = 'integer-loop';

export const ROW_NAMES = [GUEST_ROWS, DEVICE_ROWS, BOOT_ROWS].flatMap(Object.keys).concat(LOOP_ROW);
