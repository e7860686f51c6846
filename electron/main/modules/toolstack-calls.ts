import {
  DomusError,
  type CommandName,
  type Params,
  type Result,
  type ToolstackClient,
  type ToolstackEvent,
} from '../../../core/api';
import { COMMAND_PATHS, isCommand, pathsIn } from '../ipc/commands';
import type { IpcServer } from '../ipc/server';
import type { Files } from './files';
import type { MainWindow } from './window';

type Notice = Extract<ToolstackEvent, { type: 'notice' }>;

/** Notices kept for a window that is not there yet. */
const MAX_EARLY_NOTICES = 100;

/** Commands of the window on their way to the toolstack: known by name, naming only files that somebody chose. */
export class ToolstackCalls {
  /** What was to be told before a page could hear it, as broken definitions are; null once one does. */
  #early: Notice[] | null = [];

  constructor(
    private readonly client: ToolstackClient,
    private readonly files: Files,
    private readonly window: MainWindow,
  ) {}

  serve(ipc: IpcServer): void {
    ipc.handle('toolstack/call', ({ command, params }) => this.#call(command, params));
    this.client.onEvent((event) => {
      if (event.type === 'notice') this.notice(event);
      else this.window.send('toolstack/event', event);
    });
  }

  /** Tells the user something, as soon as there is a page. */
  notice(notice: Notice): void {
    if (this.#early === null) this.window.send('toolstack/event', notice);
    else if (this.#early.length < MAX_EARLY_NOTICES) this.#early.push(notice);
  }

  async #call(command: string, params: unknown): Promise<unknown> {
    if (!isCommand(command))
      throw new DomusError('INTERNAL', `There is no command “${command.slice(0, 64)}”.`);
    this.#tellEarly();
    await this.#allow(command, params);
    const result = await this.client.call(command, params as Params<typeof command>);
    if (command === 'storage/list')
      this.files.grant((result as Result<'storage/list'>).images.map(({ path }) => path));
    if (command === 'domain/suggest') this.#trustSuggestion(result as Result<'domain/suggest'>);
    return result;
  }

  /** A page listens before it asks for anything. */
  #tellEarly(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const notice of early) this.notice(notice);
  }

  /** What is already stored in a configuration may be stored again; everything else must have been chosen. */
  async #allow(command: CommandName, params: unknown): Promise<void> {
    const paths = pathsIn(command, params);
    if (paths === null)
      throw new DomusError('INVALID_CONFIG', `The parameters of ${command} are malformed.`);
    if (paths.length === 0) return;
    const domains = await this.client.call('domain/list', {});
    this.files.grant(domains.flatMap(({ config }) => COMMAND_PATHS['domain/define']({ config })));
    const networks = await this.client.call('network/list', {});
    this.files.grant(networks.flatMap((network) => COMMAND_PATHS['network/define']({ network })));
    this.files.check(paths);
  }

  /** The toolstack's own folder for new disks. */
  #trustSuggestion({ config }: Result<'domain/suggest'>): void {
    for (const disk of config.disk) {
      if (disk.access === 'w' && disk.target !== '') this.files.grantFolderOf(disk.target);
    }
  }
}
