import { ipcMain, type IpcMainInvokeEvent, type WebContents } from 'electron';
import {
  DomusError,
  type IpcChannel,
  type IpcError,
  type IpcParams,
  type IpcResult,
  type Reply,
} from '../../../core/api';
import { requestSchemas } from './schemas';

/** Requests a second that a window may make before it is told to slow down; the page itself stays far below. */
const MAX_REQUESTS_PER_SECOND = 600;

export type Handler<C extends IpcChannel> = (
  params: IpcParams<C>,
  event: IpcMainInvokeEvent,
) => Promise<IpcResult<C>> | IpcResult<C>;

/**
 * The only door from the window into main: a request is looked at only when it comes from the top frame of our own
 * window at our own origin, its parameters match the channel's schema and the window is not flooding us.
 */
export class IpcServer {
  #spent = 0;
  #windowStart = 0;

  constructor(
    private readonly origin: string,
    private readonly isOurs: (contents: WebContents) => boolean,
  ) {}

  handle<C extends IpcChannel>(channel: C, handler: Handler<C>): void {
    ipcMain.handle(channel, async (event, raw: unknown): Promise<Reply<IpcResult<C>>> => {
      const refusal = this.#refuse(event);
      if (refusal !== null) return { ok: false, error: { code: 'INTERNAL', message: refusal } };
      const parsed = requestSchemas[channel].safeParse(raw);
      if (!parsed.success) {
        const issue = parsed.error.issues[0];
        const where =
          issue === undefined ? '' : ` (${issue.path.map(String).join('.')}: ${issue.message})`;
        return {
          ok: false,
          error: {
            code: 'INVALID_CONFIG',
            message: `The request ${channel} is malformed${where}.`,
          },
        };
      }
      try {
        return { ok: true, value: await handler(parsed.data, event) };
      } catch (error) {
        return { ok: false, error: toIpcError(error) };
      }
    });
  }

  #refuse(event: IpcMainInvokeEvent): string | null {
    const frame = event.senderFrame;
    if (frame === null || frame === undefined) return 'The frame that asked is gone.';
    if (!this.isOurs(event.sender) || frame !== event.sender.mainFrame)
      return 'Requests are taken from the main window only.';
    if (frame.origin !== this.origin) return 'Requests are taken from the app’s own pages only.';
    const now = Date.now();
    if (now - this.#windowStart >= 1000) {
      this.#windowStart = now;
      this.#spent = 0;
    }
    return ++this.#spent > MAX_REQUESTS_PER_SECOND ? 'Too many requests in one second.' : null;
  }
}

/** Plain data of any error, the stack left behind. */
export function toIpcError(error: unknown): IpcError {
  if (error instanceof DomusError || (error instanceof Error && error.name === 'DomusError')) {
    const { code, message, position } = error as DomusError;
    return position === undefined ? { code, message } : { code, message, position };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
