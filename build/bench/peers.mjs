// The machines that are compared. A peer is named on the command line, perhaps with settings behind a colon:
//   domus  domus:KEY=VALUE  qemu  qemu:cpu=max  v86  native
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAll } from '../build.mjs';
import { guest } from '../guests.mjs';
import { ensureCommands } from '../lib/apt.mjs';
import { DIST } from '../lib/paths.mjs';
import { domusDisks, imageFolder, makeDiskImages, qemuDisks } from './disk-image.mjs';
import { Peer } from './peer.mjs';

const MEMORY_MIB = 512;
/** Where the guest program listens; a port of this computer leads there. */
const GUEST_PORT = 7000;

/** DOMUS_DIST names another build to measure; it is taken as it is. */
const domusDist = () => process.env['DOMUS_DIST'] ?? DIST;

const remove = (...folders) => {
  for (const folder of folders)
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
};

async function prepareDomus() {
  if (process.env['DOMUS_DIST'] === undefined) await buildAll({ parts: ['core'] });
  if (!existsSync(join(domusDist(), 'cli.mjs')))
    throw new Error(`there is no cli.mjs in ${domusDist()}`);
}

/** Settings are keys of xl.cfg; those in capitals are environment variables. */
function startDomus(name, boot, settings) {
  const folder = mkdtempSync(join(tmpdir(), 'domus-bench-'));
  const disks = boot.disks && imageFolder();
  const file = join(folder, 'bench.cfg');
  const lines = [
    'name = "bench"',
    `memory = ${boot.memory ?? MEMORY_MIB}`,
    'serial = "pty"',
    ...(boot.kernel === undefined
      ? []
      : [`kernel = "${boot.kernel}"`, `ramdisk = "${boot.ramdisk}"`, `extra = "${boot.commandLine}"`]),
    ...(boot.iso === undefined ? [] : [`disk = [ "file:${boot.iso},hdc:cdrom,r" ]`, 'boot = "d"']),
    ...(boot.nic === undefined
      ? []
      : [`vif = [ "model=${boot.nic}, hostfwd=tcp::${boot.hostPort}-:${GUEST_PORT}" ]`]),
    ...(disks ? domusDisks(disks) : []),
    ...(boot.vncPort === undefined ? ['vnc = 0'] : ['vnc = 1', `vncdisplay = ${boot.vncPort - 5900}`]),
  ]; // prettier-ignore
  writeFileSync(file, `${lines.join('\n')}\n`);
  const isVariable = ([key]) => /^[A-Z_]+$/.test(key);
  const pairs = Object.entries(settings);
  return new Peer(name, {
    command: process.execPath,
    args: [
      join(domusDist(), 'cli.mjs'),
      'run',
      file,
      ...pairs.filter((pair) => !isVariable(pair)).map(([key, value]) => `${key}=${value}`),
    ],
    env: { DOMUS_HOME: folder, ...Object.fromEntries(pairs.filter(isVariable)) },
    cleanUp: () => remove(folder, disks),
  });
}

/** QEMU with the same machine (i440FX), one processor, its default model. */
function startQemu(name, boot, settings) {
  const { cpu = 'qemu64', ...others } = settings;
  const unknown = Object.keys(others);
  if (unknown.length > 0) throw new Error(`qemu has no setting ${unknown.join(', ')} here`);
  const folder = boot.disks && imageFolder();
  return new Peer(name, {
    command: boot.bits === 32 ? 'qemu-system-i386' : 'qemu-system-x86_64',
    args: [
      ...['-machine', 'pc', '-accel', 'tcg', '-cpu', boot.bits === 32 ? cpu.replace('64', '32') : cpu],
      ...['-smp', '1', '-m', String(boot.memory ?? MEMORY_MIB), '-no-user-config', '-nodefaults', '-no-reboot'],
      ...['-serial', 'stdio', '-monitor', 'none'],
      ...(boot.kernel === undefined
        ? []
        : ['-kernel', boot.kernel, '-initrd', boot.ramdisk, '-append', boot.commandLine]),
      ...(boot.iso === undefined ? [] : ['-cdrom', boot.iso, '-boot', 'd']),
      ...(boot.nic === undefined ? [] : qemuNetwork(boot)),
      ...(folder === undefined ? [] : qemuDisks(folder)),
      ...(boot.vncPort === undefined
        ? ['-display', 'none']
        : ['-device', 'VGA,xres=1024,yres=768', '-display', `vnc=127.0.0.1:${boot.vncPort - 5900}`]),
    ],
    cleanUp: () => remove(folder),
  }); // prettier-ignore
}

