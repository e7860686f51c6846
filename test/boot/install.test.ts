/** From an empty disk to an installed system: the small installer CD, the boot flip, and what is there after reboots. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import type { DomainInfo } from '../../core/api';
import { Domus, type Program } from '../toolstack/domus';

const PATIENCE_MS = 280_000;

let domus: Domus;
beforeAll(() => {
  domus = new Domus();
});
afterAll(() => domus.close());

/** The console of a domain, until it ends. */
async function consoleUntil(text: string): Promise<Program> {
  const program = domus.start('console', 'small');
  await program.printed(text, PATIENCE_MS);
  return program;
}

/** Waits for the domain to be as `done` wants it. */
async function until(done: (domain: DomainInfo) => boolean): Promise<DomainInfo> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const domain = await domus.domain('small');
    if (done(domain)) return domain;
    if (Date.now() > deadline) throw new Error(`the domain is ${JSON.stringify(domain)}`);
    await new Promise((wake) => setTimeout(wake, 200));
  }
}

it('installs from a CD, starts from its disk with the CD out, and keeps what was written', async () => {
  const iso = await guest('small-installer.iso');
  const daemon = await domus.daemon();
  const disk = domus.path('small.qcow2');
  const install = await domus.run(
    ...['install', '--name', 'small', '--memory', '128', '--cdrom', iso, '--network', 'none'],
    ...['--disk', `path=${disk},size=0.25`, '--noautoconsole', '--wait'],
  );
  expect(install).toMatchObject({ status: 0 });
  // The installer was domain 1; the installed system gets a new machine.
  const installed = await until(({ state, domid }) => state === 'running' && domid === 2);
  expect(installed.config).toMatchObject({ boot: 'cd', kernel: '' });
  expect(installed.config.install).toBeUndefined();
  expect(installed.config.disk.filter(({ cdrom }) => cdrom).map(({ target }) => target)).toEqual([
    '',
  ]);
  expect(await domus.do('config', 'small')).not.toContain('install = 1');

  const first = await consoleUntil('SMALL-SYSTEM start 1');
  first.type('echo kept > /mnt/file; sync; kill -TERM 1\n');
  const second = await consoleUntil('SMALL-SYSTEM start 2');
  second.type('cat /mnt/file; kill -USR2 1\n');
  await second.printed('kept', PATIENCE_MS);
  await until(({ state }) => state === 'shutoff');
  // The second start was one from the disk, not another installation.
  expect(daemon.stderr).not.toContain('error');
  const check = spawnSync('qemu-img', ['check', '--output=json', disk], { encoding: 'utf8' });
  expect(JSON.parse(check.stdout)).not.toHaveProperty('leaks');
  expect(check.status).toBe(0);
});
