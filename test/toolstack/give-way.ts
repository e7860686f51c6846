/** Prints the priorities of its main thread and of its others, in steps of `nice`, before and after the main one gives way to vcpus. */
import { readdirSync, readFileSync } from 'node:fs';
import { giveWayToVcpus } from '../../core/host-node/wasm';

/** Field 19 of proc_pid_stat(5), the 17th behind the name in brackets. */
function niceOf(thread: string): number {
  const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
  return Number(stat.split(') ').at(-1)?.split(' ')[16]);
}

function priorities(): { main: number; others: number[] } {
  const main = String(process.pid);
  const others = readdirSync('/proc/self/task').filter((thread) => thread !== main);
  return { main: niceOf(main), others: others.map(niceOf) };
}

const before = priorities();
giveWayToVcpus();
process.stdout.write(JSON.stringify({ before, after: priorities() }));
