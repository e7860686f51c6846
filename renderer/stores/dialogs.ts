import { defineStore } from 'pinia';
import { computed, ref, shallowRef } from 'vue';
import type { DomainInfo, PickedFile, QuitRequest, StoredImage } from '../../core/api';

/** A question with one act behind it. */
export interface Confirmation {
  title: string;
  message: string;
  /** A second, quieter sentence. */
  detail?: string;
  action: string;
  danger: boolean;
  resolve: (confirmed: boolean) => void;
}

/** Which dialog is open: at most one of each, and none of them stops anything by being open. */
export const useDialogsStore = defineStore('dialogs', () => {
  const wizard = ref(false);
  const wizardIso = shallowRef<PickedFile | null>(null);
  const importing = ref(false);
  const preferences = ref(false);
  const shortcuts = ref(false);
  const about = ref(false);
  const addingDisk = ref(false);
  /** The image that is to be made larger. */
  const growing = shallowRef<StoredImage | null>(null);
  const deleting = shallowRef<DomainInfo | null>(null);
  const confirmation = shallowRef<Confirmation | null>(null);
  const quit = shallowRef<QuitRequest | null>(null);
  /** Names of the machines that are still shutting down because the user is leaving. */
  const quitWaiting = ref<string[] | null>(null);

  const anyOpen = computed(
    () =>
      wizard.value ||
      preferences.value ||
      shortcuts.value ||
      about.value ||
      addingDisk.value ||
      growing.value !== null ||
      deleting.value !== null ||
      confirmation.value !== null ||
      quit.value !== null,
  );

  function openWizard(iso: PickedFile | null = null): void {
    wizardIso.value = iso;
    wizard.value = true;
  }

  /** Asks, and answers `false` when the dialog is closed in any way but its action. */
  function confirm(question: Omit<Confirmation, 'resolve'>): Promise<boolean> {
    confirmation.value?.resolve(false);
    return new Promise((resolve) => {
      confirmation.value = {
        ...question,
        resolve: (confirmed) => {
          confirmation.value = null;
          resolve(confirmed);
        },
      };
    });
  }

  return {
    wizard,
    wizardIso,
    importing,
    preferences,
    shortcuts,
    about,
    addingDisk,
    growing,
    deleting,
    confirmation,
    quit,
    quitWaiting,
    anyOpen,
    openWizard,
    confirm,
  };
});
