import * as electron from 'electron';
import { DomusError, type AppInfo } from '../../../core/api';
import type { IpcServer } from '../ipc/server';
import type { MainWindow } from './window';

const { app, clipboard, nativeImage, shell } = electron;

/** The small services of the desktop that the page may use: clipboard, full screen, keyboard capture, app facts. */
export function serveDesktop(ipc: IpcServer, window: MainWindow, info: () => AppInfo): void {
  ipc.handle('app/info', () => info());
  ipc.handle('app/open-data-folder', async () => {
    const problem = await shell.openPath(info().dataFolder);
    if (problem !== '')
      throw new DomusError('INTERNAL', `The folder could not be opened: ${problem}.`);
    return null;
  });
  ipc.handle('clipboard/read', async () => {
    // A string in Electron 33, a promise since.
    const text = await clipboard.readText();
    return text;
  });
  ipc.handle('clipboard/write', async ({ text }) => {
    await clipboard.writeText(text);
    return null;
  });
  ipc.handle('clipboard/write-image', async ({ png }) => {
    await writeClipboardImage(png);
    return null;
  });
  ipc.handle('window/input-captured', ({ captured }) => {
    // While a guest has the keyboard, Ctrl+Q and its like are the guest's.
    window.current?.webContents.setIgnoreMenuShortcuts(captured);
    return null;
  });
  ipc.handle('window/full-screen', ({ on }) => {
    const current = window.current;
    current?.setFullScreen(on);
    if (process.platform !== 'darwin') current?.setMenuBarVisibility(!on);
    return null;
  });
}

export function appInfo(dataFolder: string, socket: AppInfo['socket']): AppInfo {
  return {
    version: app.getVersion(),
    electron: process.versions['electron'] ?? '',
    chrome: process.versions['chrome'] ?? '',
    node: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    dataFolder,
    socket,
  };
}

/** Electron 33 writes a NativeImage; since its clipboard is asynchronous, it is an item with a MIME type. */
async function writeClipboardImage(png: Uint8Array): Promise<void> {
  const image = nativeImage.createFromBuffer(Buffer.from(png));
  if (image.isEmpty()) throw new DomusError('INTERNAL', 'The screenshot is not a picture.');
  const older = clipboard as unknown as { writeImage?: (image: Electron.NativeImage) => void };
  if (older.writeImage !== undefined) {
    older.writeImage(image);
    return;
  }
  await clipboard.write([
    new electron.ClipboardItem({
      'image/png': new Blob([Uint8Array.from(png)], { type: 'image/png' }),
    }),
  ]);
}
