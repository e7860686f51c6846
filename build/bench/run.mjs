// `npm run bench`: the same guests on Domus and on other machines, in one run, with times, ratios and checksums.
//   node build/bench/run.mjs --peers domus,qemu --rows sha256,fork --bits 64 --repeats 3 --quick
import { parseArgs } from 'node:util';
import { SetupError } from '../lib/apt.mjs';
import { bootOnce } from './boots.mjs';
import { benchGuest, deviceGuest } from './guest.mjs';
import { integerLoop } from './integer-loop.mjs';
import { exchange, freePort } from './network-host.mjs';
import { peerNamed } from './peers.mjs';
import { formatHistory, formatResults } from './report.mjs';
import { isDisturbed, Results } from './results.mjs';
import { BOOT_ROWS, DEVICE_ROWS, GUEST_ROWS, LOOP_ROW, ROW_NAMES } from './rows.mjs';

const READY_MS = 600_000;
const ROW_MS = 900_000;
const OFF_MS = 15_000;
/** Times a row is tried when something else on this machine takes processor time. */
const ATTEMPTS = 3;
/** A boot is long enough to tell much the first time. */
const MAX_BOOTS = 2;

const USAGE = `npm run bench -- [options]
  --peers LIST    domus,qemu,v86 (default), native. All are compared with the first. Settings follow a colon:
                  domus:KEY=VALUE with keys of xl.cfg or names of environment variables, qemu:cpu=max
  --rows LIST     ${ROW_NAMES.join(' ')}
  --bits LIST     64,32 (default)
  --repeats N     times every row runs; the best counts (default 3; boots ${MAX_BOOTS} at most)
  --quick         a part of the work, once, without the installer
  --history       what earlier runs found, by commit
DOMUS_DIST=FOLDER measures another build of Domus than this checkout's.
`;

const list = (text) => text.split(',').filter((word) => word !== '');

