/**
 * `disk=` entries, xl-disk-configuration(5), Xen 4.17: `key=value` words and positional `target, format, vdev, access`
 * in one string, and xm's older `file:/x.img,hda,w` and `file:/x.iso,hdc:cdrom,r`. The vdev tells the controller:
 * hdX IDE, sdX SATA (xl: SCSI), xvdX as hdX; with `hdtype="ahci"` hard disks that are called hdX are SATA disks.
 * Beyond xl: vdX, a VirtIO disk; the formats vmdk and vdi; `backing=`, the directory of the images that an overlay
 * lies on.
 * Missing: the formats qcow and qed, `script=`, backends in other domains.
 */
import {
  busOf,
  DISK_BUSES,
  vdevRange,
  VDEVS,
  type DiskConfig,
  type DiskFormat,
  type SourcePosition,
} from '../../api';
import { noCdrom } from './schema';
import { configError } from './tokens';

/** What `libxlu_disk_l.l` strips from old spellings without looking at it. */
const IGNORED_PREFIX = /^(?:file|phy|tap2?|tapdisk|aio|ioemu):(?:\/\/(?=\/))?/;
const FORMAT_PREFIX = /^(raw|qcow2?|vhd|qed):/;
/** Formats that there are, and whether they can be written. */
const FORMATS: Readonly<Record<DiskFormat, boolean>> = {
  raw: true,
  qcow2: true,
  vhd: false,
  vmdk: false,
  vdi: false,
};
/** Formats of xl that are not among them. */
const OLD_FORMATS = ['qcow', 'qed'];
const ACCESS: Readonly<Record<string, DiskConfig['access']>> = {
  ro: 'r',
  r: 'r',
  rw: 'w',
  w: 'w',
  'w!': 'w',
};
const VDEV = /^(hd|xvd|sd|vd)([a-z])(\d*)$/;
/** The names there are, for messages. */
const ALL_VDEVS = DISK_BUSES.map((row) => `${vdevRange(row)} (${row.label})`).join(', ');
/** Words that say nothing a file-backed disk needs. */
const IGNORED_WORDS = new Set(['direct-io-safe', 'discard', 'no-discard', 'trusted', 'untrusted']);
const IGNORED_KEYS = new Set(['backend', 'backendtype', 'specification']);

interface Draft {
  target?: string;
  format?: string;
  vdev?: string;
  access?: string;
  backing?: string;
  cdrom: boolean;
  /** An old prefix was there: no positional format follows it. */
  prefixed: boolean;
}

/** One comma-separated word with the place where it starts. */
interface Word {
  readonly text: string;
  readonly position: SourcePosition;
}

function shift(position: SourcePosition, columns: number): SourcePosition {
  return { ...position, column: position.column + columns };
}

/** Splits at commas; `target=` takes everything behind it, commas too. */
function words(spec: string, position: SourcePosition): Word[] {
  const result: Word[] = [];
  let at = 0;
  while (at <= spec.length) {
    const rest = spec.slice(at);
    const isTarget = /^\s*target\s*=/.test(rest);
    const comma = isTarget ? -1 : rest.indexOf(',');
    const raw = comma < 0 ? rest : rest.slice(0, comma);
    result.push({
      text: raw.trim(),
      position: shift(position, at + (raw.length - raw.trimStart().length)),
    });
    if (comma < 0) break;
    at += comma + 1;
  }
  return result;
}

function stripPrefixes(text: string, draft: Draft): string {
  let rest = text;
  for (;;) {
    const format = FORMAT_PREFIX.exec(rest);
    const ignored = IGNORED_PREFIX.exec(rest);
    const prefix = format ?? ignored;
    if (!prefix) return rest;
    if (format?.[1] !== undefined) draft.format = format[1];
    draft.prefixed = true;
    rest = rest.slice(prefix[0].length);
  }
}

function setVdev(draft: Draft, text: string): void {
  const [name, kind] = text.split(':');
  if (kind === 'cdrom') draft.cdrom = true;
  draft.vdev = name ?? '';
}

function named(draft: Draft, key: string, value: string, word: Word): void {
  if (key === 'target') draft.target = stripPrefixes(value, draft);
  else if (key === 'format') draft.format = value;
  else if (key === 'vdev') setVdev(draft, value);
  else if (key === 'access') draft.access = value;
  else if (key === 'backing') draft.backing = value;
  else if (key === 'devtype') {
    if (value !== 'cdrom' && value !== 'disk')
      throw configError(word.position, `devtype '${value}' is not known; it is cdrom or disk`);
    draft.cdrom = value === 'cdrom';
  } else if (key === 'script')
    throw configError(
      word.position,
      "'script=' names a block script, and there are none here; give the image file itself",
    );
  else if (!IGNORED_KEYS.has(key))
    throw configError(word.position, `'${key}' is not part of a disk specification`);
}

/** `vdi`, where a format may stand, is one. */
function isVdev(text: string): boolean {
  return !isFormat(text) && VDEV.test(text.split(':')[0] ?? '');
}

