import type { CommandName, Params, Result, ToolstackEvent } from './commands';
import type { DomainState } from './domain';
import type { ErrorCode, SourcePosition } from './errors';

/** An error as it crosses from main to the renderer: plain data, never a stack, never markup. */
export interface IpcError {
  code: ErrorCode;
  message: string;
  position?: SourcePosition;
}

/** What every request is answered with; errors are values because Electron would flatten thrown ones. */
export type Reply<T> = { ok: true; value: T } | { ok: false; error: IpcError };

/** What a file chosen by the user is for; main decides from it which files it offers. */
export type FileKind = 'iso' | 'disk' | 'kernel' | 'ramdisk' | 'firmware' | 'config' | 'folder';

/** What the renderer asks main to save under a name the user then chooses. */
export type SaveKind = 'screenshot' | 'serial-log' | 'config' | 'report';

/** What the renderer asks main for a new file's name for; whoever is told of it writes it. */
export type NewFileKind = 'capture';

/**
 * A file the user chose. The path is for showing and for naming the file in commands; its power comes from main
 * having recorded the choice, so a path that was never chosen is refused wherever it appears.
 */
export interface PickedFile {
  path: string;
  name: string;
  sizeBytes: number;
}

export type ThemeChoice = 'system' | 'light' | 'dark';
export type ConsoleScale = 'fit' | 'actual';
/** The key that gives the keyboard back to the app, as `KeyboardEvent.code`. */
export type HostKey = 'ControlRight' | 'AltRight' | 'ShiftRight' | 'ScrollLock' | 'Pause';

/** What a person sets once; main keeps it in one file and tells every window of a change. */
export interface Preferences {
  theme: ThemeChoice;
  /** Ask before these acts. Defaults are virt-manager's: on for force off, off for the polite ones. */
  confirmForceOff: boolean;
  confirmReset: boolean;
  confirmShutDown: boolean;
  consoleScale: ConsoleScale;
  hostKey: HostKey;
  /** `keymap=` of new virtual machines. */
  keymap: string;
  openConsoleOnStart: boolean;
  serialFontSize: number;
  serialScrollback: number;
  showTasks: boolean;
  sidebarWidth: number;
  tasksHeight: number;
}

export const DEFAULT_PREFERENCES: Preferences = {
  theme: 'system',
  confirmForceOff: true,
  confirmReset: true,
  confirmShutDown: false,
  consoleScale: 'fit',
  hostKey: 'ControlRight',
  keymap: 'en-us',
  openConsoleOnStart: true,
  serialFontSize: 13,
  serialScrollback: 10_000,
  showTasks: true,
  sidebarWidth: 232,
  tasksHeight: 150,
};

export interface AppInfo {
  version: string;
  electron: string;
  chrome: string;
  node: string;
  platform: string;
  arch: string;
  /** Folder of configurations and disks, for the About box and bug reports. */
  dataFolder: string;
  /** The CLI socket when it is open, else why it is not. */
  socket: { path: string; problem: string | null };
}

/** What a menu item or its accelerator asks the window to do. */
export type MenuCommand =
  | 'new-vm'
  | 'import'
  | 'preferences'
  | 'quit'
  | 'view-overview'
  | 'view-console'
  | 'view-hardware'
  | 'view-serial'
  | 'view-performance'
  | 'view-host'
  | 'view-storage'
  | 'view-networks'
  | 'view-trash'
  | 'scale-fit'
  | 'scale-actual'
  | 'toggle-tasks'
  | 'full-screen'
  | 'start'
  | 'pause'
  | 'resume'
  | 'shut-down'
  | 'reboot'
  | 'reset'
  | 'force-off'
  | 'delete'
  | 'screenshot'
  | 'copy-screenshot'
  | 'type-clipboard'
  | `send-key:${string}`
  | 'start-all'
  | 'shut-down-all'
  | 'find'
  | 'shortcuts'
  | 'problems'
  | 'about';

/** What the menu bar needs to know to enable the right items. */
export interface MenuContext {
  /** State of the selected virtual machine; null when the host is selected or a dialog is open. */
  state: DomainState | null;
  tab: 'overview' | 'console' | 'hardware' | 'serial' | 'performance' | null;
  scale: ConsoleScale;
  tasks: boolean;
  anyRunning: boolean;
  anyStartable: boolean;
}

export interface QuitRequest {
  /** Names of the virtual machines that run. */
  running: string[];
  /** True when the window's close button was pressed, which need not end the app. */
  closing: boolean;
}
export type QuitAnswer = 'shutdown' | 'force-off' | 'background' | 'cancel';

