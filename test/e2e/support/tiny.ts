import { join } from 'node:path';
import { writeTinyGuest } from '../../toolstack/tiny-guest';
import { MainWindow } from '../pages/main-window';
import { Wizard } from '../pages/wizard';
import type { DomusApp } from './app';

/** Makes a virtual machine of the one-sector guest through the wizard, and starts it if wanted. */
export async function createTiny(
  app: DomusApp,
  name: string,
  options: { start: boolean; memory?: number },
): Promise<string> {
  const image = join(app.home, `${name}.img`);
  writeTinyGuest(image);
  const wizard = new Wizard(app);
  await wizard.open();
  await wizard.existingDisk(image);
  await wizard.name.fill(name);
  await wizard.memory.fill(String(options.memory ?? 64));
  await wizard.memory.press('Tab');
  await (options.start ? wizard.createAndStart() : wizard.create());
  await wizard.closed();
  if (options.start) await new MainWindow(app.page).waitForState('Running');
  return image;
}
