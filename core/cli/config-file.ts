import { dirname, resolve } from 'node:path';
import { DomusError } from '../api';
import { FileError } from '../host';
import { nodeFiles, nodeSystem } from '../host-node';
import { parseConfig, type ParsedConfig } from '../toolstack';
import { describeError, EXIT_FAILED, ExitError, printable } from './errors';

/** An xl.cfg is a few lines; anything longer is some other file. */
const MAX_CONFIG_BYTES = 1 << 20;

/** Reads a configuration file with `key=value` settings from the command line behind it, as xl does; warnings go to standard error. */
export async function readConfigFile(
  file: string,
  overrides: readonly string[],
): Promise<ParsedConfig> {
  const text = await nodeFiles.readText(resolve(file), MAX_CONFIG_BYTES).catch((cause: unknown) => {
    throw new ExitError(
      EXIT_FAILED,
      `domus: the configuration cannot be read: ${cause instanceof FileError ? cause.message : String(cause)}`,
    );
  });
  const source = [
    text.endsWith('\n') || text === '' ? text.replace(/\n$/, '') : text,
    ...overrides,
  ].join('\n');
  try {
    const parsed = parseConfig(source, {
      file,
      directory: dirname(resolve(file)),
      newUuid: () => nodeSystem.uuid(),
    });
    for (const warning of parsed.warnings) process.stderr.write(`${printable(warning)}\n`);
    return parsed;
  } catch (cause) {
    if (cause instanceof DomusError) throw new ExitError(EXIT_FAILED, describeError(cause, source));
    throw cause;
  }
}
