/** D2: what a power cut leaves of the writes that no sync has covered, any sectors of them (reliability.md, section 3). */
import { it } from 'vitest';
import { CRASH_KINDS, cutPower } from '../storage/power-cut';
import { Directory } from '../storage/qemu';
import { Random } from '../storage/random';
import { count, judge, secondsSince } from './bar';

const STATES = 2000;

it(`D2: ${STATES} states after a power cut`, async () => {
  const begin = performance.now();
  const directory = new Directory();
  const reports = [];
  for (const [i, kind] of CRASH_KINDS.entries())
    reports.push(
      ...(await cutPower(kind, STATES / CRASH_KINDS.length, new Random(i + 1), directory)),
    );
  directory.close();
  const corrupt = reports.filter(({ problems }) => problems.length > 0).length;
  const leaked = reports.filter((report) => report.leaked).length;
  const lost = reports.reduce((sum, report) => sum + report.lost, 0);
  const flushed = reports.reduce((sum, report) => sum + report.flushed, 0);
  judge({
    bar: 'D2',
    ours: `${corrupt} corruptions in ${count(reports.length)} power cuts, ${leaked} leaks mended on open, ${lost} of ${count(flushed)} flushed sectors lost, ${secondsSince(begin)}`,
    anchor: 'QEMU: 0/2,000, 189 leaks, 0 of 66,499 lost, 37 s',
    misses: reports.flatMap(({ problems }) => problems).slice(0, 20),
  });
});
