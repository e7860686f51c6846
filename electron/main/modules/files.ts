import { open, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { app, dialog, type FileFilter } from 'electron';
import { z } from 'zod';
import { DomusError, type FileKind, type PickedFile, type SaveKind } from '../../../core/api';
import type { IpcServer } from '../ipc/server';
import { readJson, writeJson } from './state-file';
import type { MainWindow } from './window';

const MAX_RECENT = 6;
/** A configuration is a page of text; a larger file is not one. */
const MAX_CONFIG_BYTES = 1 << 20;

/** ISO 9660 (ECMA-119) 8.1: volume descriptors start at sector 16; 8.1.2: standard identifier `CD001` at byte 1. */
const ISO_IDENTIFIER_OFFSET = 16 * 2048 + 1;

const FILTERS: Record<FileKind, { title: string; filters: FileFilter[] }> = {
  iso: { title: 'Choose an ISO image', filters: [{ name: 'ISO images', extensions: ['iso'] }] },
  disk: {
    title: 'Choose a disk image',
    filters: [
      {
        name: 'Disk images',
        extensions: ['img', 'raw', 'bin', 'qcow2', 'vhd', 'vpc', 'vmdk', 'vdi'],
      },
    ],
  },
  kernel: { title: 'Choose a Linux kernel (bzImage)', filters: [] },
  ramdisk: { title: 'Choose an initial RAM disk', filters: [] },
  firmware: {
    title: 'Choose a firmware ROM',
    filters: [{ name: 'ROM images', extensions: ['bin', 'rom', 'fd'] }],
  },
  config: {
    title: 'Import a configuration',
    filters: [{ name: 'xl configurations', extensions: ['cfg', 'xl', 'conf'] }],
  },
  folder: { title: 'Choose a folder with images', filters: [] },
};

const SAVES: Record<SaveKind, { title: string; filter: FileFilter }> = {
  screenshot: { title: 'Save screenshot', filter: { name: 'PNG image', extensions: ['png'] } },
  'serial-log': { title: 'Save serial log', filter: { name: 'Text', extensions: ['log', 'txt'] } },
  config: {
    title: 'Save configuration',
    filter: { name: 'xl configuration', extensions: ['cfg'] },
  },
  report: { title: 'Save report', filter: { name: 'Text', extensions: ['txt'] } },
};

const rememberedSchema = z.object({
  folders: z.record(z.string(), z.string()),
  isos: z.array(z.string()).max(MAX_RECENT),
});

/**
 * Which host files the window may name. The user's choice in one of main's dialogs is what grants a path; the window
 * cannot grant one itself. A dropped file is granted only after its own bytes show that it is an ISO image, so the
 * worst a broken page can reach by inventing drops is the reading of an ISO.
 */
export class Files {
  readonly #granted = new Set<string>();
  readonly #grantedFolders = new Set<string>();
  #remembered: z.infer<typeof rememberedSchema> = { folders: {}, isos: [] };
  readonly #path = join(app.getPath('userData'), 'files.json');

  constructor(private readonly window: MainWindow) {}

  async load(): Promise<void> {
    const stored = rememberedSchema.safeParse(await readJson(this.#path));
    if (stored.success) this.#remembered = stored.data;
    for (const iso of this.#remembered.isos) this.#granted.add(iso);
  }

  /** Paths that came from the toolstack itself (a suggestion, a stored configuration) are as good as chosen. */
  grant(paths: Iterable<string>): void {
    for (const path of paths) if (path !== '') this.#granted.add(path);
  }

  /** New files may be made in a folder that the toolstack proposed. */
  grantFolderOf(path: string): void {
    this.#grantedFolders.add(dirname(path));
  }

  /** Refuses a path that nobody chose. */
  check(paths: readonly string[]): void {
    for (const path of paths) {
      if (this.#granted.has(path)) continue;
      if (this.#grantedFolders.has(dirname(path)) && basename(path) !== '..') continue;
      throw new DomusError(
        'IMAGE_UNREADABLE',
        `The file “${path}” was not chosen in this app. Choose it with Browse.`,
      );
    }
  }

  serve(ipc: IpcServer): void {
    ipc.handle('file/pick', ({ kind }) => this.#pick(kind));
    ipc.handle('file/new', ({ name }) => this.#newCapture(name));
    ipc.handle('file/dropped', ({ path }) => this.#dropped(path));
    ipc.handle('file/recent', () => this.#recent());
    ipc.handle('file/read-config', ({ path }) => this.#readConfig(path));
    ipc.handle('file/approve', ({ paths }) => this.#approve(paths));
    ipc.handle('file/save', ({ kind, name, data }) => this.#save(kind, name, data));
  }

  async #pick(kind: FileKind): Promise<PickedFile | null> {
    const { title, filters } = FILTERS[kind];
    const folder = this.#remembered.folders[kind];
    const options = {
      title,
      properties: [kind === 'folder' ? ('openDirectory' as const) : ('openFile' as const)],
      filters: kind === 'folder' ? [] : [...filters, { name: 'All files', extensions: ['*'] }],
      ...(folder === undefined ? {} : { defaultPath: folder }),
    };
    const window = this.window.current;
    const { canceled, filePaths } = await (window === null
      ? dialog.showOpenDialog(options)
      : dialog.showOpenDialog(window, options));
    const path = filePaths[0];
    if (canceled || path === undefined) return null;
    const picked = await describe(path, kind === 'folder');
    this.#granted.add(picked.path);
    await this.#remember(kind, picked.path);
    return picked;
  }

  async #dropped(path: string): Promise<PickedFile> {
    const picked = await describe(path);
    if (!(await isIso(picked.path))) {
      throw new DomusError(
        'IMAGE_BAD',
        `“${picked.name}” is not an ISO image. Drop the .iso file of an installer, or use New and browse for a disk.`,
      );
    }
    this.#granted.add(picked.path);
    await this.#remember('iso', picked.path);
    return picked;
  }

  async #recent(): Promise<PickedFile[]> {
    const found = await Promise.all(
      this.#remembered.isos.map((path) => describe(path).catch(() => null)),
    );
    return found.filter((file): file is PickedFile => file !== null);
  }

  async #readConfig(path: string): Promise<string> {
    this.check([path]);
    const { size } = await stat(path);
    if (size > MAX_CONFIG_BYTES) {
      throw new DomusError(
        'INVALID_CONFIG',
        `“${basename(path)}” is too large to be a configuration file.`,
      );
    }
    return readFile(path, 'utf8');
  }

  async #approve(paths: readonly string[]): Promise<boolean> {
    const unknown = [...new Set(paths)].filter((path) => path !== '' && !this.#granted.has(path));
    if (unknown.length === 0) return true;
    const options = {
      type: 'question' as const,
      title: 'Domus',
      message: 'Let this virtual machine use these files?',
      detail: unknown.join('\n'),
      buttons: ['Allow', 'Cancel'],
      defaultId: 1,
      cancelId: 1,
    };
    const window = this.window.current;
    const { response } = await (window === null
      ? dialog.showMessageBox(options)
      : dialog.showMessageBox(window, options));
    if (response !== 0) return false;
    this.grant(unknown);
    return true;
  }

  async #save(kind: SaveKind, name: string, data: Uint8Array): Promise<string | null> {
    const { title, filter } = SAVES[kind];
    const folder =
      this.#remembered.folders[kind] ??
      app.getPath(kind === 'screenshot' ? 'pictures' : 'documents');
    const options = { title, defaultPath: join(folder, basename(name)), filters: [filter] };
    const window = this.window.current;
    const { canceled, filePath } = await (window === null
      ? dialog.showSaveDialog(options)
      : dialog.showSaveDialog(window, options));
    if (canceled || filePath === '') return null;
    try {
      await writeFile(filePath, data);
    } catch (error) {
      throw new DomusError(
        'IMAGE_UNREADABLE',
        `“${filePath}” could not be written: ${reason(error)}.`,
        undefined,
        {
          cause: error,
        },
      );
    }
    await this.#remember(kind, filePath);
    return filePath;
  }

  /** Where a capture goes. The dialog has asked about a file that is there; the capture itself only makes new ones. */
  async #newCapture(name: string): Promise<string | null> {
    const folder = this.#remembered.folders['capture'] ?? app.getPath('documents');
    const options = {
      title: 'Capture packets to',
      defaultPath: join(folder, basename(name)),
      filters: [{ name: 'Packet capture', extensions: ['pcapng'] }],
    };
    const window = this.window.current;
    const { canceled, filePath } = await (window === null
      ? dialog.showSaveDialog(options)
      : dialog.showSaveDialog(window, options));
    if (canceled || filePath === '') return null;
    await rm(filePath, { force: true });
    this.#granted.add(filePath);
    await this.#remember('capture', filePath);
    return filePath;
  }

  async #remember(kind: string, path: string): Promise<void> {
    const isos =
      kind === 'iso'
        ? [path, ...this.#remembered.isos.filter((iso) => iso !== path)]
        : this.#remembered.isos;
    this.#remembered = {
      folders: { ...this.#remembered.folders, [kind]: dirname(path) },
      isos: isos.slice(0, MAX_RECENT),
    };
    await writeJson(this.#path, this.#remembered).catch(() => undefined);
  }
}

async function describe(path: string, folder = false): Promise<PickedFile> {
  try {
    const real = await realpath(path);
    const info = await stat(real);
    if (folder ? !info.isDirectory() : !info.isFile())
      throw new DomusError(
        'IMAGE_BAD',
        `“${basename(path)}” is not a ${folder ? 'folder' : 'file'}.`,
      );
    return { path: real, name: basename(path), sizeBytes: info.size };
  } catch (error) {
    if (error instanceof DomusError) throw error;
    throw new DomusError(
      'IMAGE_UNREADABLE',
      `“${path}” cannot be opened: ${reason(error)}.`,
      undefined,
      { cause: error },
    );
  }
}

async function isIso(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const identifier = Buffer.alloc(5);
    const { bytesRead } = await file.read(identifier, 0, 5, ISO_IDENTIFIER_OFFSET);
    return bytesRead === 5 && identifier.toString('latin1') === 'CD001';
  } finally {
    await file.close();
  }
}

/** The system's reason in words, for the codes people meet. */
function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  switch (code) {
    case 'ENOENT':
      return 'it does not exist';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOSPC':
      return 'the disk is full';
    case 'EROFS':
      return 'the file system is read-only';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return code ?? (error instanceof Error ? error.message : 'unknown reason');
  }
}
