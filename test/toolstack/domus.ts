import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DomainInfo } from '../../core/api';
import { temporaryDirectory } from './bundle';
import { writeTinyGuest } from './tiny-guest';

/** The built program; DOMUS_DIST names another build to test. */
const DIST = process.env['DOMUS_DIST'] ?? resolve(import.meta.dirname, '../../dist');
const CLI = join(DIST, 'cli.mjs');
/** How long a guest or a command may take before the test gives up on it. */
const PATIENCE_MS = 30_000;

/** capabilities(7): what lets root pass over the modes of files. */
const WITHOUT_PRIVILEGE = ['--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all'];

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `domus` whose output is watched. */
export class Program {
  stdout = '';
  stderr = '';
  readonly finished: Promise<Finished>;

  constructor(readonly child: ChildProcessWithoutNullStreams) {
    child.stdout.on('data', (chunk: Buffer) => (this.stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    this.finished = once(child, 'close').then(([status]) => ({
      status: status as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  type(text: string): void {
    this.child.stdin.write(text);
  }

  /** Resolves when `done` holds; fails with what was printed when it does not in time. */
  async until(done: () => boolean, what: string, patienceMs = PATIENCE_MS): Promise<void> {
    const deadline = Date.now() + patienceMs;
    while (!done()) {
      if (Date.now() > deadline) {
        throw new Error(`no ${what}; stdout: ${this.stdout}\nstderr: ${this.stderr}`);
      }
      await new Promise((wake) => setTimeout(wake, 20));
    }
  }

  printed(text: string, patienceMs?: number): Promise<void> {
    return this.until(() => this.stdout.includes(text), JSON.stringify(text), patienceMs);
  }

  complained(text: string): Promise<void> {
    return this.until(() => this.stderr.includes(text), JSON.stringify(text));
  }
}

/** A data directory of its own with the command line, perhaps a daemon, and images in it. */
export class Domus {
  private readonly directory = temporaryDirectory();
  private readonly programs: Program[] = [];
  readonly home = join(this.directory.path, 'home');

  constructor() {
    mkdirSync(this.home, { mode: 0o700 });
  }

  path(name: string): string {
    return join(this.directory.path, name);
  }

  /** Writes a file into the directory and returns its path. */
  file(name: string, content: string | Uint8Array): string {
    writeFileSync(this.path(name), content);
    return this.path(name);
  }

  /** A configuration whose disk is the tiny guest. */
  tiny(name: string, settings = ''): string {
    writeTinyGuest(this.path(`${name}.img`));
    const disk = `disk = [ 'format=raw, vdev=hda, access=rw, target=${name}.img' ]`;
    return this.file(`${name}.cfg`, `name = "${name}"\nmemory = 32\n${disk}\n${settings}\n`);
  }

  start(...args: string[]): Program {
    return this.spawn(process.execPath, [CLI, ...args]);
  }

  /** The same on a terminal of its own (util-linux `script`): output and errors come together. */
  startOnTerminal(...args: string[]): Program {
    const command = [process.execPath, CLI, ...args].map((word) => `'${word}'`).join(' ');
    return this.spawn('script', ['-qefc', command, '/dev/null']);
  }

  private spawn(program: string, args: string[], settings: NodeJS.ProcessEnv = {}): Program {
    const started = new Program(
      spawn(program, args, {
        cwd: this.directory.path,
        env: { ...process.env, DOMUS_HOME: this.home, ...settings },
      }),
    );
    this.programs.push(started);
    return started;
  }

  /** Runs a command to its end without input. */
  async run(...args: string[]): Promise<Finished> {
    const program = this.start(...args);
    program.child.stdin.end();
    return program.finished;
  }

  /** The same in a changed environment. */
  async runWith(settings: NodeJS.ProcessEnv, ...args: string[]): Promise<Finished> {
    const program = this.spawn(process.execPath, [CLI, ...args], settings);
    program.child.stdin.end();
    return program.finished;
  }

  /** The same without root's right to read what its mode forbids, for those who run tests as root. */
  async runWithoutPrivilege(...args: string[]): Promise<Finished> {
    const program =
      process.getuid?.() === 0
        ? this.spawn('setpriv', [...WITHOUT_PRIVILEGE, process.execPath, CLI, ...args])
        : this.start(...args);
    program.child.stdin.end();
    return program.finished;
  }

  /** Runs a command that has to succeed; its output. */
  async do(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.run(...args);
    if (status !== 0) throw new Error(`domus ${args.join(' ')} ended with ${status}: ${stderr}`);
    return stdout;
  }

  async daemon(): Promise<Program> {
    const daemon = this.start('daemon');
    await daemon.complained('serving');
    return daemon;
  }

  /**
   * A `domus` for which the directory `small` is a file system of its own with room for `bytes` and a copy of `file` in
   * it; `inside` is where others find it.
   */
  startOnSmallDisk(
    bytes: number,
    file: string,
    ...args: string[]
  ): { program: Program; inside: string } {
    const small = this.path('small');
    mkdirSync(small);
    const script = 'mount -t tmpfs -o "size=$1" none "$2" && cp "$3" "$2" && shift 3 && exec "$@"';
    const mount = ['sh', '-c', script, 'sh', String(bytes), small, file];
    const program = this.spawn('unshare', ['-rm', ...mount, process.execPath, CLI, ...args]);
    return { program, inside: `/proc/${program.child.pid}/root${small}` };
  }

  async domain(name: string): Promise<DomainInfo> {
    const [domain] = JSON.parse(await this.do('list', '--json', name)) as DomainInfo[];
    if (!domain) throw new Error(`no domain ${name}`);
    return domain;
  }

  /** Waits for a domain to be in a state. */
  async reaches(name: string, state: DomainInfo['state']): Promise<DomainInfo> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const domain = await this.domain(name);
      if (domain.state === state) return domain;
      if (Date.now() > deadline) throw new Error(`${name} is ${domain.state}, not ${state}`);
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }

  /** Ends everything this test started and removes its files. */
  async close(): Promise<void> {
    for (const { child } of this.programs) child.kill('SIGTERM');
    const grace = setTimeout(() => {
      for (const { child } of this.programs) child.kill('SIGKILL');
    }, 8000);
    await Promise.all(this.programs.map(({ finished }) => finished));
    clearTimeout(grace);
    this.directory.close();
  }
}

/** Process ids of the domain processes of a `domus`, by the name they were started with. */
export function domainProcess(parent: number | undefined, name: string): number | undefined {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const arguments_ = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0');
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const ppid = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      if (arguments_.includes(`domus domain ${name}`) && ppid === parent) return Number(entry);
    } catch (error) {
      // A process that ended between the listing and the look.
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  return undefined;
}

/** True while a process exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
