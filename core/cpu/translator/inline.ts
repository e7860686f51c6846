/** The instructions that the translator emits by itself instead of from their definitions, by mnemonic. */
import { INLINE_DIVIDE } from './inline-divide';
import { INLINE_DOUBLE } from './inline-double';
import { INLINE_MOVES } from './inline-moves';
import { INLINE_SINGLE } from './inline-single';
import type { Inline } from './inline-site';

export const INLINES: ReadonlyMap<string, Inline> = new Map([
  ...INLINE_DIVIDE,
  ...INLINE_DOUBLE,
  ...INLINE_SINGLE,
  ...INLINE_MOVES,
]);
