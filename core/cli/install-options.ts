/** Options of `domus install` as virt-install(1) 4.1 writes them: `key=value` words with commas, files for passwords. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DiskFormat, InstallAnswers, VifConfig } from '../api';
import { nodeSystem } from '../host-node';
import { defaultMac, parseVifSpec } from '../toolstack';
import { EXIT_USAGE, ExitError } from './errors';

const GIB = 2 ** 30;
/** Words of --unattended and --cloud-init; those of virt-install first. */
const ANSWER_KEYS = [
  'user-login',
  'user-password-file',
  'admin-password-file',
  'root-password-file',
  'ssh-key',
  'hostname',
  'full-name',
  'locale',
  'keyboard',
  'timezone',
  'packages',
  'mirror',
  'proxy',
  'format',
] as const;
type AnswerKey = (typeof ANSWER_KEYS)[number];

function wrong(message: string): ExitError {
  return new ExitError(EXIT_USAGE, `domus install: ${message}`);
}

/** `a=1,b=2` as a map; a word without `=` is one whose value is ''. */
export function words(text: string): Map<string, string> {
  const map = new Map<string, string>();
  for (const part of text.split(',')) {
    const equals = part.indexOf('=');
    const key = (equals < 0 ? part : part.slice(0, equals)).trim();
    if (key !== '') map.set(key, equals < 0 ? '' : part.slice(equals + 1));
  }
  return map;
}

function only(option: string, map: Map<string, string>, keys: readonly string[]): void {
  for (const key of map.keys())
    if (!keys.includes(key))
      throw wrong(`${option} does not know '${key}'; it takes ${keys.join(', ')}`);
}

export interface DiskOption {
  readonly path: string | undefined;
  readonly format: DiskFormat;
  /** undefined: the image is there already. */
  readonly sizeBytes: number | undefined;
}

/** `path=/x.qcow2,size=20,format=qcow2`, sizes in GiB; or the path alone. */
export function diskOption(text: string): DiskOption {
  if (!text.includes('=')) return { path: resolve(text), format: 'qcow2', sizeBytes: undefined };
  const map = words(text);
  only('--disk', map, ['path', 'size', 'format']);
  const path = map.get('path');
  const format = map.get('format') ?? 'qcow2';
  if (format !== 'qcow2' && format !== 'raw')
    throw wrong(`--disk makes qcow2 and raw images, not '${format}'`);
  const size = map.get('size');
  const gib = size === undefined ? undefined : Number(size);
  if (gib !== undefined && !(gib > 0 && gib <= 65536))
    throw wrong(`'${size}' is not a size in GiB: --disk size=20`);
  if (path === undefined && gib === undefined) throw wrong('--disk needs size= or path=');
  return {
    path: path === undefined ? undefined : resolve(path),
    format,
    sizeBytes: gib === undefined ? undefined : Math.ceil((gib * GIB) / 512) * 512,
  };
}

/** `network=nat,model=virtio,mac=...`, `none`; other words are those of a vif. */
export function networkOptions(texts: readonly string[], uuid: string): VifConfig[] | undefined {
  if (texts.length === 0) return undefined;
  return texts
    .filter((text) => text !== 'none')
    .map((text, index) => {
      const spec = text.replace(/^(?:default|user)(?=,|$)/, 'bridge=nat');
      return parseVifSpec(
        spec.replace(/(^|,)network=/, '$1bridge='),
        { file: '--network', line: 1, column: 1 },
        defaultMac(uuid, index),
        ({ file }, message) => process.stderr.write(`domus install: ${file}: ${message}\n`),
      );
    });
}

/** The first line of a file: passwords are not given on the command line, where every user of a computer sees them. */
function secret(option: string, path: string): string {
  let line: string;
  try {
    line = (readFileSync(path, 'utf8').split('\n')[0] ?? '').replace(/\r$/, '');
  } catch (cause) {
    throw wrong(`${option}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  if (line === '') throw wrong(`${option}: the first line of ${path} is empty`);
  return nodeSystem.hashPassword(line);
}

function key(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw wrong(`${option}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

/** The answers of `--unattended` or `--cloud-init`; `format` when it is given there. */
export function answerOptions(
  option: string,
  text: string,
  guestName: string,
): { answers: InstallAnswers; format: string | undefined } {
  const map = words(text);
  only(option, map, ANSWER_KEYS);
  const get = (name: AnswerKey, fallback = ''): string => map.get(name) ?? fallback;
  const hashOf = (name: AnswerKey): string => {
    const path = map.get(name);
    return path === undefined ? '' : secret(`${option} ${name}`, path);
  };
  const userName = get('user-login');
  const answers: InstallAnswers = {
    hostName: get('hostname', guestName.replace(/[^A-Za-z0-9-]/g, '-').slice(0, 63)),
    locale: get('locale', 'en_US.UTF-8'),
    keyboard: get('keyboard', 'us'),
    timezone: get('timezone', 'Etc/UTC'),
    userName,
    fullName: get('full-name', userName),
    userPasswordHash: hashOf('user-password-file'),
    rootPasswordHash: hashOf('admin-password-file') || hashOf('root-password-file'),
    authorizedKeys: map.has('ssh-key') ? [key(`${option} ssh-key`, get('ssh-key'))] : [],
    packages: get('packages').split(/[ +]/).filter(Boolean),
    mirror: get('mirror'),
    proxy: get('proxy'),
  };
  const canLogIn =
    answers.userPasswordHash !== '' ||
    answers.rootPasswordHash !== '' ||
    answers.authorizedKeys.length > 0;
  if (!canLogIn)
    throw wrong(
      `${option} leaves nobody who can log in; give admin-password-file=FILE, or user-login=NAME with user-password-file=FILE, or ssh-key=FILE`,
    );
  return { answers, format: map.get('format') };
}
