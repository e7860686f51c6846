// Figures of one run: what is kept of them and how they are compared.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, ROOT } from '../lib/paths.mjs';
import { BOOT_ROWS, DEVICE_ROWS } from './rows.mjs';

/** A guest's clock may differ from the host's by this much; the slack is for the way of a line through the serial port. */
const CLOCK_TOLERANCE = 0.15;
const CLOCK_SLACK_SECONDS = 0.3;

/** The guest's thread may wait for a processor for this much of the time; more, and the machine was busy with something else. */
const QUEUED_SHARE = 0.1;
const SHORT_SECONDS = 0.1;

/** True when something else on this machine took processor time from a sample. */
export const isDisturbed = ({ wallSeconds, queuedSeconds }) =>
  wallSeconds > SHORT_SECONDS && queuedSeconds > wallSeconds * QUEUED_SHARE;

/** No row is shorter. */
const SHORTEST_SECONDS = 0.001;

const best = (values) => Math.min(...values);
const geometricMean = (values) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** A folder for every commit, outside the checkout; in it a file for every run. */
export const RESULTS_FOLDER = cacheFolder('bench', 'results');

export class Results {
  /** `{ row, bits, peer, seconds, wallSeconds, threadSeconds, queuedSeconds, cpuSeconds, sum, disturbed }`, one for every time a row ran. */
  samples = [];
  /** Figures that are not times: `{ row, tier, mips }`. */
  rates = [];
  /** What makes the figures worthless: wrong checksums, clocks that lie, peers that failed. */
  faults = [];

  constructor(peers, options = {}) {
    this.peers = peers;
    this.options = options;
    this.machine = describeMachine();
    this.started = new Date();
  }

  add(sample) {
    this.samples.push(sample);
    const { seconds, wallSeconds, disturbed, row, bits, peer } = sample;
    if (!disturbed && Math.abs(seconds - wallSeconds) > wallSeconds * CLOCK_TOLERANCE + CLOCK_SLACK_SECONDS)
      this.fault(`${bits}-bit ${row}: ${peer} says ${seconds.toFixed(2)} s, the host ${wallSeconds.toFixed(2)} s`); // prettier-ignore
  }

  fault(text) {
    if (!this.faults.includes(text)) this.faults.push(text);
  }

  of(bits, row, peer) {
    return this.samples.filter((s) => s.bits === bits && s.row === row && s.peer === peer);
  }

  /** Every peer has to compute the same. */
  checkSums() {
    for (const { bits, rows } of this.tables()) {
      for (const row of rows) {
        const sums = new Set(
          this.samples.filter((s) => s.bits === bits && s.row === row).map((s) => s.sum),
        );
        if (sums.size > 1) {
          const said = this.peers.map((peer) => `${peer} ${this.of(bits, row, peer)[0]?.sum}`);
          this.fault(`${bits}-bit ${row}: different results: ${said.join(', ')}`);
        }
      }
    }
  }

  tables() {
    return [64, 32]
      .map((bits) => ({
        bits,
        rows: [...new Set(this.samples.filter((s) => s.bits === bits).map((s) => s.row))],
      }))
      .filter(({ rows }) => rows.length > 0);
  }

  /** Best times of the peers for a row, and how many times faster the first peer is than each other. */
  summary(bits, row) {
    const peers = {};
    for (const peer of this.peers) {
      const samples = this.of(bits, row, peer);
      const undisturbed = samples.filter((s) => !s.disturbed);
      const counted = undisturbed.length > 0 ? undisturbed : samples;
      if (counted.length > 0) {
        peers[peer] = {
          seconds: best(counted.map((s) => s.seconds)),
          threadSeconds: best(counted.map((s) => s.threadSeconds)),
          cpuSeconds: best(counted.map((s) => s.cpuSeconds)),
          disturbed: counted.every((s) => s.disturbed),
        };
      }
    }
    return peers;
  }

  /** Megabytes a second of a row that moves some, at its best: `domus 80 MB/s`. */
  bestRate(bits, row, peer) {
    const rates = this.of(bits, row, peer).flatMap((s) => s.megabytesPerSecond ?? []);
    return rates.length === 0 ? undefined : `${peer} ${Math.max(...rates).toFixed(0)} MB/s`;
  }

  /** How many times faster the first peer is than another; undefined when one of them did not run the row. */
  ratio(bits, row, other, what = 'seconds') {
    const { [this.peers[0]]: subject, [other]: compared } = this.summary(bits, row);
    if (subject === undefined || compared === undefined) return undefined;
    return compared[what] / Math.max(subject[what], SHORTEST_SECONDS);
  }

  /** The geometric mean of the ratios of the guest program's rows; devices and boots are not in it. Undefined without rows. */
  mean(bits, rows, other, what = 'seconds') {
    const ratios = rows
      .filter((row) => BOOT_ROWS[row] === undefined && DEVICE_ROWS[row] === undefined)
      .map((row) => this.ratio(bits, row, other, what))
      .filter((ratio) => ratio !== undefined);
    return ratios.length === 0 ? undefined : geometricMean(ratios);
  }

  /** Keeps the run as JSON in a folder named after the commit; the path. */
  save() {
    const { commit, changed } = this.machine;
    const folder = join(RESULTS_FOLDER, commit + (changed ? '-changed' : ''));
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${this.started.toISOString().replace(/[:.]/g, '-')}${this.options.quick ? '-quick' : ''}.json`);
    const means = {};
    for (const { bits, rows } of this.tables())
      for (const peer of this.peers.slice(1)) means[`${bits}-bit / ${peer}`] = this.mean(bits, rows, peer);
    const { peers, options, machine, samples, rates, faults } = this;
    const kept = { version: 1, started: this.started, machine, options, peers, samples, rates, means, faults };
    writeFileSync(file, `${JSON.stringify(kept, null, 1)}\n`);
    return file;
  }
} // prettier-ignore

function describeMachine() {
  const git = (...args) => spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' }).stdout?.trim();
  const version = (command) => {
    const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
    return stdout?.split('\n')[0] || undefined;
  };
  return {
    commit: process.env['DOMUS_DIST']
      ? 'other-build'
      : git('rev-parse', '--short=12', 'HEAD') || 'no-commit',
    changed: git('status', '--porcelain', '--', 'core') !== '',
    processor: cpus()[0]?.model,
    processors: cpus().length,
    memoryMiB: Math.round(totalmem() / (1 << 20)),
    kernel: execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim(),
    load: loadavg()[0],
    node: process.version,
    v8: process.versions.v8,
    qemu: version('qemu-system-x86_64'),
    v86: JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).devDependencies['v86'],
  };
}
