// `npm start`: everything from a fresh clone to the open window. Until the dependencies are installed it must do with
// what Node brings along, hence the imports further down.
import { spawn } from 'node:child_process';
import { ensureDependencies } from './lib/dependencies.mjs';
import { isRoot, SetupError } from './lib/apt.mjs';
import { ROOT } from './lib/paths.mjs';

function checkDisplay() {
  if (process.platform !== 'linux') return;
  const { DISPLAY, WAYLAND_DISPLAY } = process.env;
  if (DISPLAY || WAYLAND_DISPLAY) return;
  throw new SetupError(
    'There is no display to open a window on: neither DISPLAY nor WAYLAND_DISPLAY is set.\n' +
      'Start it from a desktop session, or use the command line, which needs none: npx domus --help',
  );
}

function launch(executable) {
  const flags = [];
  if (process.platform === 'linux' && isRoot()) {
    process.stderr.write(
      'start: running as root, so the sandbox of the window is off (--no-sandbox)\n',
    );
    flags.push('--no-sandbox');
  }
  const environment = { ...process.env };
  delete environment['ELECTRON_RUN_AS_NODE'];
  const app = spawn(executable, [...flags, ROOT, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: environment,
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => app.kill(signal));
  app.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
  app.on('error', (error) => {
    process.stderr.write(`start: ${error.message}\n`);
    process.exitCode = 1;
  });
}

try {
  checkDisplay();
  ensureDependencies();
  const { electronRuntime, ensureElectronLibraries } = await import('./electron-runtime.mjs');
  const runtime = await electronRuntime();
  ensureElectronLibraries(runtime.executable);
  const { buildAll } = await import('./build.mjs');
  await buildAll();
  launch(runtime.executable);
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
