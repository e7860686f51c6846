/** An entry of a popup menu; `separator` draws a line before it. */
export interface MenuEntry {
  id: string;
  label: string;
  hint?: string;
  /** Tooltip; why it is disabled, when it is. */
  title?: string | undefined;
  danger?: boolean;
  disabled?: boolean;
  separator?: boolean;
  checked?: boolean;
}
