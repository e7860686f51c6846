// A running machine of any kind, seen as a child process whose standard input and output are the guest's serial port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { processorTimeBetween, processorTimes } from './process-tree.mjs';

const KEPT_OUTPUT = 1 << 20;

export class Peer {
  /** All the guest printed, the end of it when it is long. */
  output = '';
  #started;
  #errors = '';
  #ended = false;
  #waiting = new Set();
  #child;

  constructor(name, { command, args, env = {}, cwd, cleanUp = () => {} }) {
    this.name = name;
    this.#started = performance.now();
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe' });
    this.#child.stdout.setEncoding('latin1').on('data', (text) => {
      this.output = (this.output + text).slice(-KEPT_OUTPUT);
      this.#wake();
    });
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#errors = (this.#errors + text).slice(-KEPT_OUTPUT);
    });
    this.#child.stdin.on('error', () => {});
    this.#child.on('error', (error) => {
      this.#errors += error.message;
    });
    this.finished = once(this.#child, 'close').then(
      () => {},
      () => {},
    ).then(() => {
      this.#ended = true;
      cleanUp();
      this.#wake();
    }); // prettier-ignore
  }

  #wake() {
    for (const check of [...this.#waiting]) check();
  }

  /** Starts a stop watch: called, it tells seconds since then: of the host's clock, of processor time, of the busiest thread. */
  stopWatch() {
    const before = processorTimes(this.#child.pid);
    const started = performance.now();
    return () => {
      const wallSeconds = (performance.now() - started) / 1000;
      return { wallSeconds, ...processorTimeBetween(before, processorTimes(this.#child.pid)) };
    };
  }

  /** The same since it was started. */
  sinceStart() {
    const wallSeconds = (performance.now() - this.#started) / 1000;
    const none = { cpuSeconds: 0, endedSeconds: 0, threads: new Map() };
    return { wallSeconds, ...processorTimeBetween(none, processorTimes(this.#child.pid)) };
  }

  get ended() {
    return this.#ended;
  }

  send(text) {
    this.#child.stdin.write(text);
  }

  /** Waits until the output from `from` on has a match; the match. Fails when the peer ends or time is up. */
  async match(pattern, limitMs, from = 0) {
    return new Promise((resolve, reject) => {
      const stop = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(check);
        settle(value);
      };
      const problem = (what) =>
        new Error(`${this.name} ${what}; its console: ${this.output.slice(-1500)}${this.#errors}`);
      const check = () => {
        const found = pattern.exec(this.output.slice(from));
        if (found) stop(resolve, found);
        else if (this.#ended) stop(reject, problem('ended'));
      };
      const timer = setTimeout(
        () => stop(reject, problem(`printed no ${pattern} in ${limitMs / 1000} s`)),
        limitMs,
      );
      this.#waiting.add(check);
      check();
    });
  }

  /** Ends it, by force when a request is not enough. */
  async close() {
    if (!this.#ended) this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    await this.finished;
    clearTimeout(force);
  }
}
