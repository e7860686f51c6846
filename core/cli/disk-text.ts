/** What `domus disk` reads and prints. */
import type { CheckReport, ImageFormat, ImageInfo } from '../storage';
import { printable } from './errors';
import { infoTable } from './output';

const UNITS = ['K', 'M', 'G', 'T'];

/** Bytes of `20G`, `1.5T`, `512M`, `1048576`, rounded up to whole sectors of 512; undefined when it is no size. */
export function parseSize(words: string): number | undefined {
  const parts = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(words.trim());
  if (!parts) return undefined;
  const unit = parts[2] ? 1024 ** (UNITS.indexOf(parts[2].toUpperCase()) + 1) : 1;
  const bytes = Math.ceil((Number(parts[1]) * unit) / 512) * 512;
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** `20 GiB`, `1.5 GiB`, `512 bytes`. */
export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = -1;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit < 0) return `${bytes} bytes`;
  return `${Number(value.toFixed(value < 100 ? 2 : 0))} ${UNITS[unit]}iB`;
}

export function infoLines(info: ImageInfo, looksLike: ImageFormat): string {
  const { qcow2 } = info;
  const rows: [string, string | number][] = [
    ['image', printable(info.path)],
    ['format', info.format],
    ['disk size', `${sizeText(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ['file size', sizeText(info.fileBytes)],
  ];
  if (info.allocatedBytes !== null) rows.push(['on this computer', sizeText(info.allocatedBytes)]);
  if (info.blockBytes !== null) rows.push(['cluster size', sizeText(info.blockBytes)]);
  if (qcow2) {
    rows.push(['qcow2 version', qcow2.version], ['compression', qcow2.compression]);
    if (qcow2.backing)
      rows.push([
        'overlay of',
        `${printable(qcow2.backing.name)} (${qcow2.backing.format ?? 'format not stated'})`,
      ]);
    if (qcow2.dirty || qcow2.corrupt)
      rows.push([
        'state',
        qcow2.corrupt ? 'damaged, needs repair' : 'not closed, is repaired when it is opened',
      ]);
    for (const { name } of qcow2.bitmaps) rows.push(['dirty bitmap', printable(name)]);
  }
  for (const one of info.snapshots)
    rows.push([
      `snapshot ${one.id}`,
      `${printable(one.name)}, ${new Date(one.takenAtMs).toISOString()}`,
    ]);
  const note =
    looksLike === info.format || looksLike === 'raw'
      ? ''
      : `note: the file starts like a ${looksLike} image; if it is one, say so: --format ${looksLike}\n`;
  return `${infoTable(rows)}${note}`;
}

export function checkLines(report: CheckReport): string {
  const lines = report.problems.map((problem) => `problem: ${printable(problem)}`);
  const more = report.problemCount - report.problems.length;
  if (more > 0) lines.push(`and ${more} more`);
  const { repaired } = report;
  if (repaired && repaired.problems > 0) lines.push(`${repaired.problems} problems were mended`);
  if (repaired && repaired.leakedClusters > 0)
    lines.push(`${repaired.leakedClusters} lost clusters were given back`);
  if (repaired && repaired.droppedEntries > 0)
    lines.push(
      `${repaired.droppedEntries} parts of the disk led nowhere; what they held is lost, and they read as zeros now`,
    );
  if (report.leakedClusters > 0)
    lines.push(`${report.leakedClusters} clusters are lost: room, but no data (--repair leaks)`);
  if (report.dirty)
    lines.push('it was not closed; its reference counts are mended when it is opened');
  if (report.corrupt) lines.push('it is marked as damaged and is not written to (--repair all)');
  if (lines.length === 0) lines.push('nothing is wrong');
  return `${lines.join('\n')}\n`;
}
