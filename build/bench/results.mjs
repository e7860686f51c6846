// Figures of one run: what is kept of them, how they are compared, how they are shown.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { cacheFolder, ROOT } from '../lib/paths.mjs';

/** A guest's clock may differ from the host's by this much; the slack is for the way of a line through the serial port. */
const CLOCK_TOLERANCE = 0.15;
const CLOCK_SLACK_SECONDS = 0.3;

/** A sample that got less of a processor than this shared it with something else on this machine. */
const UNDISTURBED_SHARE = 0.85;
const SHORT_SECONDS = 0.1;

/** Every row keeps a processor busy: one that waited was disturbed. */
export const isDisturbed = ({ wallSeconds, cpuSeconds }) =>
  wallSeconds > SHORT_SECONDS && cpuSeconds < wallSeconds * UNDISTURBED_SHARE;

const best = (values) => Math.min(...values);
const geometricMean = (values) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

export class Results {
  /** `{ row, bits, peer, seconds, wallSeconds, cpuSeconds, sum, disturbed }`, one for every time a row ran. */
  samples = [];
  /** Figures that are not times: `{ row, tier, mips }`. */
  rates = [];
  /** What makes the figures worthless: wrong checksums, clocks that lie, peers that failed. */
  faults = [];

  constructor(peers, options) {
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
          cpuSeconds: best(counted.map((s) => s.cpuSeconds)),
          disturbed: counted.every((s) => s.disturbed),
        };
      }
    }
    return peers;
  }

  /** The geometric mean over rows of how many times faster the first peer is than another; undefined without rows. */
  mean(bits, rows, other, what = 'seconds') {
    const ratios = rows
      .map((row) => this.summary(bits, row))
      .filter((peers) => peers[this.peers[0]] !== undefined && peers[other] !== undefined)
      .map((peers) => peers[other][what] / Math.max(peers[this.peers[0]][what], 0.001));
    return ratios.length === 0 ? undefined : geometricMean(ratios);
  }

  /** The tables as text. */
  format() {
    const [subject, ...others] = this.peers;
    const width = Math.max(10, ...this.peers.map((peer) => peer.length + 2));
    const cell = (text) => text.padStart(width);
    const lines = [];
    for (const { bits, rows } of this.tables()) {
      const here = this.peers.filter((peer) => rows.some((row) => this.of(bits, row, peer).length > 0));
      const compared = here.includes(subject) ? others.filter((peer) => here.includes(peer)) : [];
      lines.push(
        `${bits}-bit guest: best of seconds on the guest's clock, (seconds of processor time), how many times faster ${subject} is`,
        `${''.padEnd(12)}${here.map((peer) => cell(peer) + cell('(cpu)')).join('')}${compared.map((peer) => cell(`/ ${peer}`)).join('')}`,
      );
      for (const row of rows) {
        const peers = this.summary(bits, row);
        const times = here.map((peer) =>
          peers[peer] === undefined
            ? cell('-') + cell('')
            : cell(peers[peer].seconds.toFixed(3) + (peers[peer].disturbed ? '*' : ' ')) + cell(`(${peers[peer].cpuSeconds.toFixed(2)})`),
        );
        const ratios = compared.map((peer) =>
          cell(peers[peer] && peers[subject] ? `${(peers[peer].seconds / peers[subject].seconds).toFixed(2)}x` : '-'),
        );
        lines.push(`${row.padEnd(12)}${times.join('')}${ratios.join('')}`);
      }
      if (compared.length > 0) {
        for (const [label, what] of [['geometric mean', 'seconds'], ['by processor time', 'cpuSeconds']]) {
          const means = compared.map((peer) => {
            const mean = this.mean(bits, rows, peer, what);
            return cell(mean === undefined ? '-' : `${mean.toFixed(2)}x`);
          });
          lines.push(`${label.padEnd(12 + 2 * width * here.length)}${means.join('')}`);
        }
      }
      if (rows.some((row) => Object.values(this.summary(bits, row)).some((peer) => peer.disturbed)))
        lines.push('* something else on this machine took processor time meanwhile');
      lines.push('');
    } // prettier-ignore
    for (const { row, tier, mips } of this.rates)
      lines.push(`${row}: the ${tier} runs ${mips.toFixed(0)} million instructions a second`);
    if (this.rates.length > 0) lines.push('');
    for (const fault of this.faults) lines.push(`WRONG: ${fault}`);
    return lines.join('\n');
  }

  /** Keeps the run as JSON in a folder named after the commit; the path. */
  save() {
    const { commit, changed } = this.machine;
    const folder = cacheFolder('bench', 'results', commit + (changed ? '-changed' : ''));
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
    commit: git('rev-parse', '--short=12', 'HEAD') || 'no-commit',
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
