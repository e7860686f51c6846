/** `domus perf`: what the CPU engine of a running domain does, as rates over an interval. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ENGINE_COUNTS,
  EXIT_COUNTS,
  performanceRates,
  shortCount,
  type DomainPerformance,
  type PerformanceCounts,
  type PerformanceRates,
} from '../api';
import type { CliCommand } from './commands';
import { EXIT_OK, EXIT_USAGE, ExitError } from './errors';
import { withToolstack } from './session';

const MAX_INTERVAL_SECONDS = 3600;
const MAX_REPORTS = 1e9;

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** The report of one interval, as lines. */
export function performanceReport(
  name: string,
  rates: PerformanceRates,
  now: DomainPerformance,
): string[] {
  const { time, translatedShare, instructionsPerRun, perSecond } = rates;
  const fact = (label: string, text: string): string => `  ${label.padEnd(22)}${text}`;
  const row = (label: string, key: keyof PerformanceCounts): string =>
    `  ${label.padEnd(22)}${shortCount(perSecond[key]).padStart(10)}${shortCount(now[key]).padStart(12)}`;
  return [
    `${name}, ${rates.seconds.toFixed(1)} s`,
    fact('speed', `${rates.mips.toFixed(1)} MIPS while it runs`),
    fact(
      'instructions',
      translatedShare === null
        ? 'none'
        : `${percent(translatedShare)} translated, ${percent(1 - translatedShare)} interpreted`,
    ),
    fact(
      'time',
      `guest code ${percent(time.guest)}, devices ${percent(time.devices)} (estimated), translator ${percent(time.translator)}, idle ${percent(time.idle)}`,
    ),
    fact(
      'regions',
      `${rates.regionsAlive} alive, ${now.regionsMade} made, ${now.regionsDropped} dropped` +
        (instructionsPerRun === null
          ? ''
          : `, ${shortCount(instructionsPerRun)} instructions a run`),
    ),
    fact(
      'translator',
      `${(now.translateNs / 1e6).toFixed(0)} ms for ${shortCount(now.translatedInstructions)} instructions, ${shortCount(now.wasmBytes)}B of WebAssembly`,
    ),
    `  ${'engine'.padEnd(22)}${'a second'.padStart(10)}${'in all'.padStart(12)}`,
    ...ENGINE_COUNTS.map(([key, label]) => row(label, key)),
    `  ${'exits by cause'.padEnd(22)}${'a second'.padStart(10)}${'in all'.padStart(12)}`,
    ...EXIT_COUNTS.map(([key, label]) => row(label, key)),
  ];
}

function numberFlag(value: unknown, flag: string, max: number): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!(number > 0 && number <= max))
    throw new ExitError(
      EXIT_USAGE,
      `domus: ${flag} is a number above 0 and up to ${max}, not ${JSON.stringify(value)}`,
    );
  return number;
}

async function perf(
  [name = '']: readonly string[],
  flags: Readonly<Record<string, unknown>>,
): Promise<number> {
  const interval = numberFlag(flags['interval'], '--interval', MAX_INTERVAL_SECONDS);
  const count =
    numberFlag(flags['count'], '--count', MAX_REPORTS) ?? (interval === undefined ? 1 : Infinity);
  return withToolstack(async (client, ended) => {
    const { config } = await client.call('domain/get', { domain: name });
    const sample = (): Promise<DomainPerformance> =>
      client.call('domain/performance', { domain: config.uuid });
    const gone = ended.then(() => true);
    let before = await sample();
    for (let reports = 0; reports < count; reports++) {
      if (await Promise.race([sleep((interval ?? 1) * 1000, false), gone])) break;
      const now = await sample();
      const rates = performanceRates(before, now);
      const text =
        flags['json'] === true
          ? JSON.stringify({ domain: config.name, rates, counts: now })
          : performanceReport(config.name, rates, now).join('\n');
      process.stdout.write(`${text}\n`);
      before = now;
    }
    return EXIT_OK;
  });
}

const PERF_HELP = `
"In all" counts from the start of the domain. Time in devices is estimated from a sample of their calls; the
translator's time is what the vCPU's thread spends on it: another thread translates and compiles. How guest code's
time divides between interpreter and translated code is not measured: see the share of the instructions.`;

/** The row of this file. */
export const PERF_COMMAND: CliCommand = {
  name: 'perf',
  summary: 'Show what the CPU engine of a running domain does.',
  arguments: '<domain>',
  options: [
    ['--json', 'print JSON, one line a report'],
    ['-i, --interval <seconds>', 'report every so many seconds until interrupted'],
    ['-n, --count <reports>', 'end after so many reports'],
  ],
  help: PERF_HELP,
  run: perf,
};
