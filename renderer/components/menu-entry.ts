/** An entry of a popup menu; `separator` draws a line before it. */
export interface MenuEntry {
  id: string;
  label: string;
  hint?: string;
  danger?: boolean;
  disabled?: boolean;
  separator?: boolean;
  checked?: boolean;
}
