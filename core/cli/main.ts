import { Command, CommanderError } from 'commander';
import { CLI_COMMANDS, CLI_GROUPS, type CliCommand } from './commands';
import { describeError, EXIT_FAILED, EXIT_OK, EXIT_USAGE, ExitError } from './errors';
import { VERSION } from './version';

function add(program: Command, row: CliCommand): void {
  const command = program.command(`${row.name} ${row.arguments}`.trim()).description(row.summary);
  for (const [flags, description] of row.options) command.option(flags, description);
  if (row.help !== undefined) command.addHelpText('after', row.help);
  command.action(async () => {
    process.exitCode = await row.run(command.args, command.opts());
  });
}

async function main(): Promise<void> {
  const program = new Command('domus');
  program
    .description('Virtual machines with a hypervisor of their own; commands as in xl.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(domus --help lists what there is)');
  for (const row of CLI_COMMANDS) add(program, row);
  for (const { name, summary, commands } of CLI_GROUPS) {
    const group = program.command(name).description(summary);
    for (const row of commands) add(group, row);
  }
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = statusOf(error);
  }
}

/** Prints a failure, unless commander did, and chooses the exit status. */
function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  process.stderr.write(`${describeError(error)}\n`);
  return error instanceof ExitError ? error.status : EXIT_FAILED;
}

/** A reader that goes away (`domus list | head`) is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT_OK);
});

void main().finally(() => process.exit());
