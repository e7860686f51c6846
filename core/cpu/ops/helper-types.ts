/**
 * The helpers (AssemblyScript, helpers/index.ts) that definitions and the interpreter call: name -> parameters > result.
 * Letters: i i32, l i64, d f64, v v128.
 */
import type { ValType } from '../../wasm';

export const HELPERS = {
  // memory (helpers/mmu.ts)
  slowLoad: 'li>l',
  slowStore: 'lil>',
  slowLoad128: 'l>v',
  slowStore128: 'lv>',
  probeWrite: 'li>',
  checkAligned16: 'l>',
  checkSegment: 'ilii>',
  // blocks and exceptions
  lookupBlock: '>i',
  raise: 'ii>',
  // flags
  arithmeticFlags: '>i',
} as const satisfies Record<string, string>;

export type HelperName = keyof typeof HELPERS | (string & {});

const LETTERS: Record<string, ValType> = { i: 'i32', l: 'i64', d: 'f64', v: 'v128' };

export function helperType(signature: string): { params: ValType[]; results: ValType[] } {
  const [params = '', results = ''] = signature.split('>');
  const types = (letters: string) => [...letters].map((letter) => LETTERS[letter]!);
  return { params: types(params), results: types(results) };
}
