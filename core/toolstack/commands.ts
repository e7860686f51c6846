/** Every command of core/api as a row: its parameters and what it does. One row and its function add a command. */
import { z } from 'zod';
import {
  DomusError,
  VDEVS,
  type CommandName,
  type DomainConfig,
  type Params,
  type Result,
} from '../api';
import { inspectIso, MAX_DISK_BYTES, SECTOR_BYTES } from '../storage';
import { domainConfigSchema, formatConfig, networkSchema, parseConfig } from './config';
import { diskSchema, UUID_PATTERN } from './config/schema';
import { defineDomain, deleteDomain, installDomain, setLink } from './domain-acts';
import { ANSWER_FORMATS, answerFiles, answersSchema, seedSchema } from './install';
import { changeMedium } from './media';
import { withNewDisks } from './new-disks';
import { isAbsolutePath } from './paths';
import { suggestConfig } from './suggest';
import type { TaskControl } from './tasks';
import type { Toolstack } from './toolstack';

/** What a command knows of who calls it. */
export interface Caller {
  readonly toolstack: Toolstack;
  /** From now on this client gets the console events of a domain. */
  watchConsole(uuid: string): void;
}

interface Row<C extends CommandName> {
  readonly name: C;
  readonly params: z.ZodType<Params<C>>;
  readonly run: (params: Params<C>, caller: Caller) => Promise<Result<C>> | Result<C>;
}

type AnyRow = { [C in CommandName]: Row<C> }[CommandName];

/** Longest text parameters: a configuration file, typed text, bytes to the console in base64. */
const MAX_CONFIG_TEXT = 1 << 20;
const MAX_TYPED_TEXT = 16384;
const MAX_CONSOLE_WRITE = 256 << 10;
const MAX_SCANCODES = 1024;
const MAX_COMMAND_LINE = 2047;
const MAX_PASSWORD = 256;

const none = z.strictObject({});
const domainKey = z.string().min(1).max(128);
const one = z.strictObject({ domain: domainKey });
const inTrash = z.strictObject({ entry: domainKey });
const absolutePath = z
  .string()
  .max(4096)
  .refine((path) => isAbsolutePath(path) && !path.includes('\0'), 'must be an absolute path');
const base64 = z
  .string()
  .max(MAX_CONSOLE_WRITE)
  .regex(/^[A-Za-z0-9+/]*={0,2}$/, 'must be base64');
const diskBytes = z
  .int()
  .min(SECTOR_BYTES)
  .max(MAX_DISK_BYTES)
  .refine((bytes) => bytes % SECTOR_BYTES === 0, 'must be a multiple of 512');
const atPath = z.strictObject({ path: absolutePath });
const imageName = { path: absolutePath, format: diskSchema.shape.format };
const newDisks = z.partialRecord(z.enum(VDEVS), diskBytes).optional();

function row<C extends CommandName>(
  name: C,
  params: z.ZodType<Params<C>>,
  run: Row<C>['run'],
): Row<C> {
  return { name, params, run };
}

