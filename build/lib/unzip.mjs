// Unpacks a .zip with Node alone: a bare machine has no unzip. Keeps modes and symbolic links.
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { inflateRawSync } from 'node:zlib';

const END_SIGNATURE = 0x06054b50;
const ENTRY_SIGNATURE = 0x02014b50;
const END_BYTES = 22;
const MAX_COMMENT = 0xffff;
const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;

export function unzip(archive, folder) {
  const file = openSync(archive, 'r');
  try {
    for (const entry of readDirectory(file, statSync(archive).size)) unpack(file, entry, folder);
  } finally {
    closeSync(file);
  }
}

function readAt(file, position, length) {
  const bytes = Buffer.alloc(length);
  if (readSync(file, bytes, 0, length, position) !== length)
    throw new Error('the zip file is truncated');
  return bytes;
}

function readDirectory(file, size) {
  const tailAt = Math.max(0, size - END_BYTES - MAX_COMMENT);
  const tail = readAt(file, tailAt, size - tailAt);
  let end = tail.length - END_BYTES;
  while (end >= 0 && tail.readUInt32LE(end) !== END_SIGNATURE) end--;
  if (end < 0) throw new Error('not a zip file');
  const count = tail.readUInt16LE(end + 10);
  const directory = readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  const entries = [];
  for (let at = 0, i = 0; i < count; i++) {
    if (directory.readUInt32LE(at) !== ENTRY_SIGNATURE)
      throw new Error('the zip directory is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push({
      method: directory.readUInt16LE(at + 10),
      bytes: directory.readUInt32LE(at + 20),
      mode: directory.readUInt32LE(at + 38) >>> 16,
      headerAt: directory.readUInt32LE(at + 42),
      name: directory.toString('utf8', at + 46, at + 46 + nameBytes),
    });
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

function unpack(file, entry, folder) {
  const path = normalize(join(folder, entry.name));
  if (!path.startsWith(normalize(folder + sep)))
    throw new Error(`the zip leaves its folder: ${entry.name}`);
  if (entry.name.endsWith('/')) {
    mkdirSync(path, { recursive: true });
    return;
  }
  mkdirSync(dirname(path), { recursive: true });
  const header = readAt(file, entry.headerAt, 30);
  const dataAt = entry.headerAt + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const packed = readAt(file, dataAt, entry.bytes);
  const content = entry.method === 0 ? packed : inflateRawSync(packed);
  if ((entry.mode & S_IFMT) === S_IFLNK) symlinkSync(content.toString('utf8'), path);
  else writeFileSync(path, content, { mode: entry.mode & 0o777 || 0o644 });
}
