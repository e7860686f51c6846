import { bridge, unwrap } from '../api';
import { useTasksStore } from '../stores/tasks';

/** Text to and from the clipboard of the host, through main. */
export function useClipboard(): {
  copy: (text: string) => Promise<boolean>;
  read: () => Promise<string>;
} {
  const tasks = useTasksStore();

  async function copy(text: string): Promise<boolean> {
    try {
      await unwrap(bridge.writeClipboard(text));
      return true;
    } catch (error) {
      tasks.report('Copy', error);
      return false;
    }
  }

  async function read(): Promise<string> {
    try {
      return await unwrap(bridge.readClipboard());
    } catch (error) {
      tasks.report('Paste', error);
      return '';
    }
  }

  return { copy, read };
}
