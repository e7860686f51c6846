/**
 * The interpreters that the build has generated (build/gen/interpreters.mjs): to generate them takes a domain's thread
 * some tenths of a second. They hold the addresses of vcpu 0; another's are generated when it is made.
 */
import { decodeBase64 } from '../../base';
import { INTERPRETERS } from '../interpreters.gen';
import { handlerOf, type HandlerRecord } from './handler-record';
import { generateInterpreter, type Interpreter } from './interpreter';

/** The interpreter of a vcpu for 64-bit mode, or for all others. */
export function interpreterOf(long: boolean, vcpuIndex: number): Interpreter {
  if (vcpuIndex !== 0) return generateInterpreter(long, vcpuIndex);
  const { wasmBase64, handlersJson } = long ? INTERPRETERS.long : INTERPRETERS.legacy;
  const records = JSON.parse(handlersJson) as [key: string, record: HandlerRecord][];
  const handlers = new Map(records.map(([key, record]) => [key, handlerOf(record)]));
  return { bytes: decodeBase64(wasmBase64), handlers };
}
