import { contextBridge, ipcRenderer, webUtils } from 'electron';
import {
  VNC_PORT,
  type DomusBridge,
  type IpcChannel,
  type IpcEventChannel,
  type IpcEvents,
  type IpcParams,
  type IpcResult,
  type Reply,
  type VncPortMessage,
} from '../../core/api';

function ask<C extends IpcChannel>(channel: C, params: IpcParams<C>): Promise<Reply<IpcResult<C>>> {
  return ipcRenderer.invoke(channel, params) as Promise<Reply<IpcResult<C>>>;
}

function listen<C extends IpcEventChannel>(
  channel: C,
  listener: (payload: IpcEvents[C]) => void,
): () => void {
  const wrapped = (_event: unknown, payload: IpcEvents[C]): void => listener(payload);
  ipcRenderer.on(channel, wrapped);
  return () => ipcRenderer.off(channel, wrapped);
}

const bridge: DomusBridge = {
  call: (command, params) => ask('toolstack/call', { command, params }) as never,
  onEvent: (listener) => listen('toolstack/event', listener),
  appInfo: () => ask('app/info', {}),
  openDataFolder: () => ask('app/open-data-folder', {}),
  preferences: () => ask('preferences/get', {}),
  setPreferences: (patch) => ask('preferences/set', patch),
  onPreferences: (listener) => listen('preferences/changed', listener),
  pickFile: (kind) => ask('file/pick', { kind }),
  newFile: (kind, name) => ask('file/new', { kind, name }),
  droppedIso: (file) => ask('file/dropped', { path: webUtils.getPathForFile(file as File) || ' ' }),
  recentIsos: () => ask('file/recent', {}),
  readConfigFile: (path) => ask('file/read-config', { path }),
  approvePaths: (paths) => ask('file/approve', { paths }),
  saveFile: (kind, name, data) => ask('file/save', { kind, name, data }),
  readClipboard: () => ask('clipboard/read', {}),
  writeClipboard: (text) => ask('clipboard/write', { text }),
  writeClipboardImage: (png) => ask('clipboard/write-image', { png }),
  connectVnc: (domain) => ask('vnc/open', { domain }),
  onMenu: (listener) => listen('menu/command', listener),
  setMenuContext: (context) => ask('menu/context', context),
  setInputCaptured: (captured) => ask('window/input-captured', { captured }),
  setFullScreen: (on) => ask('window/full-screen', { on }),
  onWindowState: (listener) => listen('window/state', listener),
  onQuitAsk: (listener) => listen('quit/ask', listener),
  onQuitProgress: (listener) => listen('quit/progress', listener),
  answerQuit: (answer) => ask('quit/answer', { answer }),
};

// A MessagePort cannot pass contextBridge; it goes to the page as a message of the window to itself.
ipcRenderer.on(VNC_PORT, (event, channel: string) => {
  const message: VncPortMessage = { type: VNC_PORT, channel };
  window.postMessage(message, window.location.origin, [...event.ports]);
});

contextBridge.exposeInMainWorld('domus', bridge);
