export { LocalClient } from './client';
export * from './config';
export { checkMemory, checkStart, OVERHEAD_MIB } from './domain/checks';
export type { DomainChild, SpawnDomain } from './domain/connection';
export {
  Domain,
  NO_STATS,
  type DomainEnd,
  type DomainListener,
  type DomainServices,
} from './domain/domain';
export { answerFiles, answerFormatOf, answersSchema } from './install';
export { BUILT_IN_NETWORKS, plugInAlone } from './net';
export { connectToolstack } from './rpc/client';
export { serveToolstack } from './rpc/server';
export { startToolstackService, type ToolstackService } from './service';
export { Toolstack, type ToolstackHost, type ToolstackOptions } from './toolstack';
