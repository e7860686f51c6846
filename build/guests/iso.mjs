// Bootable CD images made from Debian's own files, laid out as Debian's installer CDs are.
import { spawnSync } from 'node:child_process';
import { ensureCommands } from '../lib/apt.mjs';

/** An ISO 9660 image with Rock Ridge and Joliet that ISOLINUX boots through El Torito, no emulation. */
export function makeIsolinuxIso(folder, output, volumeId) {
  ensureCommands({ xorriso: 'xorriso' }, 'Making a CD image');
  runXorriso([
    '-as', 'mkisofs',
    '-quiet', '-r', '-J',
    '-V', volumeId,
    '-b', 'isolinux/isolinux.bin', '-c', 'isolinux/boot.cat',
    '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table',
    '-o', output,
    folder,
  ]); // prettier-ignore
}

/** Copies one file out of an ISO image. */
export function extractFromIso(image, path, output) {
  ensureCommands({ xorriso: 'xorriso' }, 'Reading a CD image');
  runXorriso(['-osirrox', 'on', '-indev', image, '-extract', path, output]);
}

function runXorriso(args) {
  const result = spawnSync('xorriso', args, { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`xorriso failed: ${result.stderr}`);
}
