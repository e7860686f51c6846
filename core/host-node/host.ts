import { nodeCompression } from './compression';
import { nodeFiles } from './files';
import { nodeFrameLinks } from './frame-links';
import { nodeLifeline } from './lifeline';
import { nodeLocks } from './locks';
import { nodeNetwork } from './network';
import { nodeSockets } from './sockets';
import { nodeSystem } from './system';
import { nodeTimers } from './timers';
import { nodeWasm } from './wasm';

/** Everything core asks of its host, on Node. */
export const nodeHost = {
  compression: nodeCompression,
  files: nodeFiles,
  frameLinks: nodeFrameLinks,
  lifeline: nodeLifeline,
  locks: nodeLocks,
  network: nodeNetwork,
  sockets: nodeSockets,
  system: nodeSystem,
  timers: nodeTimers,
  wasm: nodeWasm,
} as const;
