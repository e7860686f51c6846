import type { HostKey } from '../../core/api';

/** The keys that can be the host key, as people call them. */
export const HOST_KEYS: Readonly<Record<HostKey, string>> = {
  ControlRight: 'Right Ctrl',
  AltRight: 'Right Alt',
  ShiftRight: 'Right Shift',
  ScrollLock: 'Scroll Lock',
  Pause: 'Pause',
};

export function hostKeyLabel(key: HostKey): string {
  return HOST_KEYS[key];
}

/** What the host key does together with another key, by `KeyboardEvent.code` (VirtualBox's letters where it has one). */
export type HostKeyAct =
  | 'full-screen'
  | 'toggle-scale'
  | 'screenshot'
  | 'pause'
  | 'reset'
  | 'shut-down'
  | 'ctrl-alt-delete';

export const HOST_KEY_ACTS: Readonly<
  Record<string, { act: HostKeyAct; label: string; key: string }>
> = {
  KeyF: { act: 'full-screen', label: 'Full screen on or off', key: 'F' },
  KeyC: { act: 'toggle-scale', label: 'Scale to fit or 1:1', key: 'C' },
  KeyE: { act: 'screenshot', label: 'Save a screenshot', key: 'E' },
  KeyP: { act: 'pause', label: 'Pause or resume', key: 'P' },
  KeyR: { act: 'reset', label: 'Force reset', key: 'R' },
  KeyH: { act: 'shut-down', label: 'Shut down (power button)', key: 'H' },
  Delete: { act: 'ctrl-alt-delete', label: 'Send Ctrl+Alt+Del', key: 'Del' },
};

/**
 * Watches keys while a guest has the keyboard: the host key alone releases it, the host key with another key acts on
 * the app. The guest sees neither. Returns a function that stops watching.
 */
export function watchHostKey(
  target: HTMLElement,
  options: { hostKey: () => HostKey; release: () => void; act: (act: HostKeyAct) => void },
): () => void {
  let held = false;
  let used = false;
  const onDown = (event: KeyboardEvent): void => {
    if (event.code === options.hostKey()) {
      if (!event.repeat) {
        held = true;
        used = false;
      }
    } else if (held) {
      used = true;
      const known = HOST_KEY_ACTS[event.code];
      if (known !== undefined && !event.repeat) options.act(known.act);
    } else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  const onUp = (event: KeyboardEvent): void => {
    if (event.code === options.hostKey()) {
      if (held && !used) options.release();
      held = false;
    } else if (!held || HOST_KEY_ACTS[event.code] === undefined) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  const onBlur = (): void => {
    held = false;
  };
  target.addEventListener('keydown', onDown, true);
  target.addEventListener('keyup', onUp, true);
  window.addEventListener('blur', onBlur);
  return () => {
    target.removeEventListener('keydown', onDown, true);
    target.removeEventListener('keyup', onUp, true);
    window.removeEventListener('blur', onBlur);
  };
}