const ROWS: readonly AnyRow[] = [
  row('host/info', none, (_, { toolstack }) => toolstack.hostInfo),
  row('domain/list', none, (_, { toolstack }) => toolstack.list()),
  row('domain/get', one, ({ domain }, { toolstack }) => toolstack.find(domain).info),
  row(
    'domain/define',
    z.strictObject({
      config: domainConfigSchema,
      createDiskBytes: newDisks,
    }) as unknown as z.ZodType<Params<'domain/define'>>,
    defineDomain,
  ),
  row(
    'domain/install',
    z.strictObject({
      config: domainConfigSchema,
      createDiskBytes: newDisks,
      location: absolutePath.optional(),
      seed: seedSchema.optional(),
      extra: z
        .string()
        .max(MAX_COMMAND_LINE)
        .regex(/^[^\0\r\n]*$/)
        .optional(),
    }) as unknown as z.ZodType<Params<'domain/install'>>,
    installDomain,
  ),
  row(
    'install/hashPassword',
    z.strictObject({ password: z.string().min(1).max(MAX_PASSWORD) }),
    ({ password }, { toolstack }) => ({
      hash: toolstack.options.host.system.hashPassword(password),
    }),
  ),
  row(
    'install/answers',
    z.strictObject({
      format: z.enum(ANSWER_FORMATS),
      answers: answersSchema,
      instanceId: z.string().regex(UUID_PATTERN),
    }),
    ({ format, answers, instanceId }) => answerFiles(format, answers, instanceId),
  ),
  row(
    'domain/redefine',
    z.strictObject({
      domain: domainKey,
      config: domainConfigSchema,
      createDiskBytes: newDisks,
    }) as unknown as z.ZodType<Params<'domain/redefine'>>,
    ({ domain, config, createDiskBytes }, { toolstack }) => {
      const { files } = toolstack.options.host;
      return withNewDisks(files, config, createDiskBytes, () =>
        toolstack.redefine(toolstack.find(domain), config),
      );
    },
  ),
  row(
    'domain/start',
    z.strictObject({ domain: domainKey, paused: z.boolean().optional() }) as z.ZodType<
      Params<'domain/start'>
    >,
    start,
  ),
  row('domain/pause', one, (params, caller) => act(params, caller, (domain) => domain.pause())),
  row('domain/unpause', one, (params, caller) => act(params, caller, (domain) => domain.unpause())),
  row('domain/shutdown', one, (params, caller) =>
    act(params, caller, (domain) => domain.shutdown()),
  ),
  row('domain/reboot', one, (params, caller) => act(params, caller, (domain) => domain.reboot())),
  row('domain/reset', one, (params, caller) => act(params, caller, (domain) => domain.reset())),
  row('domain/destroy', one, (params, caller) => act(params, caller, (domain) => domain.destroy())),
  row(
    'domain/delete',
    z.strictObject({
      domain: domainKey,
      deleteDisks: z.array(absolutePath).max(VDEVS.length).optional(),
      forGood: z.boolean().optional(),
    }) as unknown as z.ZodType<Params<'domain/delete'>>,
    deleteDomain,
  ),
  row('trash/list', none, (_, { toolstack }) => toolstack.trash.list()),
  row(
    'trash/restore',
    z.strictObject({
      entry: domainKey,
      name: domainConfigSchema.shape.name.optional(),
    }) as unknown as z.ZodType<Params<'trash/restore'>>,
    ({ entry, name }, { toolstack }) => toolstack.trash.restore(entry, name),
  ),
  row('trash/delete', inTrash, ({ entry }, { toolstack }) => toolstack.trash.purge(entry)),
  row('trash/empty', none, (_, { toolstack }) => toolstack.trash.empty()),
  row('domain/screenshot', one, ({ domain }, { toolstack }) => toolstack.find(domain).screenshot()),
  row(
    'domain/sendKeys',
    z.strictObject({
      domain: domainKey,
      scancodes: z.array(z.int().min(-0xffff).max(0xffff)).max(MAX_SCANCODES),
    }),
    async ({ domain, scancodes }, { toolstack }) => {
      await toolstack.find(domain).sendKeys(scancodes);
      return null;
    },
  ),
  row(
    'domain/typeText',
    z.strictObject({ domain: domainKey, text: z.string().max(MAX_TYPED_TEXT) }),
    ({ domain, text }, { toolstack }) => toolstack.find(domain).typeText(text),
  ),
  row('console/history', one, ({ domain }, caller) => {
    const found = caller.toolstack.find(domain);
    caller.watchConsole(found.config.uuid);
    return found.consoleHistory();
  }),
  row(
    'console/write',
    z.strictObject({ domain: domainKey, data: base64 }),
    async ({ domain, data }, { toolstack }) => {
      await toolstack.find(domain).consoleWrite(data);
      return null;
    },
  ),
  row(
    'config/parse',
    z.strictObject({
      text: z.string().max(MAX_CONFIG_TEXT),
      file: absolutePath.optional(),
    }) as z.ZodType<Params<'config/parse'>>,
    parse,
  ),
  row('config/format', z.strictObject({ config: domainConfigSchema }), ({ config }) => ({
    text: formatConfig(config),
  })),
  row('iso/inspect', atPath, ({ path }, { toolstack }) =>
    inspectIso(toolstack.options.host.files, path),
  ),
  row(
    'domain/suggest',
    z.strictObject({ iso: absolutePath.optional() }) as z.ZodType<Params<'domain/suggest'>>,
    ({ iso }, { toolstack }) => suggestConfig(toolstack, iso),
  ),
  row('network/list', none, (_, { toolstack }) => toolstack.networks.list),
  row('network/define', z.strictObject({ network: networkSchema }), ({ network }, { toolstack }) =>
    toolstack.networks.define(network),
  ),
  row(
    'network/delete',
    z.strictObject({ network: z.string().max(64) }),
    async ({ network }, { toolstack }) => {
      await toolstack.networks.remove(network);
      return null;
    },
  ),
  row('domain/networks', one, ({ domain }, { toolstack }) => toolstack.find(domain).networkList()),
  row('domain/performance', one, ({ domain }, { toolstack }) =>
    toolstack.find(domain).performance(),
  ),
  row(
    'domain/setLink',
    z.strictObject({ domain: domainKey, devid: z.int().min(0).max(63), up: z.boolean() }),
    setLink,
  ),
  row(
    'domain/cdInsert',
    z.strictObject({
      domain: domainKey,
      vdev: z.enum(VDEVS),
      path: absolutePath,
      force: z.boolean().optional(),
    }) as unknown as z.ZodType<Params<'domain/cdInsert'>>,
    ({ domain, vdev, path, force }, { toolstack }) =>
      changeMedium(toolstack, toolstack.find(domain), vdev, path, force === true),
  ),
  row(
    'domain/cdEject',
    z.strictObject({
      domain: domainKey,
      vdev: z.enum(VDEVS),
      force: z.boolean().optional(),
    }) as unknown as z.ZodType<Params<'domain/cdEject'>>,
    ({ domain, vdev, force }, { toolstack }) =>
      changeMedium(toolstack, toolstack.find(domain), vdev, '', force === true),
  ),
  row(
    'domain/capture',
    z.strictObject({
      domain: domainKey,
      devid: z.int().min(0).max(63),
      path: z.union([z.literal(''), absolutePath]),
    }),
    async ({ domain, devid, path }, { toolstack }) => {
      await toolstack.find(domain).networkCapture(devid, path);
      return null;
    },
  ),
  row('storage/list', none, (_, { toolstack }) => toolstack.storage.list()),
  row('storage/addFolder', atPath, async ({ path }, { toolstack }) => {
    await toolstack.storage.addFolder(path);
    return null;
  }),
  row('storage/removeFolder', atPath, async ({ path }, { toolstack }) => {
    await toolstack.storage.removeFolder(path);
    return null;
  }),
  row(
    'image/grow',
    z.strictObject({ ...imageName, sizeBytes: diskBytes }),
    (params, { toolstack }) =>
      imageTask(toolstack, 'Enlarge', params, async () => {
        await toolstack.storage.grow(params, params.sizeBytes);
        return null;
      }),
  ),
  row('image/compact', z.strictObject(imageName), (params, { toolstack }) =>
    imageTask(toolstack, 'Compact', params, (control) =>
      toolstack.storage.compact(params, control),
    ),
  ),
  row(
    'image/check',
    z.strictObject({ ...imageName, repair: z.boolean().optional() }) as unknown as z.ZodType<
      Params<'image/check'>
    >,
    (params, { toolstack }) =>
      imageTask(toolstack, params.repair ? 'Repair' : 'Check', params, () =>
        toolstack.storage.check(params, params.repair === true),
      ),
  ),
  row('image/delete', atPath, (params, { toolstack }) =>
    imageTask(toolstack, 'Delete', params, () => toolstack.storage.remove(params.path)),
  ),
  row('task/cancel', z.strictObject({ task: z.int() }), ({ task }, { toolstack }) => {
    if (!toolstack.tasks.cancel(task))
      throw new DomusError('BAD_STATE', `task ${task} is not running or cannot be cancelled`);
    return null;
  }),
];

