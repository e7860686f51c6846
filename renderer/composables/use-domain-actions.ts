import type { DomainInfo } from '../../core/api';
import { bridge, call, unwrap } from '../api';
import { fromBase64 } from '../bytes';
import { useConsolesStore } from '../stores/consoles';
import { useDialogsStore } from '../stores/dialogs';
import { isLive, isStartable, useDomainsStore } from '../stores/domains';
import { usePreferencesStore } from '../stores/preferences';
import { notify, useTasksStore } from '../stores/tasks';
import { KEY_COMBINATIONS } from './key-combinations';

type PowerCommand =
  | 'domain/start'
  | 'domain/pause'
  | 'domain/unpause'
  | 'domain/shutdown'
  | 'domain/reboot'
  | 'domain/reset'
  | 'domain/destroy';

export interface DomainActions {
  start(domain: DomainInfo): Promise<void>;
  pause(domain: DomainInfo): Promise<boolean>;
  resume(domain: DomainInfo): Promise<boolean>;
  shutDown(domain: DomainInfo): Promise<void>;
  reboot(domain: DomainInfo): Promise<boolean>;
  reset(domain: DomainInfo): Promise<void>;
  forceOff(domain: DomainInfo): Promise<void>;
  askDelete(domain: DomainInfo): void;
  openConsole(domain: DomainInfo): void;
  /** `combination` is a name of KEY_COMBINATIONS. */
  sendKeys(domain: DomainInfo, combination: string): Promise<void>;
  typeClipboard(domain: DomainInfo): Promise<void>;
  screenshot(domain: DomainInfo, where: 'file' | 'clipboard'): Promise<void>;
  startAll(): Promise<void>;
  shutDownAll(): Promise<void>;
}

/** The verbs of a virtual machine, asked about where the preferences say so, and reported when they fail. */
export function useDomainActions(): DomainActions {
  const domains = useDomainsStore();
  const tasks = useTasksStore();
  const dialogs = useDialogsStore();
  const consoles = useConsolesStore();
  const preferences = usePreferencesStore();

  async function run(what: string, command: PowerCommand, domain: DomainInfo): Promise<boolean> {
    try {
      domains.put(await call(command, { domain: domain.config.uuid }));
      return true;
    } catch (error) {
      tasks.report(`${what} “${domain.config.name}”`, error, domain.config.name);
      return false;
    }
  }

  async function start(domain: DomainInfo): Promise<void> {
    if (!isStartable(domain.state)) return;
    const begun = run('Start', 'domain/start', domain);
    if (preferences.value.openConsoleOnStart) consoles.setTab(domain.config.uuid, 'console');
    await begun;
  }

  const pause = (domain: DomainInfo): Promise<boolean> => run('Pause', 'domain/pause', domain);
  const resume = (domain: DomainInfo): Promise<boolean> => run('Resume', 'domain/unpause', domain);

  async function shutDown(domain: DomainInfo): Promise<void> {
    const sure =
      !preferences.value.confirmShutDown ||
      (await dialogs.confirm({
        title: 'Shut down',
        message: `Shut down “${domain.config.name}”?`,
        detail: 'The guest is asked to power off, as with the power button.',
        action: 'Shut Down',
        danger: false,
      }));
    if (sure) await run('Shut down', 'domain/shutdown', domain);
  }

  const reboot = (domain: DomainInfo): Promise<boolean> => run('Reboot', 'domain/reboot', domain);

  async function reset(domain: DomainInfo): Promise<void> {
    const sure =
      !preferences.value.confirmReset ||
      (await dialogs.confirm({
        title: 'Force reset',
        message: `Reset “${domain.config.name}”?`,
        detail:
          'As with the reset button: the guest does not get to write what it has not written yet.',
        action: 'Force Reset',
        danger: true,
      }));
    if (sure) await run('Reset', 'domain/reset', domain);
  }

  async function forceOff(domain: DomainInfo): Promise<void> {
    const sure =
      !preferences.value.confirmForceOff ||
      (await dialogs.confirm({
        title: 'Force off',
        message: `Force off “${domain.config.name}”?`,
        detail:
          'As if its power cable were pulled: the guest does not get to write what it has not written yet.',
        action: 'Force Off',
        danger: true,
      }));
    if (sure) await run('Force off', 'domain/destroy', domain);
  }

  function askDelete(domain: DomainInfo): void {
    dialogs.deleting = domain;
  }

  function openConsole(domain: DomainInfo): void {
    domains.select(domain.config.uuid);
    consoles.setTab(domain.config.uuid, 'console');
  }

  async function sendKeys(domain: DomainInfo, combination: string): Promise<void> {
    const scancodes = KEY_COMBINATIONS[combination]?.scancodes ?? [];
    const releases = [...scancodes].reverse().map((code) => -code);
    await call('domain/sendKeys', {
      domain: domain.config.uuid,
      scancodes: [...scancodes, ...releases],
    }).catch((error: unknown) => tasks.report('Send keys', error, domain.config.name));
  }

  async function typeClipboard(domain: DomainInfo): Promise<void> {
    try {
      const text = await unwrap(bridge.readClipboard());
      if (text === '') {
        notify('info', 'Type clipboard', 'The clipboard has no text.');
        return;
      }
      const { skipped } = await call('domain/typeText', { domain: domain.config.uuid, text });
      if (skipped.length > 0) {
        notify(
          'warn',
          'Type clipboard',
          `The guest’s keymap “${domain.config.keymap}” has no key for: ${skipped.join(' ')}`,
        );
      }
    } catch (error) {
      tasks.report('Type clipboard', error, domain.config.name);
    }
  }

  async function screenshot(domain: DomainInfo, where: 'file' | 'clipboard'): Promise<void> {
    try {
      const { png } = await call('domain/screenshot', { domain: domain.config.uuid });
      const bytes = fromBase64(png);
      if (where === 'clipboard') {
        await unwrap(bridge.writeClipboardImage(bytes));
        notify('success', 'Screenshot', 'Copied to the clipboard.');
        return;
      }
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-').replace('T', '_');
      const path = await unwrap(
        bridge.saveFile('screenshot', `${domain.config.name}_${stamp}.png`, bytes),
      );
      if (path !== null) notify('success', 'Screenshot saved', path);
    } catch (error) {
      tasks.report('Screenshot', error, domain.config.name);
    }
  }

  async function startAll(): Promise<void> {
    for (const domain of domains.all.filter((each) => isStartable(each.state)))
      await run('Start', 'domain/start', domain);
  }

  async function shutDownAll(): Promise<void> {
    const names = domains.running.map((each) => each.config.name);
    const sure = await dialogs.confirm({
      title: 'Shut down all',
      message:
        names.length === 1
          ? `Shut down “${names[0] ?? ''}”?`
          : `Shut down ${names.length} virtual machines?`,
      detail: names.join(', '),
      action: 'Shut Down All',
      danger: false,
    });
    if (!sure) return;
    await Promise.all(
      domains.running
        .filter((each) => isLive(each.state))
        .map((each) => run('Shut down', 'domain/shutdown', each)),
    );
  }

  return {
    start,
    pause,
    resume,
    shutDown,
    reboot,
    reset,
    forceOff,
    askDelete,
    openConsole,
    sendKeys,
    typeClipboard,
    screenshot,
    startAll,
    shutDownAll,
  };
}
