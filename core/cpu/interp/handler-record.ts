/** Handlers without their definitions, which have functions: for other threads and for generated text. */
import { OPS } from '../ops';
import type { Handler } from './interpreter';

export type HandlerRecord = Omit<Handler, 'definition'> & { readonly mnemonic: string };

export function recordOf({ definition, ...rest }: Handler): HandlerRecord {
  return { mnemonic: definition.mnemonic, ...rest };
}

export function handlerOf({ mnemonic, ...rest }: HandlerRecord): Handler {
  return { definition: OPS.get(mnemonic)!, ...rest };
}
