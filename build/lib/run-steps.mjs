import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { ROOT } from './paths.mjs';

/** Leaves the processors to whoever wants them. */
function yieldProcessors(pid) {
  setPriority(pid, 19);
  try {
    // Linux weighs sessions before it weighs their processes, where it groups them (sched(7), autogroups).
    writeFileSync(`/proc/${pid}/autogroup`, '19');
  } catch {
    // It does not, here.
  }
}

/** Runs a command in the checkout; with `limitMs` it and all it started are killed when time is up, with `background` it takes what others leave of the processors. */
export function runCommand(
  command,
  args,
  { limitMs = Infinity, quiet = false, background = false, env = {} } = {},
) {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(command, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
      detached: true,
    });
    if (background && child.pid !== undefined) yieldProcessors(child.pid);
    const output = [];
    child.stdout?.on('data', (chunk) => output.push(chunk));
    child.stderr?.on('data', (chunk) => output.push(chunk));
    let timedOut = false;
    const killGroup = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    };
    const timer = Number.isFinite(limitMs)
      ? setTimeout(() => {
          timedOut = true;
          killGroup('SIGTERM');
          setTimeout(() => killGroup('SIGKILL'), 5000).unref();
        }, limitMs)
      : undefined;
    const forward = (signal) => killGroup(signal);
    process.once('SIGINT', forward);
    process.once('SIGTERM', forward);
    const finish = (code, text) => {
      clearTimeout(timer);
      process.removeListener('SIGINT', forward);
      process.removeListener('SIGTERM', forward);
      resolve({
        ok: code === 0 && !timedOut,
        timedOut,
        seconds: (Date.now() - started) / 1000,
        output: Buffer.concat(output).toString('utf8') + text,
      });
    };
    child.on('error', (error) => finish(1, error.message));
    child.on('close', (code) => finish(code, ''));
  });
}

const npmRun = (script) => ['npm', ['run', '--silent', script]];

/** Checks that read the sources, the longest first. */
export const CHECKS = ['lint', 'typecheck', 'layers', 'format:check'];

/** Runs all checks, two at a time, and tells `report` how each ended. `background`: beside suites. */
export async function runChecks(report, { background = false } = {}) {
  const queue = [...CHECKS];
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const limitMs = (background ? 20 : 6) * 60_000;
      const result = await runCommand(...npmRun(name), { quiet: true, background, limitMs });
      if (!result.ok && result.output !== '')
        process.stdout.write(`\n--- ${name}\n${result.output}\n`);
      report(name, result);
    }
  };
  await Promise.all(background ? [worker()] : [worker(), worker()]);
}
