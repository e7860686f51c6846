import { DomusError, type CommandName, type DomainInfo, type Params, type Result, type ToolstackClient } from '../../../core/api';
import { commandSchemas, pathsOf } from '../ipc/commands';
import type { IpcServer } from '../ipc/server';
import type { Files } from './files';
import type { MainWindow } from './window';

/** Commands of the window on their way to the toolstack: known by name, right in shape, naming only chosen files. */
export class ToolstackCalls {
  constructor(
    private readonly client: ToolstackClient,
    private readonly files: Files,
    private readonly window: MainWindow,
  ) {}

  serve(ipc: IpcServer): void {
    ipc.handle('toolstack/call', ({ command, params }) => this.#call(command, params));
    this.client.onEvent((event) => this.window.send('toolstack/event', event));
  }

  async #call(command: string, params: unknown): Promise<unknown> {
    if (!isCommand(command)) throw new DomusError('INTERNAL', `There is no command “${command.slice(0, 64)}”.`);
    const parsed = commandSchemas[command].safeParse(params);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const where = issue === undefined ? '' : ` (${issue.path.map(String).join('.')}: ${issue.message})`;
      throw new DomusError('INVALID_CONFIG', `The parameters of ${command} are malformed${where}.`);
    }
    await this.#allow(command, parsed.data);
    const result = await this.client.call(command, parsed.data as Params<typeof command>);
    if (command === 'domain/suggest') this.#trustSuggestion(result as Result<'domain/suggest'>);
    return result;
  }

  /** What is already stored in a configuration may be stored again; everything else must have been chosen. */
  async #allow(command: CommandName, params: unknown): Promise<void> {
    const paths = pathsOf(command, params);
    if (paths.length === 0) return;
    const domains = await this.client.call('domain/list', {});
    this.files.grant(domains.flatMap(pathsOfDomain));
    this.files.check(paths);
  }

  #trustSuggestion({ config }: Result<'domain/suggest'>): void {
    for (const disk of config.disk) if (disk.access === 'w' && disk.target !== '') this.files.grantFolderOf(disk.target);
  }
}

function isCommand(command: string): command is CommandName {
  return Object.hasOwn(commandSchemas, command);
}

function pathsOfDomain({ config }: DomainInfo): string[] {
  return [config.kernel, config.ramdisk, config.firmware, ...config.disk.map((disk) => disk.target)];
}
