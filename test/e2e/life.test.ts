import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainInfo } from '../../core/api';
import { MainWindow } from './pages/main-window';
import { SerialPage } from './pages/serial';
import { Wizard } from './pages/wizard';
import { DomusApp } from './support/app';
import { domainProcesses } from './support/processes';
import { DIST } from './support/runtime';
import { createTiny } from './support/tiny';

let app: DomusApp;
let window: MainWindow;
let serial: SerialPage;

beforeEach(async () => {
  app = await DomusApp.launch();
  window = new MainWindow(app.page);
  serial = new SerialPage(app);
});
afterEach(() => app?.dispose());

describe('a virtual machine', () => {
  it('lives its whole life through the window', async () => {
    const image = await createTiny(app, 'tiny', { start: true });
    await window.tab('serial');
    await serial.shows('DOMUS GUEST READY');
    await serial.type('z');
    await serial.shows('<z>');

    await window.toolbar('pause').click();
    await window.waitForState('Paused');
    await serial.type('y');
    await app.page.waitForTimeout(500);
    expect(await serial.text(), 'a paused guest answers nothing').not.toContain('<y>');
    await window.toolbar('resume').click();
    await window.waitForState('Running');
    await serial.shows('<y>');

    await window.power('force-off');
    await app.page.getByRole('dialog', { name: 'Force off' }).waitFor();
    await window.confirm();
    await window.waitForState('Shut off');
    expect(await serial.text(), 'what it wrote can still be read').toContain('DOMUS GUEST READY');

    await window.toolbar('start').click();
    await window.waitForState('Running');
    await window.tab('serial');
    await serial.shows('DOMUS GUEST READY');
    expect((await serial.text()).split('DOMUS GUEST READY').length, 'a new boot is a new log').toBe(
      2,
    );
    await window.toolbar('shut-down').click();
    await window.waitForState('Shut off');

    await window.toolbar('delete').click();
    await app.page.locator('[data-test="delete-disk-hda"]').click();
    await app.page.locator('[data-test="delete-confirm"]').click();
    await window.treeItem('tiny').waitFor({ state: 'detached' });
    expect(existsSync(image)).toBe(false);
    expect(app.complaints).toEqual([]);
  });

  it('keeps its serial output since boot though nobody watched', async () => {
    await createTiny(app, 'unwatched', { start: true });
    await app.page.waitForTimeout(1500);
    await window.tab('serial');
    await serial.shows('DOMUS GUEST READY');
  });

  it('shows its configuration as xl.cfg and is still there after a restart of the app', async () => {
    await createTiny(app, 'kept', { start: false, memory: 96 });
    await window.tab('overview');
    await app.page.getByRole('button', { name: 'Configuration (xl.cfg)' }).click();
    const text = app.page.locator('[data-test="config-text"]', { hasText: 'memory' });
    await text.waitFor();
    expect(await text.innerText()).toMatch(/^name\s*=\s*["']kept["']/m);
    expect(await text.innerText()).toMatch(/^memory\s*=\s*96/m);
    await app.kill();
    app = await DomusApp.launch({ home: app.home });
    window = new MainWindow(app.page);
    await window.select('kept');
    expect(await window.state()).toContain('Shut off');
  });
});

describe('a definition that was broken by hand', () => {
  it('is told when the app starts, with its place; the others are there', async () => {
    await createTiny(app, 'whole', { start: false });
    await createTiny(app, 'broken', { start: false });
    const { uuid } = (await app.domain('broken')).config;
    await app.kill();
    const path = join(app.dataFolder, 'domains', `${uuid}.cfg`);
    writeFileSync(path, readFileSync(path, 'utf8').replace('memory = 64', 'memory = much'));
    app = await DomusApp.launch({ home: app.home });
    window = new MainWindow(app.page);
    await window.notification('much').waitFor();
    expect((await window.problems()).join()).toMatch(
      new RegExp(`${uuid}\\.cfg:\\d+:\\d+: unexpected "much"`),
    );
    await window.treeItem('whole').waitFor();
    expect(await window.treeItem('broken').count()).toBe(0);
  });
});

describe('two virtual machines', () => {
  it('run at once; one that is killed is reported and takes nothing from the other', async () => {
    await createTiny(app, 'first', { start: true });
    const before = domainProcesses(app.pid);
    expect(before).toHaveLength(1);
    await createTiny(app, 'second', { start: true });
    const [victim] = domainProcesses(app.pid).filter((pid) => !before.includes(pid));
    process.kill(victim, 'SIGKILL');
    await window.waitForState('Crashed');
    await window.tab('overview');
    expect(await app.page.locator('[data-test="reason"]').innerText()).toMatch(/SIGKILL/);
    expect((await window.problems()).join('\n')).toMatch(/second/);

    await window.select('first');
    expect(await window.state()).toContain('Running');
    await window.tab('serial');
    await serial.type('k');
    await serial.shows('<k>');

    await window.select('second');
    await window.toolbar('start').click();
    await window.waitForState('Running');
  });

  it('can be forced off one by one', async () => {
    await createTiny(app, 'one', { start: true });
    await createTiny(app, 'two', { start: true });
    await window.power('force-off');
    await window.confirm();
    await window.waitForState('Shut off');
    expect((await app.domain('one')).state).toBe('running');
  });
});

describe('leaving', () => {
  it('asks once for all machines; Cancel changes nothing, Shut Down All ends the app when they are off', async () => {
    await createTiny(app, 'one', { start: true });
    await createTiny(app, 'two', { start: true });
    await app.menu('quit');
    const dialog = app.page.getByRole('dialog', { name: 'Quit Domus?' });
    await dialog.waitFor();
    expect(
      (await dialog.locator('[data-test="quit-names"]').innerText()).split('\n').sort(),
    ).toEqual(['one', 'two']);
    await dialog.locator('[data-test="quit-cancel"]').click();
    await dialog.waitFor({ state: 'hidden' });
    expect((await app.domains()).map((domain) => domain.state)).toEqual(['running', 'running']);

    await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].close());
    await dialog.waitFor();
    await dialog.locator('[data-test="quit-shutdown"]').click();
    expect(await app.ended).toBe(0);
    expect(domainProcesses(app.pid)).toEqual([]);
  });

  it('closing the window can leave them running in the background', async () => {
    await createTiny(app, 'background', { start: true });
    await app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].close());
    await app.page.locator('[data-test="quit-background"]').click();
    const visible = (): Promise<boolean> =>
      app.electron.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0].isVisible());
    await app.until('the hidden window', async () => !(await visible()));
    expect((await app.domain('background')).state).toBe('running');
    spawnSync(app.command[0], app.command.slice(1), { env: app.environment, stdio: 'ignore' });
    await app.until('the window again', visible);
  });

  it('without machines on ends at once', async () => {
    await app.menu('quit');
    expect(await app.ended).toBe(0);
  });
});

