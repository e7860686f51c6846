import { ensureCommands } from '../lib/apt.mjs';
import core from './core.mjs';

/** Before real installations: current bundles, and QEMU, which checks the disk and starts it. */
export default async function setup() {
  ensureCommands(
    { 'qemu-img': 'qemu-utils', 'qemu-system-x86_64': 'qemu-system-x86' },
    'Checking an installation',
  );
  await core();
}
