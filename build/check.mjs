// `npm run check`: everything that needs no machine: format, lint, types, layers, unit tests.
import { generate } from './gen/index.mjs';
import { runChecks, runCommand } from './lib/run-steps.mjs';

await generate();
const failed = [];
const report = (name, result) => {
  process.stdout.write(
    `check: ${name} ${result.ok ? 'passed' : 'FAILED'} (${result.seconds.toFixed(1)} s)\n`,
  );
  if (!result.ok) failed.push(name);
};
await runChecks(report);
report('unit', await runCommand(process.execPath, ['build/suite.mjs', 'unit']));
if (failed.length > 0) {
  process.stdout.write(`check: failed: ${failed.join(', ')}\n`);
  process.exitCode = 1;
}