describe('the command line', () => {
  it('talks to the running app', async () => {
    await createTiny(app, 'shared', { start: true });
    const domus = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [join(DIST, 'cli.mjs'), ...args], {
        env: app.environment,
        encoding: 'utf8',
      });
    const listed = domus('list', '--json');
    expect(listed.stderr).toBe('');
    const rows = JSON.parse(listed.stdout) as DomainInfo[];
    expect(rows.map((row) => JSON.stringify(row)).join()).toContain('shared');
    expect(domus('destroy', 'shared').status).toBe(0);
    await window.waitForState('Shut off');
  });
});

describe('a page that dies', () => {
  it('is loaded again and finds the machines as they are', async () => {
    await createTiny(app, 'survivor', { start: true });
    const [process_] = domainProcesses(app.pid);
    const reloaded = app.page.waitForEvent('load').catch(() => undefined);
    await app.electron.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].webContents.forcefullyCrashRenderer(),
    );
    await reloaded;
    await app.until('the tree again', () =>
      app.electron.evaluate(({ BrowserWindow }) =>
        BrowserWindow.getAllWindows()[0]
          .webContents.executeJavaScript(
            "document.querySelector('[data-test=\"tree-vm-survivor\"]')?.textContent ?? ''",
          )
          .then((text: string) => text.includes('Running')),
      ),
    );
    expect(domainProcesses(app.pid)).toEqual([process_]);
  });
});

describe('the wizard', () => {
  it('names a second machine of the same kind differently and remembers no name that is taken', async () => {
    const wizard = new Wizard(app);
    await wizard.open();
    const first = await wizard.name.inputValue();
    await wizard.diskMode('None');
    await wizard.create();
    await wizard.closed();
    await wizard.open();
    expect(await wizard.name.inputValue()).toBe(`${first}-2`);
    await wizard.name.fill(first);
    await wizard.error('Name').waitFor();
    expect(await wizard.error('Name').innerText()).toBe(
      `There is already a virtual machine named “${first}”.`,
    );
  });
});
