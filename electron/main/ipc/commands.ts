import type { CommandName, DomainConfig, Params } from '../../../core/api';

function pathsOfConfig(config: DomainConfig): string[] {
  return [
    config.kernel,
    config.ramdisk,
    config.firmware,
    ...config.disk.map((disk) => disk.target),
  ];
}

const none = (): string[] => [];

/**
 * The host files that each command would have the toolstack open, create or remove. A command of core/api that has no
 * row here does not compile: somebody has to say which paths the window hands over with it. The parameters themselves
 * are checked by the toolstack's own schema for the command, after this.
 */
export const COMMAND_PATHS: { [C in CommandName]: (params: Params<C>) => string[] } = {
  'host/info': none,
  'domain/list': none,
  'domain/get': none,
  'domain/define': ({ config }) => pathsOfConfig(config),
  'domain/install': ({ config, location }) => [...pathsOfConfig(config), location ?? ''],
  'install/hashPassword': none,
  'install/answers': none,
  'domain/redefine': ({ config }) => pathsOfConfig(config),
  'domain/start': none,
  'domain/pause': none,
  'domain/unpause': none,
  'domain/shutdown': none,
  'domain/reboot': none,
  'domain/reset': none,
  'domain/destroy': none,
  'domain/delete': ({ deleteDisks }) => deleteDisks ?? [],
  'trash/list': none,
  'trash/restore': none,
  'trash/delete': none,
  'trash/empty': none,
  'domain/screenshot': none,
  'domain/sendKeys': none,
  'domain/typeText': none,
  'console/history': none,
  'console/write': none,
  // The file's name is for messages; nothing is opened.
  'config/parse': none,
  'config/format': none,
  'iso/inspect': ({ path }) => [path],
  'domain/suggest': ({ iso }) => (iso === undefined ? [] : [iso]),
  'network/list': none,
  'network/define': ({ network }) => [network.boot?.folder ?? ''],
  'network/delete': none,
  'domain/networks': none,
  'domain/performance': none,
  'domain/setLink': none,
  'domain/cdInsert': ({ path }) => [path],
  'domain/cdEject': none,
  'domain/capture': ({ path }) => [path],
  'storage/list': none,
  'storage/addFolder': ({ path }) => [path],
  'storage/removeFolder': none,
  'image/grow': ({ path }) => [path],
  'image/compact': ({ path }) => [path],
  'image/check': ({ path }) => [path],
  'image/delete': ({ path }) => [path],
  'task/cancel': none,
};

export function isCommand(command: string): command is CommandName {
  return Object.hasOwn(COMMAND_PATHS, command);
}

/** Paths in parameters that may be anything; `null` when they are not even shaped like the command's. */
export function pathsIn<C extends CommandName>(command: C, params: unknown): string[] | null {
  try {
    const paths: unknown[] = COMMAND_PATHS[command](params as Params<C>);
    return paths.every((path) => typeof path === 'string')
      ? paths.filter((path) => path !== '')
      : null;
  } catch {
    return null;
  }
}
