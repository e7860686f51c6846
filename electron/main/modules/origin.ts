import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { protocol, session } from 'electron';

/** The page's own scheme: unlike file: it has an origin, and serves nothing but the renderer's built files. */
export const APP_SCHEME = 'app';
export const APP_ORIGIN = 'app://domus';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
};

/**
 * Nothing from elsewhere, no inline script, no eval. Two concessions for styles, none of which reaches script:
 * - a nonce, new at every load: xterm.js writes its theme and cell size into <style> elements it creates;
 * - style attributes: xterm.js sets 24-bit colours of guest text with setAttribute('style').
 */
export function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    `style-src 'self' 'nonce-${nonce}'`,
    "style-src-attr 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Must run before `ready`. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([
    {
      scheme: APP_SCHEME,
      privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
    },
  ]);
}

/** Serves the renderer from an allow-list of the files that were there at start; a URL never becomes a path. */
export async function serveApp(root: string): Promise<void> {
  const files = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(root.length).replaceAll('\\', '/'), path);
  }
  session.defaultSession.protocol.handle(APP_SCHEME, async (request) => {
    const url = new URL(request.url);
    const key = url.pathname === '/' ? '/index.html' : url.pathname;
    const path = url.origin === APP_ORIGIN || url.host === 'domus' ? files.get(key) : undefined;
    if (path === undefined || request.method !== 'GET') return new Response(null, { status: 404 });
    const headers: Record<string, string> = {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    };
    const body = await readFile(path);
    if (extname(path) !== '.html') return new Response(new Uint8Array(body), { headers });
    const nonce = randomBytes(16).toString('base64');
    headers['content-security-policy'] = contentSecurityPolicy(nonce);
    headers['cache-control'] = 'no-store';
    return new Response(body.toString('utf8').replaceAll('__CSP_NONCE__', nonce), { headers });
  });
}
