import { app } from 'electron';

/** True when this is the only Domus of the user; else the running one is brought to the front and we leave. */
export function ensureSingleInstance(onSecond: (argv: string[]) => void): boolean {
  if (!app.requestSingleInstanceLock()) return false;
  app.on('second-instance', (_event, argv) => onSecond(argv));
  return true;
}
