import {
  DomusError,
  type DiskConfig,
  type DomainConfig,
  type EndAction,
  type SourcePosition,
  type VifConfig,
} from '../../api';
import { isAbsolutePath, joinPath } from '../paths';
import { parseDiskSpec, type HardDiskType } from './disk-spec';
import { INERT_KEYS, KEYS } from './keys';
import { parseSettings, type ConfigValue, type Setting } from './parser';
import { domainConfigSchema } from './schema';
import { configError } from './tokens';
import { defaultMac, parseVifSpec } from './vif-spec';

export interface ParseOptions {
  /** Named in messages. */
  readonly file: string;
  /** Relative paths start here; the directory of the file. */
  readonly directory: string;
  /** Gives a domain without `uuid` its own. */
  readonly newUuid: () => string;
}

export interface ParsedConfig {
  readonly config: DomainConfig;
  /** `file:line:column: sentence`, one for each thing that was passed over. */
  readonly warnings: string[];
}

const ROWS = new Map(KEYS.map((row) => [row.name, row]));
const NUMBER = /^(?:0[xX][0-9a-fA-F]+|\d+)$/;
/** Names of Xen's firmware images: the built-in BIOS runs in their place. */
const XEN_FIRMWARE = new Set(['seabios', 'rombios', 'bios']);

/** The smallest number of edits from `a` to `b`, at most `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(
        (row[j] ?? 0) + 1,
        (next[j - 1] ?? 0) + 1,
        (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
    row = next;
  }
  return row[b.length] ?? limit + 1;
}

/** Reads settings of one file into typed values; every fault is thrown with its place. */
class Reader {
  readonly warnings: string[] = [];
  private readonly settings: Map<string, Setting>;

  constructor(
    settings: readonly Setting[],
    private readonly options: ParseOptions,
  ) {
    this.settings = new Map(settings.map((setting) => [setting.key, setting]));
    for (const setting of settings) if (!ROWS.has(setting.key)) this.unknown(setting);
  }

  readonly warn = (position: SourcePosition, message: string): void => {
    this.warnings.push(`${position.file}:${position.line}:${position.column}: ${message}`);
  };

  position(key: string): SourcePosition {
    return (
      this.settings.get(key)?.value.position ?? { file: this.options.file, line: 1, column: 1 }
    );
  }

  has(key: string): boolean {
    return this.settings.has(key);
  }

  text(key: string, fallback: string): string {
    const setting = this.settings.get(key);
    if (!setting) return fallback;
    if (setting.value.kind === 'list')
      throw configError(setting.value.position, `'${key}' is one value, not a list`);
    const values = ROWS.get(key)?.values;
    if (values && !values.includes(setting.value.text))
      throw configError(
        setting.value.position,
        `'${key}' is ${oneOf(values)}, not ${JSON.stringify(setting.value.text)}`,
      );
    return setting.value.text;
  }

  number(key: string): number | undefined {
    if (!this.has(key)) return undefined;
    return toNumber(key, this.text(key, ''), this.position(key));
  }

  boolean(key: string, fallback: boolean): boolean {
    if (!this.has(key)) return fallback;
    return toBoolean(key, this.text(key, ''), this.position(key));
  }

  path(key: string): string {
    const text = this.text(key, '');
    return text === '' ? '' : this.absolute(text);
  }

  list(key: string): readonly ConfigValue[] {
    const setting = this.settings.get(key);
    if (!setting) return [];
    if (setting.value.kind !== 'list')
      throw configError(setting.value.position, `'${key}' is a list: ${key} = [ ... ]`);
    return setting.value.items;
  }

  absolute(path: string): string {
    return isAbsolutePath(path) ? path : joinPath(this.options.directory, path);
  }

  private unknown({ key, position }: Setting): void {
    if (INERT_KEYS.has(key)) return this.warn(position, `'${key}' has no effect here`);
    const close = [...ROWS.keys()].find(
      (name) => distance(key.toLowerCase(), name, 2) <= Math.min(2, Math.floor(name.length / 3)),
    );
    this.warn(
      position,
      close
        ? `unknown key '${key}' is passed over; did you mean '${close}'?`
        : `unknown key '${key}' is passed over`,
    );
  }
}

function oneOf(values: readonly string[]): string {
  return values.length === 1
    ? `"${values[0] ?? ''}"`
    : values.map((value) => `"${value}"`).join(' or ');
}

