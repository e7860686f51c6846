import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DomusError, type DomainInfo } from '../api';
import { NO_STATS, parseConfig } from '../toolstack';
import { CLI_COMMANDS } from './commands';
import { describeError, printable } from './errors';
import { domainRow, domainZeroRow, listTable, stateLetters, uptime } from './output';
import { VERSION } from './version';

function domain(part: Partial<DomainInfo>): DomainInfo {
  const options = {
    file: 'f',
    directory: '/',
    newUuid: () => '4f2032f2-e9c0-4449-8f66-22317e0c423b',
  };
  const { config } = parseConfig('name="pv"\nmemory=256', options);
  return {
    config,
    state: 'running',
    domid: 1,
    reason: '',
    startedAtMs: 0,
    vncPort: null,
    stats: NO_STATS,
    ...part,
  };
}

describe('domus list', () => {
  it('prints what xl list prints', () => {
    const host = {
      hostname: '',
      cpus: 1,
      cpuModel: '',
      cpu: 0,
      memoryBytes: 1280 * 2 ** 20,
      memoryFreeBytes: 0,
      version: '',
    };
    const guest = domain({ stats: { ...NO_STATS, blocked: true, cpuSeconds: 10.44 } });
    // Captured from Xen 4.17 with a 1024 MiB domain 0 and a guest of 256 MiB.
    expect(listTable([domainZeroRow(host, 58.5, [guest]), domainRow(guest)])).toBe(
      'Name                                        ID   Mem VCPUs\tState\tTime(s)\n' +
        'Domain-0                                     0  1024     1     r-----      58.5\n' +
        'pv                                           1   256     1     -b----      10.4\n',
    );
  });

  it.each<[Partial<DomainInfo>, string]>([
    [{}, 'r-----'],
    [{ stats: { ...NO_STATS, blocked: true } }, '-b----'],
    [{ state: 'paused' }, '--p---'],
    [{ state: 'shutoff', domid: null }, '---s--'],
    [{ state: 'crashed', domid: null }, '----c-'],
  ])('shows the state of %j as %s', (part, letters) => {
    expect(stateLetters(domain(part))).toBe(letters);
  });

  it('formats uptimes as xl does', () => {
    expect(uptime(5)).toBe(' 0:00:05');
    expect(uptime(3 * 86400 + 4 * 3600 + 5 * 60 + 6)).toBe('3 days,  4:05:06');
  });
});

describe('messages', () => {
  it('point at the place with a caret under tabs too', () => {
    const error = new DomusError('INVALID_CONFIG', 'wrong', { file: 'a.cfg', line: 2, column: 3 });
    expect(describeError(error, 'x\n\ta = 1\n')).toBe('a.cfg:2:3: wrong\n  \ta = 1\n  \t ^');
  });

  it('send no control characters to the terminal', () => {
    expect(printable('a\x1b[31mb\x07\u009bc')).toBe('a\ufffd[31mb\ufffd\ufffdc');
  });
});

describe('commands', () => {
  it('have names of their own and a summary that is a sentence', () => {
    expect(new Set(CLI_COMMANDS.map(({ name }) => name)).size).toBe(CLI_COMMANDS.length);
    for (const { summary } of CLI_COMMANDS) expect(summary).toMatch(/^[A-Z].*\.$/);
  });

  it('belong to the version of the package', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8');
    expect((JSON.parse(text) as { version: string }).version).toBe(VERSION);
  });
});