/** Requests from the window to main, as channel -> [parameters, result]. Each has a schema of the same name. */
export interface IpcRequests {
  'toolstack/call': [{ command: CommandName; params: unknown }, unknown];
  'app/info': [Record<string, never>, AppInfo];
  'app/open-data-folder': [Record<string, never>, null];
  'preferences/get': [Record<string, never>, Preferences];
  'preferences/set': [Partial<Preferences>, Preferences];
  'file/pick': [{ kind: FileKind }, PickedFile | null];
  'file/new': [{ kind: NewFileKind; name: string }, string | null];
  'file/dropped': [{ path: string }, PickedFile];
  'file/recent': [Record<string, never>, PickedFile[]];
  'file/read-config': [{ path: string }, string];
  'file/approve': [{ paths: string[] }, boolean];
  'file/save': [{ kind: SaveKind; name: string; data: Uint8Array }, string | null];
  'clipboard/read': [Record<string, never>, string];
  'clipboard/write': [{ text: string }, null];
  'clipboard/write-image': [{ png: Uint8Array }, null];
  'vnc/open': [{ domain: string }, { channel: string }];
  'menu/context': [MenuContext, null];
  'window/input-captured': [{ captured: boolean }, null];
  'window/full-screen': [{ on: boolean }, null];
  'quit/answer': [{ answer: QuitAnswer }, null];
}
export type IpcChannel = keyof IpcRequests;
export type IpcParams<C extends IpcChannel> = IpcRequests[C][0];
export type IpcResult<C extends IpcChannel> = IpcRequests[C][1];

/** What main tells the window, as channel -> payload. */
export interface IpcEvents {
  'toolstack/event': ToolstackEvent;
  'preferences/changed': Preferences;
  'menu/command': MenuCommand;
  'window/state': { fullScreen: boolean; focused: boolean };
  'quit/ask': QuitRequest;
  'quit/progress': { waiting: string[] };
}
export type IpcEventChannel = keyof IpcEvents;

/** Channel on which a MessagePort with RFB bytes is handed to the preload, and its window message's `type`. */
export const VNC_PORT = 'vnc/port';

/** What arrives in the page beside the MessagePort of one VNC connection. */
export interface VncPortMessage {
  type: typeof VNC_PORT;
  channel: string;
}

/**
 * What travels over that port. Towards the page: bytes, or why it ended. Towards main: bytes, or how many bytes
 * were taken since the last such note, so that a page that does not read stops the socket instead of filling memory.
 */
export type VncPortData = ArrayBuffer | { taken: number } | { closed: string };

/** The one object the preload gives the page (`window.domus`). */
export interface DomusBridge {
  call<C extends CommandName>(command: C, params: Params<C>): Promise<Reply<Result<C>>>;
  onEvent(listener: (event: ToolstackEvent) => void): () => void;
  appInfo(): Promise<Reply<AppInfo>>;
  openDataFolder(): Promise<Reply<null>>;
  preferences(): Promise<Reply<Preferences>>;
  setPreferences(patch: Partial<Preferences>): Promise<Reply<Preferences>>;
  onPreferences(listener: (preferences: Preferences) => void): () => void;
  pickFile(kind: FileKind): Promise<Reply<PickedFile | null>>;
  /** Lets the user choose where a new file goes that a command will write. */
  newFile(kind: NewFileKind, name: string): Promise<Reply<string | null>>;
  /** `file` is the `File` of a drop; its path is read in the preload and checked by main to be an ISO image. */
  droppedIso(file: unknown): Promise<Reply<PickedFile>>;
  recentIsos(): Promise<Reply<PickedFile[]>>;
  readConfigFile(path: string): Promise<Reply<string>>;
  /** Asks the user, in a dialog of main's, whether these paths may be used. */
  approvePaths(paths: string[]): Promise<Reply<boolean>>;
  saveFile(kind: SaveKind, name: string, data: Uint8Array): Promise<Reply<string | null>>;
  readClipboard(): Promise<Reply<string>>;
  writeClipboard(text: string): Promise<Reply<null>>;
  writeClipboardImage(png: Uint8Array): Promise<Reply<null>>;
  /** The port follows as a window message of type {@link VNC_PORT} with the same `channel`. */
  connectVnc(domain: string): Promise<Reply<{ channel: string }>>;
  onMenu(listener: (command: MenuCommand) => void): () => void;
  setMenuContext(context: MenuContext): Promise<Reply<null>>;
  setInputCaptured(captured: boolean): Promise<Reply<null>>;
  setFullScreen(on: boolean): Promise<Reply<null>>;
  onWindowState(listener: (state: IpcEvents['window/state']) => void): () => void;
  onQuitAsk(listener: (request: QuitRequest) => void): () => void;
  onQuitProgress(listener: (progress: IpcEvents['quit/progress']) => void): () => void;
  answerQuit(answer: QuitAnswer): Promise<Reply<null>>;
}