/** QEMU's own user-mode network (slirp), and its usual card of a kind. */
const qemuNetwork = ({ nic, hostPort }) => [
  ...['-netdev', `user,id=nat,hostfwd=tcp:127.0.0.1:${hostPort}-:${GUEST_PORT}`],
  ...['-device', `${nic === 'virtio-net' ? 'virtio-net-pci' : nic},netdev=nat,romfile=`],
];

/** v86 in Node, with SeaBIOS. */
function startV86(name, boot) {
  return new Peer(name, {
    command: process.execPath,
    args: [
      fileURLToPath(new URL('./v86-machine.mjs', import.meta.url)),
      JSON.stringify({
        bios: boot.bios,
        vgaBios: boot.vgaBios,
        kernel: boot.kernel,
        ramdisk: boot.ramdisk,
        commandLine: boot.commandLine,
        memoryBytes: (boot.memory ?? MEMORY_MIB) << 20,
      }),
    ],
  });
}

/** The program itself on this machine's own processor and kernel. */
function startNative(name, boot) {
  const scratch = boot.disks ? imageFolder() : mkdtempSync(join(tmpdir(), 'domus-bench-'));
  if (boot.disks) makeDiskImages(scratch);
  return new Peer(name, {
    command: join(boot.folder, 'bench'),
    args: [boot.folder, scratch, String(boot.hostPort ?? GUEST_PORT)],
    cleanUp: () => remove(scratch),
  });
}

const KINDS = {
  domus: { bits: [64, 32], screen: true, devices: true, prepare: prepareDomus, start: startDomus },
  qemu: {
    bits: [64, 32],
    screen: true,
    devices: true,
    prepare: async () =>
      ensureCommands({ 'qemu-system-x86_64': 'qemu-system-x86' }, 'Comparing with QEMU'),
    start: startQemu,
  },
  native: {
    bits: [64, 32],
    boots: false,
    screen: false,
    devices: true,
    prepare: async () => {},
    start: startNative,
  },
  v86: {
    bits: [32],
    screen: false,
    prepare: async () => {},
    start: startV86,
    boot: async () => ({
      bios: await guest('seabios.bin'),
      vgaBios: await guest('vgabios-stdvga.bin'),
    }),
  },
};

/** A peer by its name on the command line. */
export function peerNamed(text) {
  const [kindName, settingsText = ''] = text.split(/:(.*)/s);
  const kind = KINDS[kindName];
  if (kind === undefined)
    throw new Error(`there is no peer ${kindName}; there are ${Object.keys(KINDS).join(' ')}`);
  const settings = Object.fromEntries(
    settingsText
      .split(',')
      .filter((pair) => pair !== '')
      .map((pair) => pair.split(/=(.*)/s).slice(0, 2)),
  );
  return {
    name: text,
    kind: kindName,
    bits: kind.bits,
    /** Can start a system of its own; has a screen. */
    boots: kind.boots ?? true,
    screen: kind.screen,
    /** Has what the rows of devices measure. */
    devices: kind.devices ?? false,
    prepare: kind.prepare,
    /** Starts a machine: `{ bits, kernel, ramdisk, commandLine, iso, memory, vncPort, nic, hostPort, disks }`. */
    start: async (boot) => kind.start(text, { ...boot, ...(await kind.boot?.()) }, settings),
  };
}
