/** Booting from the network with real boot programs: over the NAT network's TFTP, from a folder of this computer. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import { Domus } from '../toolstack/domus';
import { GREETING, writeTinyGuest } from '../toolstack/tiny-guest';

const BOOT_MS = 120_000;
/** What PXELINUX reads of its configuration: the serial port, and a boot program of ours to go on with. */
const CONFIG = [
  'serial 0 115200',
  'default tiny',
  'prompt 0',
  'label tiny',
  '  kernel tiny.0',
  '',
].join('\n');

let domus: Domus;
let folder: string;
beforeAll(async () => {
  domus = new Domus();
  folder = domus.path('tftp');
  mkdirSync(join(folder, 'pxelinux.cfg'), { recursive: true });
  for (const name of ['pxelinux.0', 'lpxelinux.0', 'ldlinux.c32'] as const)
    copyFileSync(await guest(name), join(folder, name));
  writeFileSync(join(folder, 'pxelinux.cfg/default'), CONFIG);
  // A boot sector is a boot program too: it is loaded to the same place.
  writeTinyGuest(domus.path('sector'));
  writeFileSync(join(folder, 'tiny.0'), readFileSync(domus.path('sector')).subarray(0, 512));
  await domus.daemon();
});
afterAll(() => domus.close());

it.each([
  // Datagrams by the BIOS, through a card that the guest has no driver for.
  ['pxelinux.0', 'e1000'],
  // Frames by the BIOS, IP by the boot program.
  ['lpxelinux.0', 'virtio-net'],
])('%s loads what comes next, through %s', async (file, model) => {
  await domus.do('network-boot', 'nat', folder, file);
  const config = domus.file(
    'pxe.cfg',
    `name = "${model}"\nmemory = 64\nboot = "n"\nvif = [ "model=${model}" ]\n`,
  );
  await domus.do('create', config);
  const program = domus.start('console', model);
  await program.printed('PXELINUX 6', BOOT_MS);
  await program.printed(GREETING, BOOT_MS);
  program.type('q');
  await domus.reaches(model, 'shutoff');
});

it('goes on with the disk when the boot file is not there', async () => {
  await domus.do('network-boot', 'nat', folder, 'nothing');
  await domus.do('create', domus.tiny('disk', 'boot = "nc"\nvif = [ "model=rtl8139" ]'));
  const program = domus.start('console', 'disk');
  await program.printed(GREETING, BOOT_MS);
  expect(await domus.do('networks')).toContain(`boot=${folder} nothing`);
  await domus.do('network-boot', 'nat');
  expect(await domus.do('networks')).not.toContain('boot=');
});
