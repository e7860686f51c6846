import { app, session, shell, type WebContents } from 'electron';
import { APP_ORIGIN } from './origin';

/** The only pages the app opens in a browser. */
const EXTERNAL: ReadonlySet<string> = new Set([
  'https://www.debian.org/distrib/netinst',
  'https://www.xenproject.org/',
]);

/** Chromium grants what is not refused; the app needs none of it, full screen of its own window excepted. */
export function denyPermissions(): void {
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((_contents, _permission, answer) => answer(false));
  defaultSession.setPermissionCheckHandler(() => false);
  defaultSession.setDevicePermissionHandler(() => false);
  defaultSession.on('will-download', (event) => event.preventDefault());
  app.on('web-contents-created', (_event, contents) => guard(contents));
}

function guard(contents: WebContents): void {
  contents.setWindowOpenHandler(({ url }) => {
    if (EXTERNAL.has(url)) void shell.openExternal(url);
    return { action: 'deny' };
  });
  const stay = (event: { preventDefault(): void }, url: string): void => {
    if (new URL(url).origin !== APP_ORIGIN && !url.startsWith(`${APP_ORIGIN}/`))
      event.preventDefault();
  };
  contents.on('will-navigate', (event) => stay(event, event.url));
  contents.on('will-frame-navigate', (event) => stay(event, event.url));
  contents.on('will-redirect', (event) => stay(event, event.url));
  contents.on('will-attach-webview', (event) => event.preventDefault());
}
