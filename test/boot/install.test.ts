/** From an empty disk to an installed system: the small installer CD, the boot flip, and what is there after reboots. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { guest } from '../../build/guests.mjs';
import type { DomainInfo } from '../../core/api';
import { buildIso } from '../../core/storage';
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

/** Answers the login that is asked for behind `mark`. */
async function logIn(program: Program, mark: string): Promise<void> {
  const start = program.stdout.indexOf(mark);
  const asked = (text: string): Promise<void> =>
    program.until(() => program.stdout.includes(text, start), text, PATIENCE_MS);
  await asked('small login:');
  program.type('root\n');
  await asked('Password:');
  program.type('correct horse\n');
  await asked('~ #');
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

it('installs from a location, starts from its disk with the CD out, and keeps what was written', async () => {
  const iso = await guest('small-installer.iso');
  const daemon = await domus.daemon();
  const disk = domus.path('small.qcow2');
  const answers = `format=preseed,hostname=small,admin-password-file=${domus.file('secret', 'correct horse\n')}`;
  const install = await domus.run(
    ...['install', '--name', 'small', '--memory', '128', '--location', iso, '--network', 'none'],
    ...['--disk', `path=${disk},size=0.25`, '--unattended', answers, '--noautoconsole', '--wait'],
  );
  expect(install).toMatchObject({ status: 0 });
  // The installer was domain 1; the installed system gets a new machine.
  const installed = await until(({ state, domid }) => state === 'running' && domid === 2);
  expect(installed.config).toMatchObject({ boot: 'cd', kernel: '', ramdisk: '', extra: '' });
  expect(installed.config.install).toBeUndefined();
  const cds = installed.config.disk.filter(({ cdrom }) => cdrom);
  expect(cds.map(({ target }) => target)).toEqual(['']);
  expect(await domus.do('config', 'small')).not.toContain('install = 1');

  const first = await consoleUntil('SMALL-SYSTEM start 1');
  // Kernel and ramdisk of the installer are gone from the data directory.
  expect(readdirSync(join(domus.home, 'install'))).toEqual([]);
  // Whoever knows the password that the answers had only the hash of.
  await logIn(first, 'SMALL-SYSTEM start 1');
  first.type('cat /mnt/preseed.cfg\n');
  await first.printed('d-i netcfg/get_hostname string small', PATIENCE_MS);
  await first.printed('d-i passwd/root-password-crypted password $6$', PATIENCE_MS);
  first.type('echo kept > /mnt/file; sync; kill -TERM 1\n');
  // A reboot, and it is not the installer that comes back.
  await first.printed('SMALL-SYSTEM start 2', PATIENCE_MS);
  await logIn(first, 'SMALL-SYSTEM start 2');
  first.type('cat /mnt/file\n');
  await first.printed('\nkept', PATIENCE_MS);

  // A CD of answers is read by Linux with its names.
  const text = '#cloud-config\nhostname: "x"\n';
  const file = { name: 'user-data', bytes: new TextEncoder().encode(text) };
  const seed = domus.file('seed.iso', buildIso('cidata', [file], Date.now()));
  await domus.do('cd-insert', 'small', 'hdc', seed);
  first.type(
    'load sr_mod isofs; sleep 1; mount -t iso9660 -o ro /dev/sr0 /cd; cat /cd/user-data\n',
  );
  await first.printed('hostname: "x"', PATIENCE_MS);

  first.type('umount /cd; kill -USR2 1\n');
  await until(({ state }) => state === 'shutoff');
  expect(daemon.stderr).not.toContain('error');
  const check = spawnSync('qemu-img', ['check', '--output=json', disk], { encoding: 'utf8' });
  expect(JSON.parse(check.stdout)).not.toHaveProperty('leaks');
  expect(check.status).toBe(0);
}, 600_000);
