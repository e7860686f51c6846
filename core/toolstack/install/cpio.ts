/**
 * A cpio archive in the "newc" format, as Linux reads an initramfs (Documentation/driver-api/early-userspace/
 * buffer-format.rst): archives may follow one another, a later one adds to the earlier.
 */
import type { SeedFile } from '../../api';
import { utf8 } from './utf8';

const REGULAR_FILE = 0o100600;
const LAST_NAME = 'TRAILER!!!';

function padTo4(bytes: number[]): void {
  while (bytes.length % 4 !== 0) bytes.push(0);
}

function entry(
  out: number[],
  inode: number,
  mode: number,
  name: string,
  content: Uint8Array,
): void {
  const nameBytes = utf8(name);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, nameBytes.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  out.push(...utf8(header), ...nameBytes, 0);
  padTo4(out);
  for (const byte of content) out.push(byte);
  padTo4(out);
}

/** The files in the root directory of an initramfs. */
export function cpioOf(files: readonly SeedFile[]): Uint8Array<ArrayBuffer> {
  const out: number[] = [];
  files.forEach(({ name, text }, index) => entry(out, index + 1, REGULAR_FILE, name, utf8(text)));
  entry(out, 0, 0, LAST_NAME, new Uint8Array(0));
  return Uint8Array.from(out);
}
