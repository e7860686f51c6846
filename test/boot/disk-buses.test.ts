/** A system on a disk that is not on IDE: BIOS and GRUB read and write it, Linux finds it by its own driver. */
import { copyFileSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BUSYBOX_MARKER, guest } from '../../build/guests.mjs';
import { Domus } from '../toolstack/domus';

const BOOT_MS = 200_000;

let domus: Domus;
beforeAll(() => {
  domus = new Domus();
});
afterAll(() => domus.close());

interface Row {
  readonly name: string;
  /** Lines of xl.cfg. */
  readonly settings: string;
  readonly vdev: string;
  readonly drivers: string;
  readonly node: string;
}

const AHCI = { drivers: 'sd_mod ahci', node: 'sda' };
const VIRTIO = { drivers: 'virtio_pci virtio_blk', node: 'vda' };

it.each<Row>([
  { name: 'hdtype="ahci"', settings: 'hdtype = "ahci"', vdev: 'hda', ...AHCI },
  { name: 'VirtIO', settings: '', vdev: 'vda', ...VIRTIO },
])('starts from a disk on $name', async ({ settings, vdev, drivers, node }) => {
  const image = domus.path(`${node}.img`);
  copyFileSync(await guest('small-system.img'), image);
  const disk = `disk = [ "format=raw, vdev=${vdev}, access=rw, target=${image}" ]`;
  const config = domus.file(
    `${node}.cfg`,
    `name = "${node}"\nmemory = 192\nvnc = 0\n${settings}\n${disk}\n`,
  );
  const program = domus.start('run', config);
  await program.printed(BUSYBOX_MARKER, BOOT_MS);
  program.type(
    `load ${drivers}; while [ ! -b /dev/${node} ]; do sleep 0.1; done; echo by-linux | dd of=/dev/${node} bs=512 seek=2000 conv=fsync; poweroff\n`,
  );
  await program.finished;
  const bytes = readFileSync(image);
  // What GRUB saved with INT 13h, and what Linux wrote.
  expect(bytes.includes('started=by-bios\n')).toBe(true);
  expect(bytes.subarray(2000 * 512).toString('latin1', 0, 9)).toBe('by-linux\n');
});
