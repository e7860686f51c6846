// Figures as text: the tables of a run, and what earlier runs found.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RESULTS_FOLDER } from './results.mjs';

const ROW_WIDTH = 20;
const times = (ratio) => (ratio === undefined ? '-' : `${ratio.toFixed(2)}x`);

/** The tables of a run. */
export function formatResults(results) {
  const lines = results
    .tables()
    .flatMap(({ bits, rows }) => [...formatTable(results, bits, rows), '']);
  for (const { row, tier, mips } of results.rates)
    lines.push(`${row}: the ${tier} runs ${mips.toFixed(0)} million instructions a second`);
  if (results.rates.length > 0) lines.push('');
  for (const fault of results.faults) lines.push(`WRONG: ${fault}`);
  return lines.join('\n');
}

function formatTable(results, bits, rows) {
  const [subject, ...others] = results.peers;
  const ran = (peer) => rows.some((row) => results.of(bits, row, peer).length > 0);
  const here = results.peers.filter(ran);
  const compared = ran(subject) ? others.filter(ran) : [];
  const width = Math.max(10, ...here.map((peer) => peer.length + 3));
  const line = (label, cells) =>
    label.padEnd(ROW_WIDTH) + cells.map((cell) => cell.padStart(width)).join('');
  const lines = [
    `${bits}-bit guest: best seconds by the guest's clock (processor time of the thread that runs the guest); how many times faster ${subject} is`,
    line('', [...here.flatMap((peer) => [peer, '(thread)']), ...compared.map((peer) => `/ ${peer}`)]),
  ];
  for (const row of rows) {
    const peers = results.summary(bits, row);
    const cells = here.flatMap((peer) => figures(peers[peer]));
    const ratios = compared.map((peer) => times(results.ratio(bits, row, peer)));
    lines.push(line(row, [...cells, ...ratios]));
  }
  const blank = here.flatMap(() => ['', '']);
  for (const [label, what] of compared.length === 0 ? [] : [['mean', 'seconds'], ['(thread)', 'threadSeconds']])
    lines.push(line(label, [...blank, ...compared.map((peer) => times(results.mean(bits, rows, peer, what)))]));
  for (const peer of compared) {
    const slower = rows.filter((row) => results.ratio(bits, row, peer) < 1);
    if (slower.length > 0) lines.push(`slower than ${peer}: ${slower.join(', ')}`);
  }
  for (const row of rows) {
    const rates = here.flatMap((peer) => results.bestRate(bits, row, peer) ?? []);
    if (rates.length > 0) lines.push(`${row}: ${rates.join(', ')}`);
  }
  if (rows.some((row) => Object.values(results.summary(bits, row)).some(({ disturbed }) => disturbed)))
    lines.push('* something else on this machine took processor time meanwhile');
  return lines;
} // prettier-ignore

const figures = (summary) =>
  summary === undefined
    ? ['-', '']
    : [
        summary.seconds.toFixed(3) + (summary.disturbed ? '*' : ' '),
        `(${summary.threadSeconds.toFixed(3)})`,
      ];

/** A line for every kept run, oldest first: when, which commit, the geometric means. */
export function formatHistory() {
  const files = listFolders(RESULTS_FOLDER).flatMap((commit) =>
    readdirSync(join(RESULTS_FOLDER, commit)).map((file) => ({ commit, file })),
  );
  files.sort((a, b) => (a.file < b.file ? -1 : 1));
  const lines = files.map(({ commit, file }) => {
    const run = JSON.parse(readFileSync(join(RESULTS_FOLDER, commit, file), 'utf8'));
    const rows = new Set(run.samples.map(({ row }) => row)).size;
    const means = Object.entries(run.means).map(([pair, mean]) => `${pair} ${times(mean)}`);
    const wrong = run.faults.length > 0 ? ['WRONG'] : [];
    return [
      run.started.slice(0, 16).replace('T', ' '),
      commit.padEnd(21),
      `${rows} rows${run.options.quick ? ', quick' : ''}`.padEnd(15),
      run.peers[0],
      [...means, ...wrong].join('  '),
    ].join('  ');
  });
  return lines.length === 0 ? 'No runs are kept yet.' : lines.join('\n');
}

const listFolders = (path) =>
  statSync(path, { throwIfNoEntry: false }) === undefined ? [] : readdirSync(path);