const BY_NAME = new Map<string, AnyRow>(ROWS.map((entry) => [entry.name, entry]));

/** Acts that show up in the Tasks pane, with their titles. */
const TITLES: { readonly [C in CommandName]?: string } = {
  'domain/define': 'Create',
  'domain/install': 'Create',
  'domain/start': 'Start',
  'domain/pause': 'Pause',
  'domain/unpause': 'Resume',
  'domain/shutdown': 'Shut down',
  'domain/reboot': 'Reboot',
  'domain/reset': 'Reset',
  'domain/destroy': 'Force off',
  'domain/delete': 'Delete',
  'domain/cdInsert': 'Insert a CD into',
  'domain/cdEject': 'Eject the CD of',
  'domain/redefine': 'Change settings',
};

/** Checks the parameters of a command and runs it. Expected failures are DomusErrors. */
export async function runCommand(name: string, params: unknown, caller: Caller): Promise<unknown> {
  const command = BY_NAME.get(name);
  if (!command)
    throw new DomusError('INTERNAL', `there is no command ${JSON.stringify(name.slice(0, 64))}`);
  const checked = command.params.safeParse(params);
  if (!checked.success) {
    const issue = checked.error.issues[0];
    throw new DomusError(
      'INVALID_CONFIG',
      `${name}: ${issue && issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ` : ''}${issue?.message ?? 'the parameters are not valid'}`,
    );
  }
  const run = command.run as (params: unknown, caller: Caller) => unknown;
  const title = TITLES[command.name];
  if (title === undefined) return run(checked.data, caller);
  const { domainName, uuid } = subject(checked.data, caller.toolstack);
  return caller.toolstack.tasks.run(`${title} ${domainName}`, uuid, async () =>
    run(checked.data, caller),
  );
}

/** Work on an image as a task with its name. */
function imageTask<T>(
  toolstack: Toolstack,
  title: string,
  { path }: { path: string },
  work: (control: TaskControl) => Promise<T>,
): Promise<T> {
  return toolstack.tasks.run(`${title} ${path.slice(path.lastIndexOf('/') + 1)}`, null, work);
}

/** Whom a task is about. */
function subject(
  params: unknown,
  toolstack: Toolstack,
): { domainName: string; uuid: string | null } {
  if (typeof params === 'object' && params !== null) {
    if ('domain' in params && typeof params.domain === 'string') {
      const { config } = toolstack.find(params.domain);
      return { domainName: config.name, uuid: config.uuid };
    }
    if ('config' in params) {
      const { name, uuid } = params.config as DomainConfig;
      return { domainName: name, uuid };
    }
  }
  return { domainName: '', uuid: null };
}

async function act(
  { domain }: { domain: string },
  { toolstack }: Caller,
  what: (domain: ReturnType<Toolstack['find']>) => Promise<void>,
): Promise<Result<'domain/get'>> {
  const found = toolstack.find(domain);
  await what(found);
  return found.info;
}

function start(
  { domain, paused }: Params<'domain/start'>,
  { toolstack }: Caller,
): Promise<Result<'domain/start'>> {
  return toolstack.start(toolstack.find(domain), paused === true);
}

function parse(
  { text, file }: Params<'config/parse'>,
  { toolstack }: Caller,
): Result<'config/parse'> {
  const directory =
    file === undefined
      ? toolstack.options.dataDir
      : file.slice(0, Math.max(1, file.lastIndexOf('/')));
  return parseConfig(text, {
    file: file ?? 'the configuration',
    directory,
    newUuid: () => toolstack.options.host.system.uuid(),
  });
}