function toNumber(key: string, text: string, position: SourcePosition): number {
  if (!NUMBER.test(text))
    throw configError(position, `'${key}' is a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}

function toBoolean(key: string, text: string, position: SourcePosition): boolean {
  if (text === '1' || text === 'yes' || text === 'true') return true;
  if (text === '0' || text === 'no' || text === 'false') return false;
  throw configError(position, `'${key}' is 0 or 1, not ${JSON.stringify(text)}`);
}

function readDisks(reader: Reader): DiskConfig[] {
  const hdtype = reader.text('hdtype', 'ide') as HardDiskType;
  const taken = new Set<string>();
  return reader.list('disk').map((item) => {
    if (item.kind === 'list') throw configError(item.position, "an entry of 'disk' is a string");
    const start = { ...item.position, column: item.position.column + (item.quoted ? 1 : 0) };
    const disk = parseDiskSpec(item.text, start, { warn: reader.warn, hdtype });
    if (hdtype === 'ahci' && taken.has(disk.vdev))
      throw configError(start, `${disk.vdev} is taken: hdtype="ahci" makes hdX the SATA disk sdX`);
    taken.add(disk.vdev);
    return {
      ...disk,
      target: disk.target === '' ? '' : reader.absolute(disk.target),
      ...(disk.backing === undefined ? {} : { backing: reader.absolute(disk.backing) }),
    };
  });
}

function readVifs(reader: Reader): VifConfig[] {
  return reader.list('vif').map((item, index) => {
    if (item.kind === 'list') throw configError(item.position, "an entry of 'vif' is a string");
    const start = { ...item.position, column: item.position.column + (item.quoted ? 1 : 0) };
    // By name and place: the same file makes the same card each time it is read.
    const mac = defaultMac(reader.text('name', ''), index);
    return parseVifSpec(item.text, start, mac, reader.warn);
  });
}

function readFirmware(reader: Reader): string {
  for (const key of ['firmware', 'bios_path_override', 'bios']) {
    if (!reader.has(key)) continue;
    const text = reader.text(key, '');
    if (!XEN_FIRMWARE.has(text)) return reader.path(key);
    reader.warn(
      reader.position(key),
      `'${text}' stands for the built-in BIOS here; give the path of a ROM to run another`,
    );
  }
  return '';
}

/** The vnc keys, wherever they stand: at the top, or in `vfb = [ "vnc=1, ..." ]`. */
interface Vnc {
  enabled: boolean;
  listen: string;
  display: number | null;
  password: string;
  keymap: string | undefined;
}

function setListen(vnc: Vnc, text: string, position: SourcePosition): void {
  const [address, display] = text.split(':');
  vnc.listen = address ?? '';
  if (display !== undefined) vnc.display = toNumber('vnclisten', display, position);
}

function readVfb(reader: Reader, vnc: Vnc): void {
  const item = reader.list('vfb')[0];
  if (!item) return;
  if (item.kind === 'list') throw configError(item.position, "an entry of 'vfb' is a string");
  for (const word of item.text.split(',')) {
    const [key, ...rest] = word.split('=');
    const value = rest.join('=').trim();
    const name = key?.trim() ?? '';
    if (name === 'vnc') vnc.enabled = toBoolean(name, value, item.position);
    else if (name === 'vnclisten') setListen(vnc, value, item.position);
    else if (name === 'vncdisplay') vnc.display = toNumber(name, value, item.position);
    else if (name === 'vncpasswd') vnc.password = value;
    else if (name === 'keymap') vnc.keymap = value;
    else if (name === 'type') vnc.enabled = value === 'vnc';
    else if (name !== '' && name !== 'vncunused')
      reader.warn(item.position, `'${name}' in vfb has no effect here`);
  }
}

function readVnc(reader: Reader): Vnc {
  const vnc: Vnc = {
    enabled: true,
    listen: '127.0.0.1',
    display: null,
    password: '',
    keymap: undefined,
  };
  readVfb(reader, vnc);
  vnc.enabled = reader.boolean('vnc', vnc.enabled);
  if (reader.has('vnclisten'))
    setListen(vnc, reader.text('vnclisten', ''), reader.position('vnclisten'));
  vnc.display = reader.number('vncdisplay') ?? vnc.display;
  vnc.password = reader.text('vncpasswd', vnc.password);
  if (vnc.listen === '') vnc.listen = '127.0.0.1';
  return vnc;
}

function assemble(reader: Reader, options: ParseOptions): DomainConfig {
  if (!reader.has('name'))
    throw configError(
      reader.position('name'),
      'there is no \'name\'; every domain needs one: name = "guest"',
    );
  const action = (key: string, fallback: EndAction): EndAction => {
    const value = reader.text(key, fallback) as EndAction;
    if (value === 'rename-restart')
      reader.warn(
        reader.position(key),
        `'rename-restart' is carried out as 'restart' here: the ended domain is not kept`,
      );
    return value;
  };
  const vnc = readVnc(reader);
  const vcpus = reader.number('vcpus') ?? 1;
  if (vcpus > 1)
    reader.warn(
      reader.position('vcpus'),
      'the guest gets one virtual processor: more cannot run yet',
    );
  reader.text('type', 'hvm');
  reader.text('builder', 'hvm');
  return {
    name: reader.text('name', ''),
    uuid: reader.has('uuid') ? reader.text('uuid', '').toLowerCase() : options.newUuid(),
    type: 'hvm',
    memory: reader.number('memory') ?? 512,
    vcpus,
    kernel: reader.path('kernel'),
    ramdisk: reader.path('ramdisk'),
    root: reader.has('cmdline') ? '' : reader.text('root', ''),
    extra: reader.has('cmdline') ? reader.text('cmdline', '') : reader.text('extra', ''),
    disk: readDisks(reader),
    vif: readVifs(reader),
    boot: reader.text('boot', 'cd'),
    firmware: readFirmware(reader),
    vnc: vnc.enabled,
    vnclisten: vnc.listen,
    vncdisplay: vnc.display,
    vncpasswd: vnc.password,
    serial: reader.text('serial', 'pty') as DomainConfig['serial'],
    keymap: reader.text('keymap', vnc.keymap ?? 'en-us'),
    ...(reader.boolean('translate', true) ? {} : { translate: false }),
    ...(reader.boolean('install', false) ? { install: true } : {}),
    on_poweroff: action('on_poweroff', 'destroy'),
    on_reboot: action('on_reboot', 'restart'),
    on_crash: action('on_crash', 'destroy'),
  };
}

/** Reads an xl.cfg file. Throws a DomusError with file, line and column of the first fault. */
export function parseConfig(text: string, options: ParseOptions): ParsedConfig {
  const reader = new Reader(parseSettings(text, options.file), options);
  const config = assemble(reader, options);
  const result = domainConfigSchema.safeParse(config);
  if (result.success) return { config, warnings: reader.warnings };
  const issue = result.error.issues[0];
  const key = String(issue?.path[0] ?? '');
  throw new DomusError(
    'INVALID_CONFIG',
    `'${key}' ${issue?.message ?? 'is not valid'}`,
    reader.position(key),
  );
}