function readOptions() {
  const { values } = parseArgs({
    options: {
      peers: { type: 'string', default: 'domus,qemu,v86' },
      rows: { type: 'string' },
      bits: { type: 'string', default: '64,32' },
      repeats: { type: 'string' },
      quick: { type: 'boolean', default: false },
      history: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { quick, help, history } = values;
  const usual = quick ? ROW_NAMES.filter((row) => row !== 'installer') : ROW_NAMES;
  const rows = values.rows === undefined ? usual : list(values.rows);
  const unknown = rows.filter((row) => !ROW_NAMES.includes(row));
  if (unknown.length > 0) throw new SetupError(`There is no row ${unknown.join(', ')}.\n${USAGE}`);
  const repeats = Number(values.repeats ?? (quick ? 1 : 3));
  const bits = list(values.bits).map(Number);
  if (!(repeats >= 1) || bits.some((size) => size !== 64 && size !== 32)) throw new SetupError(USAGE);
  return { help, history, peers: list(values.peers), rows, bits, repeats, quick };
} // prettier-ignore

const print = (text) => process.stdout.write(`${text}\n`);

function report(results, sample) {
  results.add(sample);
  const {
    bits,
    row,
    peer,
    seconds,
    threadSeconds,
    cpuSeconds,
    sum = '',
    disturbed = false,
    megabytesPerSecond,
  } = sample;
  const rate = megabytesPerSecond ? ` ${megabytesPerSecond.toFixed(0)} MB/s` : '';
  print(
    `${bits}-bit ${row.padEnd(11)} ${peer.padEnd(10)} ${seconds.toFixed(3).padStart(8)} s  thread ${threadSeconds.toFixed(3).padStart(8)} s  cpu ${cpuSeconds.toFixed(2).padStart(6)} s  ${sum}${rate}${disturbed ? ' disturbed' : ''}`,
  );
}

const percentOf = (row, bits, quick) => {
  const { quick: part, percent32 = 100 } = GUEST_ROWS[row] ?? DEVICE_ROWS[row];
  return Math.max(1, Math.round((quick ? part : 100) * (bits === 32 ? percent32 / 100 : 1)));
};

/** One row once: seconds of the guest's clock, of the host's, of processor time, of the thread that runs the guest; the checksum. */
async function measure({ machine, hostPort }, name, percent) {
  const from = machine.output.length;
  const failed = 'BENCH error (.*)\n';
  const { row, megabytes, network } = DEVICE_ROWS[name] ?? { row: name };
  machine.send(`run ${row} 1 ${percent}\n`);
  await machine.match(new RegExp(`BENCH start ${row}\r?\n|${failed}`), ROW_MS, from);
  const stop = machine.stopWatch();
  const exchanged = network && exchange(hostPort).catch(() => {});
  const found = await machine.match(
    new RegExp(`BENCH row ${row} (\\d+) ([0-9a-f]+)\r?\n|${failed}`),
    ROW_MS,
    from,
  );
  const times = stop();
  const [, ns, sum, failure] = found;
  if (failure !== undefined) throw new Error(`${machine.name}: ${row}: ${failure}`);
  await machine.match(new RegExp(`BENCH done ${row}\r?\n`), ROW_MS, from);
  await exchanged;
  const seconds = Number(ns) / 1e9;
  const rate = megabytes && { megabytesPerSecond: (megabytes * percent) / 100 / seconds };
  return { row: name, peer: machine.name, seconds, ...times, sum, ...rate };
}

/** Runs a step of a peer; one that fails is a fault of the results, and the others go on. Undefined when it failed. */
async function attempt(results, what, step) {
  try {
    return await step();
  } catch (error) {
    print(`${what}: ${error.message}`);
    results.fault(`${what}: ${error.message.split('\n')[0].slice(0, 200)}`);
    return undefined;
  }
}

async function startMachines(boot, peers, results) {
  const machines = [];
  const { bits } = boot;
  for (const peer of peers) {
    await attempt(results, `${bits}-bit ${peer.name}`, async () => {
      const hostPort = boot.nic && (await freePort());
      const machine = await peer.start({ ...boot, hostPort });
      machines.push({ machine, hostPort });
      await machine.match(/BENCH ready\r?\n/, READY_MS);
      const { wallSeconds, cpuSeconds } = machine.sinceStart();
      print(
        `${bits}-bit ${peer.name}: the guest is ready after ${wallSeconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s of processor time`,
      );
    });
  }
  return machines;
}

/** One row on one machine, again when it was disturbed. */
async function runRow(started, row, bits, quick, results) {
  for (let left = ATTEMPTS; left > 0; left--) {
    const sample = await measure(started, row, percentOf(row, bits, quick));
    const disturbed = isDisturbed(sample);
    report(results, { bits, ...sample, disturbed });
    if (!disturbed) break;
  }
}

/** All peers booted at once and idle; each row then runs on one after the other, so that they meet the same conditions. */
async function runOn(boot, peers, rows, { repeats, quick }, results) {
  const { bits } = boot;
  const started = await startMachines(boot, peers, results);
  const machines = started.map(({ machine }) => machine);
  try {
    for (const row of rows) {
      for (let repeat = 0; repeat < repeats; repeat++) {
        for (const one of started.filter(({ machine }) => !machine.ended))
          await attempt(results, `${bits}-bit ${one.machine.name} ${row}`, () =>
            runRow(one, row, bits, quick, results),
          );
      }
    }
    for (const machine of machines) machine.send('off\n');
    const patience = new Promise((resolve) => setTimeout(resolve, OFF_MS).unref());
    await Promise.race([Promise.all(machines.map(({ finished }) => finished)), patience]);
  } finally {
    await Promise.all(machines.map((machine) => machine.close()));
  }
}

async function runGuestRows(bits, peers, rows, options, results) {
  const able = peers.filter((peer) => peer.bits.includes(bits));
  if (able.length === 0 || rows.length === 0) return;
  await runOn(await benchGuest(bits), able, rows, options, results);
}

/** Rows whose machines are the same run on the same machine. */
async function runDeviceRows(peers, rows, options, results) {
  const able = peers.filter((peer) => peer.devices);
  if (able.length === 0 || rows.length === 0) return;
  const kinds = new Map(rows.map((row) => [JSON.stringify(DEVICE_ROWS[row].machine), []]));
  for (const row of rows) kinds.get(JSON.stringify(DEVICE_ROWS[row].machine)).push(row);
  for (const [machine, its] of kinds)
    await runOn({ ...(await deviceGuest()), ...JSON.parse(machine) }, able, its, options, results);
}

async function runBoots(peers, rows, { bits, repeats }, results) {
  for (const name of rows) {
    const row = BOOT_ROWS[name];
    for (const size of bits.filter((size) => row.bits.includes(size))) {
      const able = peers.filter(
        (peer) => peer.boots && peer.bits.includes(size) && (peer.screen || !row.screen),
      );
      for (let repeat = 0; repeat < Math.min(repeats, MAX_BOOTS); repeat++) {
        for (const peer of able) {
          await attempt(results, `${size}-bit ${peer.name} ${name}`, async () => {
            const times = await bootOnce(peer, row, size);
            report(results, { bits: size, row: name, peer: peer.name, ...times });
          });
        }
      }
    }
  }
}

async function runLoop(peers, results) {
  if (!peers.some(({ kind }) => kind === 'domus')) return;
  for (const { tier, mips } of await integerLoop())
    results.rates.push({ row: LOOP_ROW, tier, mips });
}

async function bench(options) {
  const peers = options.peers.map(peerNamed);
  for (const peer of peers) await peer.prepare();
  const results = new Results(options.peers, options);
  const { load, processors } = results.machine;
  if (load > processors / 4)
    print(`This machine is busy (load ${load.toFixed(1)}): expect times too long; processor times are less affected.`);
  if (options.rows.includes(LOOP_ROW)) await attempt(results, LOOP_ROW, () => runLoop(peers, results));
  const isGuestRow = (row) => GUEST_ROWS[row] !== undefined;
  for (const bits of options.bits)
    await runGuestRows(bits, peers, options.rows.filter(isGuestRow), options, results);
  if (options.bits.includes(64))
    await runDeviceRows(peers, options.rows.filter((row) => DEVICE_ROWS[row] !== undefined), options, results);
  const boots = options.rows.filter((row) => BOOT_ROWS[row] !== undefined);
  await runBoots(peers, boots, options, results);
  results.checkSums();
  print(`\n${formatResults(results)}`);
  print(`Kept in ${results.save()}`);
  if (results.faults.length > 0) process.exitCode = 1;
} // prettier-ignore

try {
  const options = readOptions();
  if (options.help) print(USAGE);
  else if (options.history) print(formatHistory());
  else await bench(options);
} catch (error) {
  process.stderr.write(`${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
