import { dirname, resolve } from 'node:path';
import { DomusError } from '../api';
import { FileError } from '../host';
import { nodeFiles, nodeSystem } from '../host-node';
import { parseConfig, type ParsedConfig } from '../toolstack';
import { describeError, EXIT_FAILED, ExitError, printable } from './errors';

/** An xl.cfg is a few lines; anything longer is some other file. */
const MAX_CONFIG_BYTES = 1 << 20;
/** Values that are written as they are; everything else is text whose quotes the shell took. */
const PLAIN_VALUE = /^\s*(?:\d+|0x[0-9a-f]+|\[.*\]|"[^"]*"|'[^']*')\s*$/is;

/** `key=value` from the command line as a setting; text without quotes gets them. */
function setting(argument: string): string {
  const equals = argument.indexOf('=');
  const value = argument.slice(equals + 1);
  if (equals < 0 || PLAIN_VALUE.test(value)) return argument;
  return `${argument.slice(0, equals + 1)}"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
}

/** Faults behind the file's own lines are in the settings of the command line. */
function relocate(error: DomusError, fileLines: number): DomusError {
  const { position } = error;
  if (!position || position.line <= fileLines) return error;
  return new DomusError(error.code, error.message, {
    file: 'command line',
    line: position.line - fileLines,
    column: position.column,
  });
}

/** Reads a configuration file with `key=value` settings from the command line behind it, as xl does; warnings go to standard error. */
export async function readConfigFile(
  file: string,
  overrides: readonly string[],
): Promise<ParsedConfig> {
  const text = await nodeFiles.readText(resolve(file), MAX_CONFIG_BYTES).catch((cause: unknown) => {
    const why = cause instanceof FileError ? cause.message : String(cause);
    throw new ExitError(EXIT_FAILED, `domus: the configuration cannot be read: ${why}`);
  });
  const lines = text.replace(/\n$/, '').split('\n');
  const settings = overrides.map(setting);
  try {
    const parsed = parseConfig([...lines, ...settings].join('\n'), {
      file,
      directory: dirname(resolve(file)),
      newUuid: () => nodeSystem.uuid(),
    });
    for (const warning of parsed.warnings) process.stderr.write(`${printable(warning)}\n`);
    return parsed;
  } catch (cause) {
    if (!(cause instanceof DomusError)) throw cause;
    const located = relocate(cause, lines.length);
    const source = located === cause ? lines : settings;
    throw new ExitError(EXIT_FAILED, describeError(located, source.join('\n')));
  }
}
