import type { DomainInfo, DomainState } from '../core/api';

const MIB = 1 << 20;
const GIB = 1 << 30;

/** A size in bytes as people read it: `512 MiB`, `8 GiB`, `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  if (bytes >= GIB) return `${trim(bytes / GIB)} GiB`;
  if (bytes >= MIB) return `${trim(bytes / MIB)} MiB`;
  if (bytes >= 1024) return `${trim(bytes / 1024)} KiB`;
  return `${bytes} bytes`;
}

function trim(value: number): string {
  return value >= 100 || Number.isInteger(value)
    ? value.toFixed(0)
    : value.toFixed(1).replace(/\.0$/, '');
}

/** A share of one as a percentage. */
export function formatPercent(share: number): string {
  return `${Math.round(Math.max(0, share) * 100)} %`;
}

/** Time since a start: `42 s`, `3 min 05 s`, `2 h 07 min`, `4 d 3 h`. */
export function formatUptime(startedAtMs: number | null, nowMs: number): string {
  if (startedAtMs === null) return '–';
  const seconds = Math.max(0, Math.floor((nowMs - startedAtMs) / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 86_400)
    return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** How long ago something was, as people say it: `just now`, `5 minutes ago`, `3 days ago`. */
export function formatAge(atMs: number, nowMs: number): string {
  const minutes = Math.floor(Math.max(0, nowMs - atMs) / 60_000);
  if (minutes === 0) return 'just now';
  const [count, unit] =
    minutes < 60
      ? [minutes, 'minute']
      : minutes < 1440
        ? [Math.floor(minutes / 60), 'hour']
        : [Math.floor(minutes / 1440), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

/** The words for a state that the whole app uses (gui.md 3.2). */
export const STATE_LABEL: Record<DomainState, string> = {
  running: 'Running',
  paused: 'Paused',
  saved: 'Saved',
  shutoff: 'Shut off',
  crashed: 'Crashed',
};

/** `boot=` letters in words and order. */
export function bootOrder(boot: string): string {
  const words: Record<string, string> = { c: 'Hard disk', d: 'CD-ROM', a: 'Floppy', n: 'Network' };
  return [...boot].map((letter) => words[letter] ?? letter).join(', ');
}

/** The last part of a path. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

/** The folder of a path, without the separator at its end. */
export function folderOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'), 0));
}

/** What the guest boots from, in a few words. */
export function bootSummary({ config }: DomainInfo): string {
  if (config.kernel !== '') return `Linux kernel ${baseName(config.kernel)}`;
  return bootOrder(config.boot) || 'Nothing';
}
