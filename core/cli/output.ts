import type { DomainInfo, HostInfo } from '../api';

const MIB = 2 ** 20;

/** xl list's header and row, xl_list.c: "%-40s %5d %5lu %5d     %c%c%c%c%c%c  %8.1f". */
const LIST_HEADER = 'Name                                        ID   Mem VCPUs\tState\tTime(s)';

/** The six letters of xl list: r running, b blocked (every vcpu waits), p paused, s shut down, c crashed, d dying. */
export function stateLetters(domain: DomainInfo): string {
  const set = new Set<string>();
  if (domain.state === 'running') set.add(domain.stats.blocked ? 'b' : 'r');
  else set.add({ paused: 'p', shutoff: 's', saved: 's', crashed: 'c' }[domain.state]);
  return [...'rbpscd'].map((letter) => (set.has(letter) ? letter : '-')).join('');
}

function listRow(
  name: string,
  id: string,
  memory: number,
  vcpus: number,
  letters: string,
  seconds: number,
): string {
  return `${name.padEnd(40)} ${id.padStart(5)} ${String(memory).padStart(5)} ${String(vcpus).padStart(5)}     ${letters}  ${seconds.toFixed(1).padStart(8)}`;
}

/** Domain 0 is this computer: all its processors, and the memory that no guest has. */
export function domainZeroRow(
  host: HostInfo,
  cpuSeconds: number,
  domains: readonly DomainInfo[],
): string {
  const guests = domains
    .filter((domain) => domain.domid !== null)
    .reduce((sum, domain) => sum + domain.config.memory, 0);
  return listRow(
    'Domain-0',
    '0',
    Math.max(0, Math.floor(host.memoryBytes / MIB) - guests),
    host.cpus,
    'r-----',
    cpuSeconds,
  );
}

export function listTable(rows: readonly string[]): string {
  return `${[LIST_HEADER, ...rows].join('\n')}\n`;
}

/** A domain's row; one that has no domid (it is shut off) shows '-'. */
export function domainRow(domain: DomainInfo): string {
  return listRow(
    domain.config.name,
    domain.domid === null ? '-' : String(domain.domid),
    domain.config.memory,
    domain.config.vcpus,
    stateLetters(domain),
    domain.stats.cpuSeconds,
  );
}

/** xl info: "%-23s: %s". */
export function infoTable(pairs: readonly (readonly [string, string | number])[]): string {
  return pairs.map(([key, value]) => `${key.padEnd(23)}: ${value}\n`).join('');
}

/** xl uptime's "3 days,  4:05:06" without days when there are none. */
export function uptime(seconds: number): string {
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const clock = `${hours}:${String(minutes).padStart(2, '0')}:${String(Math.floor(seconds) % 60).padStart(2, '0')}`;
  return days > 0 ? `${days} days, ${clock.padStart(8)}` : clock.padStart(8);
}
