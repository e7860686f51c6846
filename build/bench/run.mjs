// `npm run bench`: the same guests on Domus and on other machines, in one run, with times, ratios and checksums.
//   node build/bench/run.mjs --peers domus,qemu --rows sha256,fork --bits 64 --repeats 3 --quick
import { parseArgs } from 'node:util';
import { SetupError } from '../lib/apt.mjs';
import { benchGuest } from './guest.mjs';
import { peerNamed } from './peers.mjs';
import { GUEST_ROWS } from './rows.mjs';

const READY_MS = 400_000;
const ROW_MS = 600_000;

const USAGE = `npm run bench -- [options]
  --peers LIST    domus,qemu,v86 by default; settings follow a colon: domus:KEY=VALUE, qemu:cpu=max
  --rows LIST     ${Object.keys(GUEST_ROWS).join(' ')}
  --bits LIST     64,32 by default
  --repeats N     times every row runs; the best counts (3)
  --quick         a part of the work, once
`;

const list = (text) => text.split(',').filter((word) => word !== '');

function options() {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: 'domus,qemu,v86' },
      rows: { type: 'string', default: Object.keys(GUEST_ROWS).join(',') },
      bits: { type: 'string', default: '64,32' },
      repeats: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const rows = list(values.rows);
  const unknown = rows.filter((row) => GUEST_ROWS[row] === undefined);
  if (unknown.length > 0) throw new SetupError(`There is no row ${unknown.join(', ')}.\n${USAGE}`);
  return {
    help: values.help,
    peers: list(values.peers).map(peerNamed),
    rows,
    bits: list(values.bits).map(Number),
    repeats: Number(values.repeats ?? (values.quick ? 1 : 3)),
    quick: values.quick,
  };
}

const percentOf = (row, bits, quick) => {
  const { quick: part, percent32 = 100 } = GUEST_ROWS[row];
  return Math.max(1, Math.round((quick ? part : 100) * (bits === 32 ? percent32 / 100 : 1)));
};

/** One row once: seconds of the guest's clock, of the host's, of processor time, and the checksum. */
async function measure(machine, row, percent) {
  const from = machine.output.length;
  const cpu = machine.cpu;
  const started = performance.now();
  machine.send(`run ${row} 1 ${percent}\n`);
  const [, failure] = await machine.match(/BENCH (?:error (.*)|done .*)\n/, ROW_MS, from);
  const wallSeconds = (performance.now() - started) / 1000;
  const cpuSeconds = machine.cpu - cpu;
  if (failure !== undefined) throw new Error(`${machine.name}: ${row}: ${failure}`);
  const [, ns, sum] = /BENCH row \S+ (\d+) ([0-9a-f]+)/.exec(machine.output.slice(from));
  return { seconds: Number(ns) / 1e9, wallSeconds, cpuSeconds, sum };
}

async function runGuests(bits, { peers, rows, repeats, quick }) {
  const able = peers.filter((peer) => peer.bits.includes(bits));
  if (able.length === 0) return;
  const boot = await benchGuest(bits);
  const machines = [];
  try {
    for (const peer of able) {
      const machine = await peer.start(boot);
      machines.push(machine);
      await machine.match(/BENCH ready\r?\n/, READY_MS);
      const seconds = (performance.now() - machine.started) / 1000;
      print(
        `${bits}-bit ${peer.name}: ready in ${seconds.toFixed(1)} s, ${machine.cpu.toFixed(1)} s of CPU`,
      );
    }
    for (const row of rows) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        for (const machine of machines) {
          const result = await measure(machine, row, percentOf(row, bits, quick));
          print(
            `${bits}-bit ${row.padEnd(11)} ${machine.name.padEnd(10)} ${result.seconds.toFixed(3).padStart(8)} s  cpu ${result.cpuSeconds.toFixed(2).padStart(7)}  wall ${result.wallSeconds.toFixed(2).padStart(7)}  ${result.sum}`,
          );
        }
      }
    }
    for (const machine of machines) machine.send('off\n');
    await Promise.race([
      Promise.all(machines.map(({ finished }) => finished)),
      new Promise((resolve) => setTimeout(resolve, 10_000)),
    ]);
  } finally {
    await Promise.all(machines.map((machine) => machine.close()));
  }
}

const print = (text) => process.stdout.write(`${text}\n`);

try {
  const wanted = options();
  if (wanted.help) print(USAGE);
  else {
    for (const peer of wanted.peers) await peer.prepare();
    for (const bits of wanted.bits) await runGuests(bits, wanted);
  }
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
