/** `domus install`: a new domain that installs a system, in the words of virt-install(1). */
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { AnswerFormat, DomainConfig, InstallSeed, ToolstackClient } from '../api';
import { domusPaths } from '../host-node';
import { answerFiles, answerFormatOf, answersSchema, defaultMac, formatConfig } from '../toolstack';
import type { CliCommand } from './commands';
import { attachConsole } from './console';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE, ExitError } from './errors';
import { answerOptions, diskOption, networkOptions } from './install-options';
import { waitForDomain, withToolstack } from './session';

type Flags = Readonly<Record<string, unknown>>;

function wrong(message: string): ExitError {
  return new ExitError(EXIT_USAGE, `domus install: ${message}`);
}

function text(flags: Flags, name: string): string | undefined {
  const value = flags[name];
  return typeof value === 'string' ? value : undefined;
}

function texts(flags: Flags, name: string): string[] {
  const value = flags[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function wholeNumber(flags: Flags, name: string): number | undefined {
  const value = text(flags, name);
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw wrong(`--${name} is a whole number, not '${value}'`);
  return Number(value);
}

/** The answer file a system's installer reads. */
function formatFor(osId: string, given: string | undefined): AnswerFormat {
  if (given === 'preseed' || given === 'kickstart' || given === 'cloud-init') return given;
  if (given !== undefined)
    throw wrong(`format is preseed, kickstart or cloud-init, not '${given}'`);
  const known = answerFormatOf(osId);
  if (known !== undefined) return known;
  throw wrong(
    'it is not known which answers this installer reads; say it: --unattended format=preseed,...',
  );
}

function seedOf(
  option: string,
  spec: string,
  config: DomainConfig,
  format: (given: string | undefined) => AnswerFormat,
): InstallSeed {
  const { answers, format: given } = answerOptions(option, spec, config.name);
  const checked = answersSchema.safeParse(answers);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw wrong(`${option}: ${String(issue?.path[0] ?? '')} ${issue?.message ?? 'is not valid'}`);
  }
  return answerFiles(format(given), answers, config.uuid);
}

/** `--initrd-inject FILE`: more files in the root of the ramdisk. */
function injected(paths: readonly string[]): InstallSeed | undefined {
  if (paths.length === 0) return undefined;
  const files = paths.map((path) => ({
    name: basename(path),
    text: readFileSync(resolve(path), 'utf8'),
  }));
  return { format: 'preseed', volumeId: 'INJECTED', files, commandLine: '' };
}

interface Plan {
  readonly config: DomainConfig;
  readonly createDiskBytes: Record<string, number>;
  readonly location: string | undefined;
  readonly seed: InstallSeed | undefined;
  readonly extra: string;
}

/** Everything the flags say, before anything is made. */
async function plan(client: ToolstackClient, flags: Flags): Promise<Plan> {
  const location = text(flags, 'location');
  const cdrom = text(flags, 'cdrom');
  const iso = location ?? cdrom;
  const suggestion = await client.call(
    'domain/suggest',
    iso === undefined ? {} : { iso: resolve(iso) },
  );
  const base = suggestion.config;
  const name = text(flags, 'name') ?? base.name;
  const disks = texts(flags, 'disk').map(diskOption);
  if (disks.length === 0) throw wrong('--disk is needed: --disk size=20');
  if (disks.length > 3) throw wrong('there is room for three disks beside the CD');
  const createDiskBytes: Record<string, number> = {};
  const hardDisks = disks.map((disk, index): DomainConfig['disk'][number] => {
    const vdev = ['hda', 'hdb', 'hdd'][index] ?? '';
    if (disk.sizeBytes !== undefined) createDiskBytes[vdev] = disk.sizeBytes;
    const number = index === 0 ? '' : `-${index + 1}`;
    const made = `${domusPaths().dataDir}/images/${name}${number}.${disk.format}`;
    const target = disk.path ?? made;
    return { vdev, target, format: disk.format, access: 'w', cdrom: false };
  });
  const config: DomainConfig = {
    ...base,
    name,
    memory: wholeNumber(flags, 'memory') ?? base.memory,
    vcpus: wholeNumber(flags, 'vcpus') ?? 1,
    disk: [...hardDisks, ...base.disk.filter((disk) => disk.cdrom)],
    vif: networkOptions(texts(flags, 'network'), base.uuid) ?? [
      ...base.vif.map((vif, index) => ({ ...vif, mac: defaultMac(base.uuid, index) })),
    ],
  };
  const unattended = text(flags, 'unattended');
  const cloudInit = text(flags, 'cloudInit');
  const inject = texts(flags, 'initrdInject');
  if ([unattended, cloudInit, inject[0]].filter((given) => given !== undefined).length > 1)
    throw wrong('--unattended, --cloud-init and --initrd-inject exclude each other');
  const osId = suggestion.report?.osId ?? '';
  const seed =
    unattended !== undefined
      ? seedOf('--unattended', unattended, config, (given) => formatFor(osId, given))
      : cloudInit !== undefined
        ? seedOf('--cloud-init', cloudInit, config, () => 'cloud-init')
        : injected(inject);
  return {
    config,
    createDiskBytes,
    location: location === undefined ? undefined : resolve(location),
    seed,
    extra: text(flags, 'extraArgs') ?? '',
  };
}

/** What would be done: the configuration, and the answer files as the installer will read them. */
function show({ config, seed }: Plan): number {
  process.stdout.write(formatConfig(config));
  for (const file of seed?.files ?? [])
    process.stdout.write(`\n# ----- ${file.name}\n${file.text}`);
  return EXIT_OK;
}

async function install(flags: Flags): Promise<number> {
  return withToolstack(async (client, ended) => {
    const wanted = await plan(client, flags);
    if (flags['dryRun'] === true) return show(wanted);
    const { config } = await client.call('domain/install', {
      config: wanted.config,
      createDiskBytes: wanted.createDiskBytes,
      extra: wanted.extra,
      ...(wanted.location === undefined ? {} : { location: wanted.location }),
      ...(wanted.seed ? { seed: wanted.seed } : {}),
    });
    const domain = await client.call('domain/start', { domain: config.uuid });
    process.stderr.write(`domus: ${config.name} is installing\n`);
    if (flags['autoconsole'] !== false) await attachConsole(client, domain, ended);
    return flags['wait'] === true ? wait(client, config) : EXIT_OK;
  });
}

/** Waits for the end of the installation: the system starts from its disk, or the domain is off. */
async function wait(
  client: ToolstackClient,
  { uuid, name, install: installs }: DomainConfig,
): Promise<number> {
  await waitForDomain(
    client,
    uuid,
    (domain) => (installs === true && domain.config.install !== true) || domain.domid === null,
  );
  const { config } = await client.call('domain/get', { domain: uuid });
  if (config.install !== true) return EXIT_OK;
  throw new ExitError(
    EXIT_FAILED,
    `domus: ${name} ended, and its disk has not become bootable: the installation is not finished`,
  );
}

export const INSTALL_COMMAND: CliCommand = {
  name: 'install',
  summary: 'Create a domain that installs a system, with the options of virt-install.',
  arguments: '',
  options: [
    ['-n, --name <name>', 'its name (default: by the system on the CD)'],
    ['--memory <MiB>', 'its memory'],
    ['--vcpus <number>', 'its virtual processors'],
    ['--disk <spec...>', 'size=GiB, path=FILE, format=qcow2|raw; may be repeated'],
    ['-c, --cdrom <iso>', 'start the CD as it is'],
    ['-l, --location <iso>', "start the CD's kernel and ramdisk directly"],
    ['-x, --extra-args <text>', 'more for the command line of that kernel'],
    ['--initrd-inject <file...>', 'put files into that ramdisk'],
    ['-w, --network <spec...>', 'network=NAME,model=...,mac=..., or none; may be repeated'],
    ['--unattended <spec>', 'answer the questions of the installer'],
    ['--cloud-init <spec>', 'answers for an image that has cloud-init in it'],
    ['--noautoconsole', 'do not attach to its console'],
    ['--wait', 'wait until the system is installed'],
    ['--dry-run', 'print the configuration and the answer files, make nothing'],
  ],
  help: `
--unattended and --cloud-init take: user-login=NAME, user-password-file=FILE, admin-password-file=FILE,
ssh-key=FILE, hostname=, full-name=, locale=, keyboard=, timezone=, packages=A+B, mirror=http://HOST/DIR,
proxy=http://HOST:PORT, format=preseed|kickstart. Passwords are read from the first line of a file and only
their hashes are kept.

When the system is installed and reboots, the domain starts from its disk and the CDs are ejected.
`,
  run: (_, flags) => install({ ...flags, autoconsole: flags['noautoconsole'] !== true }),
};
