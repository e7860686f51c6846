// The images of the disk rows (test/bench/guest/disk.c): one a bus, all the same in the beginning.
import { closeSync, copyFileSync, existsSync, mkdtempSync, openSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IMAGE_BYTES = 128 << 20;
const BLOCK_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const FILLER = 0xa7;

/** The vdevs of Domus and the devices of QEMU, in the order of the guest program. */
const DISKS = [
  { vdev: 'hda', controller: [], device: 'ide-hd,bus=ide.0' },
  { vdev: 'sda', controller: ['-device', 'ich9-ahci,id=ahci'], device: 'ide-hd,bus=ahci.0' },
  { vdev: 'vda', controller: [], device: 'virtio-blk-pci' },
];

/** Files there lie in memory: the device is measured, not this computer's disk. */
const MEMORY_FOLDER = '/dev/shm';

/** A new folder for images; whoever asks for it removes it. */
export const imageFolder = () =>
  mkdtempSync(join(existsSync(MEMORY_FOLDER) ? MEMORY_FOLDER : tmpdir(), 'domus-bench-'));

/** Makes the images in `folder`; their paths. Every page begins with its number; nothing is a hole. */
export function makeDiskImages(folder) {
  const paths = DISKS.map((_, index) => join(folder, `disk${index}.img`));
  const block = new Uint8Array(BLOCK_BYTES).fill(FILLER);
  const view = new DataView(block.buffer);
  const file = openSync(paths[0], 'wx', 0o600);
  for (let at = 0; at < IMAGE_BYTES; at += BLOCK_BYTES) {
    for (let page = 0; page < BLOCK_BYTES; page += PAGE_BYTES)
      view.setBigUint64(page, BigInt((at + page) / PAGE_BYTES), true);
    writeSync(file, block);
  }
  closeSync(file);
  for (const path of paths.slice(1)) copyFileSync(paths[0], path);
  return paths;
}

/** Lines of xl.cfg. */
export function domusDisks(folder) {
  const words = makeDiskImages(folder).map(
    (path, index) => `"format=raw, vdev=${DISKS[index].vdev}, access=rw, target=${path}"`,
  );
  return [`disk = [ ${words.join(', ')} ]`];
}

/** QEMU's arguments. Its cache is the host's, as ours is; the guest's write cache is on. */
export function qemuDisks(folder) {
  return makeDiskImages(folder).flatMap((path, index) => {
    const id = `disk${index}`;
    const { controller, device } = DISKS[index];
    return [
      ...['-drive', `if=none,id=${id},file=${path},format=raw,cache=writeback,aio=threads`],
      ...controller,
      ...['-device', `${device},drive=${id}`],
    ];
  });
}
