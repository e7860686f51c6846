/** D8: an image has one writer, whoever asks and by whatever path; a killed one leaves it free (reliability.md, section 3). */
import { linkSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, it } from 'vitest';
import { openImage } from '../../core/storage';
import { HOST } from '../storage/qemu';
import { Domus, domainProcess, type Program } from '../toolstack/domus';
import { count, judge, secondsSince } from './bar';

/** D1 kills writers more often: this is about whole domains and toolstacks. */
const KILLS = 10;
const FREE_MS = 1000;
const SETTLE_MS = 60_000;

let domus: Domus;
let other: Domus;
let daemon: Program;

beforeEach(async () => {
  domus = new Domus();
  other = new Domus();
  daemon = await domus.daemon();
  await other.daemon();
});
afterEach(async () => {
  await domus.close();
  await other.close();
});

/** A configuration of `name` whose disk is the file at `target`. */
function configuration(owner: Domus, name: string, target: string, access = 'rw'): string {
  const disk = `disk = [ 'format=raw, vdev=hda, access=${access}, target=${target}' ]`;
  return owner.file(`${name}.cfg`, `name = "${name}"\nmemory = 32\n${disk}\n`);
}

/** Milliseconds until the image can be had for writing; it is given back at once. */
async function freeAfter(path: string, begin: number): Promise<number> {
  for (;;) {
    try {
      const owner = { pid: process.pid, name: 'the test' };
      await (await openImage(HOST, { path, format: 'raw', readOnly: false, owner })).close();
      return performance.now() - begin;
    } catch (cause) {
      if (performance.now() - begin > SETTLE_MS) throw cause;
      await new Promise((wake) => setTimeout(wake, 5));
    }
  }
}

it('D8: double opens and kills', async () => {
  const begin = performance.now();
  const misses: string[] = [];
  const path = domus.path('a.img');
  await domus.do('create', domus.tiny('a'));
  symlinkSync(path, domus.path('link.img'));
  linkSync(path, domus.path('hard.img'));
  const paths = [path, domus.path('link.img'), domus.path('hard.img')];
  const attempts: [what: string, by: Domus, ...args: string[]][] = [];
  for (const [i, target] of paths.entries()) {
    attempts.push(
      ['a second domain', domus, 'create', configuration(domus, `b${i}`, target)],
      ['a reader', domus, 'create', configuration(domus, `r${i}`, target, 'r')],
      ['another app', other, 'create', configuration(other, `b${i}`, target)],
      ['domus run', other, 'run', configuration(other, `run${i}`, target)],
      ['resize', other, 'disk', 'resize', target, '8M'],
      ['convert', other, 'disk', 'convert', target, other.path(`copy${i}.qcow2`)],
    );
  }
  let refused = 0;
  for (const [what, by, ...args] of attempts) {
    const { status, stderr } = await by.run(...args);
    const named = stderr.includes('domain a') && stderr.includes('in use');
    if (status !== 0 && named) refused++;
    else misses.push(`${what} (${args.join(' ')}) ended with ${status}: ${stderr}`);
  }

  let slowest = 0;
  for (let i = 0; i < KILLS; i++) {
    // Every second time the whole toolstack dies, and its domains with it.
    const victim = i % 2 === 0 ? domainProcess(daemon.child.pid, 'a') : daemon.child.pid;
    process.kill(victim ?? 0, 'SIGKILL');
    const after = await freeAfter(path, performance.now());
    slowest = Math.max(slowest, after);
    if (after > FREE_MS)
      misses.push(`kill ${i}: the image was free only after ${after.toFixed(0)} ms`);
    if (i % 2 === 0) await domus.reaches('a', 'crashed');
    else daemon = await domus.daemon();
    await domus.do('start', 'a');
  }
  judge({
    bar: 'D8',
    ours: `${refused} of ${count(attempts.length)} second opens refused with the owner's name, free ${slowest.toFixed(0)} ms at most after ${KILLS} times kill -9, ${secondsSince(begin)}`,
    anchor: 'QEMU: Failed to get "write" lock, no name',
    misses,
  });
});
