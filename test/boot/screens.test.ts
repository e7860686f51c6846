/** Boot loaders and stand-alone programs that show what they do on the VGA text screen. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guest, type GuestName } from '../../build/guests.mjs';
import type { ToolstackClient } from '../../core/api';
import { nodeSockets } from '../../core/host-node';
import { connectToolstack } from '../../core/toolstack';
import { Domus } from '../toolstack/domus';

const BOOT_MS = 200_000;
const LOOK_MS = 500;

let domus: Domus;
let client: ToolstackClient;
beforeAll(async () => {
  domus = new Domus();
  await domus.daemon();
  client = await connectToolstack(nodeSockets, `${domus.home}/run/domus.sock`);
});
afterAll(async () => {
  client?.close();
  await domus.close();
});

/** Creates a domain from lines of xl.cfg. */
async function boot(name: string, ...lines: string[]): Promise<void> {
  const config = domus.file(`${name}.cfg`, [`name = "${name}"`, ...lines].join('\n'));
  await domus.do('create', config);
}

const cd = async (name: GuestName, vdev = 'hdc'): Promise<string> =>
  `disk = [ "file:${await guest(name)},${vdev}:cdrom,r" ]\nboot = "d"`;

/** Waits for a text on the screen of a domain; the whole screen. */
async function shows(domain: string, text: string | RegExp): Promise<string> {
  const deadline = Date.now() + BOOT_MS;
  for (;;) {
    const { text: rows } = await client.call('domain/screenshot', { domain });
    const screen = (rows ?? []).join('\n');
    if (screen.match(text)) return screen;
    if (Date.now() > deadline) throw new Error(`no ${String(text)} on the screen:\n${screen}`);
    await new Promise((wake) => setTimeout(wake, LOOK_MS));
  }
}

describe('from CD-ROM, by the built-in BIOS', () => {
  it.each([
    ['IDE', 'hdc'],
    ['SATA', 'sdb'],
  ])('GRUB shows its menu, from a drive on %s', async (_bus, vdev) => {
    await boot(`grub-${vdev}`, 'memory = 64', await cd('grub-rescue.iso', vdev));
    await shows(`grub-${vdev}`, 'GNU GRUB  version 2');
    await domus.do('destroy', `grub-${vdev}`);
  });

  it("ISOLINUX shows the Debian installer's menu", async () => {
    await boot('isolinux', 'memory = 256', await cd('debian-netboot.iso'));
    await shows('isolinux', 'Debian GNU/Linux installer menu');
    await domus.do('destroy', 'isolinux');
  });

  it('memtest86+ finds no error in 16 MB, loaded by floppy emulation', async () => {
    await boot('memtest', 'memory = 16', await cd('memtest.iso'));
    const screen = await shows('memtest', /Pass\s+[1-9]\d*%|Test\s*#?\s*[3-9]|#[3-9]/);
    expect(screen).toContain('Memtest86+');
    expect(screen).not.toMatch(/Errors:\s*[1-9]/);
    await domus.do('destroy', 'memtest');
  });
});

describe('from a disk image', () => {
  it('GRUB of the rescue floppy shows its menu', async () => {
    const image = domus.file('grub.img', new Uint8Array(0));
    const { copyFileSync } = await import('node:fs');
    copyFileSync(await guest('grub-rescue.img'), image);
    await boot(
      'grub-disk',
      'memory = 64',
      `disk = [ "format=raw,vdev=hda,access=rw,target=${image}" ]`,
      'boot = "c"',
    );
    await shows('grub-disk', 'GNU GRUB  version 2');
    await domus.do('destroy', 'grub-disk');
  });
});

describe('with a ROM of the user', () => {
  it('SeaBIOS boots the CD to its menu', async () => {
    await boot(
      'seabios',
      'memory = 256',
      await cd('debian-netboot.iso'),
      `firmware = "${await guest('seabios-256k.bin')}"`,
    );
    await shows('seabios', /SeaBIOS|Debian GNU\/Linux installer menu/);
    await shows('seabios', 'Debian GNU/Linux installer menu');
    await domus.do('destroy', 'seabios');
  });
});