function positional(draft: Draft, word: Word): void {
  const { text } = word;
  if (draft.target === undefined) draft.target = stripPrefixes(text, draft);
  else if (!draft.prefixed && draft.format === undefined && !isVdev(text))
    draft.format = text === '' ? 'raw' : text;
  else if (draft.vdev === undefined) setVdev(draft, text);
  else if (draft.access === undefined) draft.access = text;
  else
    throw configError(
      word.position,
      `${JSON.stringify(text)} is one word too many in this disk specification`,
    );
}

/** Which controller hard disks called hdX stand on, xl.cfg(5) `hdtype`. */
export type HardDiskType = 'ide' | 'ahci';

/** What a disk specification is read with. */
export interface DiskSpecOptions {
  readonly warn: (position: SourcePosition, message: string) => void;
  /** Absent: ide. */
  readonly hdtype?: HardDiskType;
}

function checkedVdev(
  draft: Draft,
  position: SourcePosition,
  { warn, hdtype = 'ide' }: DiskSpecOptions,
): string {
  if (!draft.vdev)
    throw configError(
      position,
      `this disk has no vdev, the name the guest knows it by: ${ALL_VDEVS}`,
    );
  const [, prefix, letter = '', partition] = VDEV.exec(draft.vdev) ?? [];
  const moved = hdtype === 'ahci' && !draft.cdrom && (prefix === 'hd' || prefix === 'xvd');
  const vdev = `${moved ? 'sd' : prefix === 'xvd' ? 'hd' : prefix}${letter}`;
  if (prefix === undefined || !VDEVS.includes(vdev))
    throw configError(position, `vdev '${draft.vdev}' cannot be had; there are ${ALL_VDEVS}`);
  if (partition !== '')
    throw configError(
      position,
      `vdev '${draft.vdev}' is a partition; give the whole disk, ${prefix}${letter}`,
    );
  if (draft.cdrom && busOf(vdev)?.cdroms === false) throw configError(position, noCdrom(vdev));
  if (moved) warn(position, `${draft.vdev} is the SATA disk ${vdev}, as hdtype="ahci" says`);
  else if (prefix === 'xvd')
    warn(position, `the guest sees ${draft.vdev} as ${vdev}: there are no Xen disks here`);
  return vdev;
}

/** Reads one `disk=` entry whose first character stands at `position`. The target is as written, not made absolute. */
export function parseDiskSpec(
  spec: string,
  position: SourcePosition,
  options: DiskSpecOptions,
): DiskConfig {
  const draft: Draft = { cdrom: false, prefixed: false };
  for (const word of words(spec, position)) {
    const equals = /^([a-z][a-z0-9_-]*)\s*=\s*(.*)$/s.exec(word.text);
    if (equals) named(draft, equals[1] ?? '', equals[2] ?? '', word);
    else if (word.text === 'cdrom') draft.cdrom = true;
    else if (!IGNORED_WORDS.has(word.text)) positional(draft, word);
  }
  const vdev = checkedVdev(draft, position, options);
  const format = checkedFormat(draft.format ?? 'raw', vdev, position);
  const access = draft.cdrom
    ? 'r'
    : draft.access === undefined || draft.access === ''
      ? 'w'
      : ACCESS[draft.access];
  if (access === undefined)
    throw configError(
      position,
      `the access '${draft.access ?? ''}' of ${vdev} is not known; it is r or w`,
    );
  if (draft.access === 'w!')
    options.warn(position, `${vdev} is not shared with w!: who writes to an image has it alone`);
  if (access === 'w' && !FORMATS[format])
    throw configError(
      position,
      `${format} images are only read: give ${vdev} access=ro, or make an image that can be written (domus disk convert OLD.${format} NEW.qcow2)`,
    );
  const target = draft.target ?? '';
  if (target === '' && !draft.cdrom)
    throw configError(position, `${vdev} has no target, the image file`);
  return {
    vdev,
    target,
    format,
    access,
    cdrom: draft.cdrom,
    ...(draft.backing ? { backing: draft.backing } : {}),
  };
}

function isFormat(name: string): name is DiskFormat {
  return Object.hasOwn(FORMATS, name);
}

function checkedFormat(name: string, vdev: string, position: SourcePosition): DiskFormat {
  if (isFormat(name)) return name;
  const why = OLD_FORMATS.includes(name)
    ? `cannot be used; convert the image first: qemu-img convert -O qcow2 OLD NEW`
    : `is not known; it is ${Object.keys(FORMATS).join(', ')}`;
  throw configError(position, `the format '${name}' of ${vdev} ${why}`);
}

/** The `disk=` entry of a disk in the current spelling; `target` comes last, as it takes the rest of the line. */
export function formatDiskSpec(disk: DiskConfig): string {
  const words = [
    `format=${disk.format}`,
    `vdev=${disk.vdev}`,
    `access=${disk.access === 'w' ? 'rw' : 'ro'}`,
  ];
  if (disk.cdrom) words.push('devtype=cdrom');
  if (disk.backing !== undefined) words.push(`backing=${disk.backing}`);
  words.push(`target=${disk.target}`);
  return words.join(', ');
}
