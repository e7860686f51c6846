import { join } from 'node:path';
import { app, BrowserWindow, nativeTheme, screen, type Rectangle } from 'electron';
import { z } from 'zod';
import type { IpcEventChannel, IpcEvents } from '../../../core/api';
import { APP_ORIGIN } from './origin';
import { readJson, writeJson } from './state-file';

const DEFAULT_SIZE = { width: 1180, height: 760 };
const MINIMUM_SIZE = { width: 760, height: 480 };

const stateSchema = z.object({
  x: z.number(),
  y: z.number(),
  width: z.number().min(MINIMUM_SIZE.width).max(16_384),
  height: z.number().min(MINIMUM_SIZE.height).max(16_384),
  maximized: z.boolean(),
});
type WindowState = z.infer<typeof stateSchema>;

/** The main window: there is one, it opens where it was left, and closing it stops no virtual machine. */
export class MainWindow {
  #window: BrowserWindow | null = null;
  readonly #statePath = join(app.getPath('userData'), 'window.json');

  constructor(
    private readonly options: {
      preload: string;
      /** Called when the close button is pressed; `true` lets the window go. */
      mayClose: () => boolean;
    },
  ) {}

  get current(): BrowserWindow | null {
    return this.#window !== null && !this.#window.isDestroyed() ? this.#window : null;
  }

  /** Opens the window, or brings it to the front. */
  async show(): Promise<void> {
    const existing = this.current;
    if (existing !== null) {
      if (existing.isMinimized()) existing.restore();
      existing.show();
      existing.focus();
      return;
    }
    const parsed = stateSchema.safeParse(await readJson(this.#statePath));
    const state = parsed.success && isOnScreen(parsed.data) ? parsed.data : null;
    const window = new BrowserWindow({
      ...(state === null
        ? DEFAULT_SIZE
        : { x: state.x, y: state.y, width: state.width, height: state.height }),
      minWidth: MINIMUM_SIZE.width,
      minHeight: MINIMUM_SIZE.height,
      title: 'Domus',
      show: false,
      backgroundColor: nativeTheme.shouldUseDarkColors ? '#16181d' : '#ffffff',
      webPreferences: {
        preload: this.options.preload,
        sandbox: true,
        contextIsolation: true,
        nodeIntegration: false,
        webSecurity: true,
        webviewTag: false,
        spellcheck: false,
        navigateOnDragDrop: false,
        safeDialogs: true,
      },
    });
    this.#window = window;
    if (state?.maximized === true) window.maximize();
    this.#watch(window);
    await window.loadURL(`${APP_ORIGIN}/`);
    if (!window.isDestroyed()) window.show();
  }

  /** Tells the page something; dropped when there is no page. */
  send<C extends IpcEventChannel>(channel: C, payload: IpcEvents[C]): void {
    const contents = this.current?.webContents;
    if (contents !== undefined && !contents.isDestroyed() && !contents.isCrashed())
      contents.send(channel, payload);
  }

  #watch(window: BrowserWindow): void {
    let timer: NodeJS.Timeout | null = null;
    const remember = (): void => {
      if (timer !== null) clearTimeout(timer);
      timer = setTimeout(() => void this.#save(window), 400);
    };
    const tell = (): void =>
      this.send('window/state', { fullScreen: window.isFullScreen(), focused: window.isFocused() });
    window.on('resize', remember);
    window.on('move', remember);
    window.on('maximize', remember);
    window.on('unmaximize', remember);
    window.on('enter-full-screen', tell);
    window.on('leave-full-screen', tell);
    window.on('focus', tell);
    window.on('blur', tell);
    window.on('page-title-updated', (event) => event.preventDefault());
    window.on('close', (event) => {
      if (!this.options.mayClose()) event.preventDefault();
    });
    // A page that died holds no state of any virtual machine: it is loaded again, and finds them as they are.
    window.webContents.on('render-process-gone', (_event, details) => {
      if (details.reason !== 'clean-exit' && !window.isDestroyed()) window.webContents.reload();
    });
  }

  async #save(window: BrowserWindow): Promise<void> {
    if (window.isDestroyed() || window.isMinimized() || window.isFullScreen()) return;
    const bounds: Rectangle = window.getNormalBounds();
    const state: WindowState = { ...bounds, maximized: window.isMaximized() };
    await writeJson(this.#statePath, state).catch(() => undefined);
  }
}

/** A window that a removed monitor would hide is not restored there. */
function isOnScreen(state: WindowState): boolean {
  const area = screen.getDisplayMatching(state).workArea;
  const overlapX = Math.min(state.x + state.width, area.x + area.width) - Math.max(state.x, area.x);
  const overlapY =
    Math.min(state.y + state.height, area.y + area.height) - Math.max(state.y, area.y);
  return overlapX >= 120 && overlapY >= 80;
}
