import { onScopeDispose, ref, type Ref } from 'vue';
import { bridge, unwrap } from '../api';
import { useDialogsStore } from '../stores/dialogs';
import { useTasksStore } from '../stores/tasks';

/** ISO images that come to the app: by browsing, or dropped on the window. Both open the wizard with the image. */
export function useIsoDrop(): { browse: () => Promise<void> } {
  const dialogs = useDialogsStore();
  const tasks = useTasksStore();

  async function browse(): Promise<void> {
    try {
      const picked = await unwrap(bridge.pickFile('iso'));
      if (picked !== null) dialogs.openWizard(picked);
    } catch (error) {
      tasks.report('Open ISO', error);
    }
  }

  return { browse };
}

/** Makes the whole window take a dropped ISO. `over` is true while a file hovers. */
export function useWindowDrop(): { over: Ref<boolean> } {
  const dialogs = useDialogsStore();
  const tasks = useTasksStore();
  const over = ref(false);
  let depth = 0;

  const hasFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes('Files') === true;

  function onEnter(event: DragEvent): void {
    if (!hasFiles(event)) return;
    depth += 1;
    over.value = true;
  }
  function onLeave(): void {
    depth = Math.max(0, depth - 1);
    if (depth === 0) over.value = false;
  }
  function onOver(event: DragEvent): void {
    event.preventDefault();
    if (event.dataTransfer !== null)
      event.dataTransfer.dropEffect = hasFiles(event) ? 'copy' : 'none';
  }
  async function onDrop(event: DragEvent): Promise<void> {
    event.preventDefault();
    depth = 0;
    over.value = false;
    const file = event.dataTransfer?.files[0];
    if (file === undefined) return;
    try {
      dialogs.openWizard(await unwrap(bridge.droppedIso(file)));
    } catch (error) {
      tasks.report('Open ISO', error);
    }
  }

  const drop = (event: DragEvent): void => void onDrop(event);
  window.addEventListener('dragenter', onEnter);
  window.addEventListener('dragleave', onLeave);
  window.addEventListener('dragover', onOver);
  window.addEventListener('drop', drop);
  onScopeDispose(() => {
    window.removeEventListener('dragenter', onEnter);
    window.removeEventListener('dragleave', onLeave);
    window.removeEventListener('dragover', onOver);
    window.removeEventListener('drop', drop);
  });
  return { over };
}
