// `npm test`: sets up what a bare machine lacks, runs everything CI runs, and ends with one line that counts it all.
// `npm test -- cpu boot` runs these parts only (of: checks unit cpu storage toolstack boot e2e).
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './lib/apt.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { DIST } from './lib/paths.mjs';

const MINUTE = 60_000;
const TOTAL_LIMIT_MS = 25 * MINUTE;

/** Suites, and the longest each may take. */
const SUITES = {
  unit: 6 * MINUTE,
  cpu: 20 * MINUTE,
  storage: 8 * MINUTE,
  toolstack: 8 * MINUTE,
  boot: 12 * MINUTE,
  e2e: 14 * MINUTE,
};
/** These wait for guests and for the app, as people do: one after the other. */
const PATIENT = ['boot', 'toolstack', 'e2e'];
/** These only compute: like the checks they take what those leave of the processors, all the time. */
const COMPUTING = ['cpu', 'unit', 'storage'];

// A log file is for reading: colours only on a terminal.
if (!process.stdout.isTTY) process.env['NO_COLOR'] ??= '1';

const started = Date.now();
const totals = { passed: 0, failed: 0, skipped: 0 };
const lines = [];

function count(name, passed, failed, skipped, seconds, note = '') {
  totals.passed += passed;
  totals.failed += failed;
  totals.skipped += skipped;
  const text = `${name.padEnd(22)}${String(passed).padStart(6)} passed ${String(failed).padStart(4)} failed ${String(skipped).padStart(4)} skipped ${seconds.toFixed(1).padStart(8)} s  ${note}`;
  lines.push(text.trimEnd());
  process.stdout.write(`\n>>> ${text.trimEnd()}\n\n`);
}

const elapsed = () => Date.now() - started;
const wanted = process.argv.slice(2);
const runs = (name) => wanted.length === 0 || wanted.includes(name);

/** A step of the set-up counts only when it fails: what needs it will fail, too, and this says why. */
async function setUp(name, work) {
  const begin = Date.now();
  try {
    await work();
    process.stdout.write(`setup: ${name} (${((Date.now() - begin) / 1000).toFixed(1)} s)\n`);
  } catch (error) {
    process.stdout.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
    count(`setup ${name}`, 0, 1, 0, (Date.now() - begin) / 1000);
  }
}

async function prepare() {
  const { generate } = await import('./gen/index.mjs');
  const { installTestPackages, prepareElectron, prepareGuests } =
    await import('./test-setup/machine.mjs');
  await setUp('packages', installTestPackages);
  await setUp('generated sources', generate);
  if (['toolstack', 'boot', 'e2e'].some(runs)) {
    const { buildAll } = await import('./build.mjs');
    await setUp('build', () => buildAll());
  }
  if (['boot', 'e2e'].some(runs)) await setUp('guests', prepareGuests);
  if (runs('e2e')) await setUp('electron', prepareElectron);
}

async function runAllChecks() {
  const { runChecks } = await import('./lib/run-steps.mjs');
  const report = (name, { ok, seconds }) =>
    count(`check ${name}`, ok ? 1 : 0, ok ? 0 : 1, 0, seconds);
  await runChecks(report, { background: wanted.length === 0 });
}

/** Runs a suite and counts it. In the background what it prints comes as a whole at its end. */
async function runSuite(name, background) {
  const { runCommand } = await import('./lib/run-steps.mjs');
  const file = join(DIST, 'reports', `${name}.json`);
  rmSync(file, { force: true });
  const limitMs = Math.min(SUITES[name], TOTAL_LIMIT_MS - elapsed());
  if (limitMs < 1000) {
    count(name, 0, 1, 0, 0, 'not run: no time left');
    return;
  }
  if (!background) process.stdout.write(`\n=== ${name}\n`);
  const reporters = ['default', 'json', './build/lib/failures-at-once.mjs'];
  const words = [
    ...reporters.map((reporter) => `--reporter=${reporter}`),
    `--outputFile.json=${file}`,
  ];
  const result = await runCommand(process.execPath, ['build/suite.mjs', name, ...words], {
    limitMs,
    quiet: background,
    background,
  });
  if (background) process.stdout.write(`\n=== ${name}\n${result.output}`);
  const report = readReport(file);
  const note = result.timedOut
    ? `stopped after ${Math.round(limitMs / 1000)} s`
    : report === undefined
      ? 'could not run'
      : '';
  const { passed = 0, failed = 0, skipped = 0 } = report ?? {};
  // Whatever made vitest fail without a failing test (a crash, an unhandled error, no test at all) counts as one.
  const unexplained = (!result.ok || passed + failed === 0) && failed === 0 ? 1 : 0;
  count(name, passed, failed + unexplained, skipped, result.seconds, note);
}

function readReport(file) {
  if (!existsSync(file)) return undefined;
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

try {
  ensureDependencies();
  mkdirSync(join(DIST, 'reports'), { recursive: true });
  await prepare();
  const checks = runs('checks') ? runAllChecks() : undefined;
  const runAll = async (names, background) => {
    for (const name of names.filter(runs)) await runSuite(name, background);
  };
  const background = PATIENT.some(runs);
  await Promise.all([runAll(PATIENT, false), runAll(COMPUTING, background)]);
  await checks;
} catch (error) {
  process.stdout.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  count('npm test', 0, 1, 0, elapsed() / 1000, 'broke off');
}

process.stdout.write(
  `\n${lines.join('\n')}\n${`total ${(elapsed() / 1000).toFixed(0)} s`.padEnd(22)}\n\n`,
);
process.stdout.write(
  `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`,
);
process.exitCode = totals.failed > 0 || totals.passed === 0 ? 1 : 0;
