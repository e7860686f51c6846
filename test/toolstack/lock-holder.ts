/** Takes a lock, says so, and holds it until it is killed: `lock-holder NAME MODE LABEL`. */
import { nodeLocks } from '../../core/host-node/locks';

const [name = '', mode = '', label = ''] = process.argv.slice(2);
const result = await nodeLocks.acquire(name, mode === 'exclusive' ? 'exclusive' : 'shared', {
  pid: process.pid,
  name: label,
});
process.stdout.write(
  `${'lock' in result ? 'held' : `refused ${result.owner?.name ?? 'unknown'}`}\n`,
);
if ('lock' in result) setInterval(() => undefined, 1000);
