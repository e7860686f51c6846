import { Command } from 'commander';
import { describeError, EXIT_FAILED, EXIT_USAGE, ExitError } from './errors';
import { runInForeground } from './run';

const program = new Command('domus').description('Virtual machines with a hypervisor of their own.').exitOverride();

program
  .command('run')
  .description('Run one domain in the foreground, without the app: its serial port is this terminal.')
  .argument('<file>', 'xl.cfg file')
  .argument('[settings...]', 'key=value, added behind the file')
  .option('--vnc', 'serve the screen to VNC clients on this computer')
  .option('-p, --paused', 'leave it paused')
  .action(async (file: string, settings: string[], options: { vnc?: boolean; paused?: boolean }) => {
    process.exitCode = await runInForeground(file, settings, options);
  });

program.parseAsync().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`${describeError(error)}\n`);
    process.exit(error instanceof ExitError ? error.status : EXIT_FAILED);
  },
);
void EXIT_USAGE;
