/** Keyboard layouts that the screen's server knows, by their `keymap=` name. */
export const KEYMAPS: readonly { id: string; label: string }[] = [
  { id: 'en-us', label: 'English (US)' },
  { id: 'en-gb', label: 'English (UK)' },
  { id: 'de', label: 'German' },
  { id: 'fr', label: 'French' },
];
