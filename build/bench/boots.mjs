// Boots of real systems: seconds from the start of a peer's program until its guest shows what is waited for.
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { KEYSYM_RETURN, RfbScreen } from './rfb.mjs';

const BOOT_MS = 600_000;
const LOOK_MS = 250;
/** VNC displays of the benchmark, far from the first ones that everything else takes. */
const FIRST_PORT = 5970;
const LAST_PORT = 5999;

/** Boots a peer once as `row` says: wall and processor seconds, and what can be compared of the result. */
export async function bootOnce(peer, row, bits) {
  const boot = await row.machine(bits);
  return row.screen ? bootToScreen(peer, boot) : bootToText(peer, boot, row.ready);
}

async function bootToText(peer, boot, ready) {
  const machine = await peer.start(boot);
  try {
    await machine.match(ready, BOOT_MS);
    return took(machine);
  } finally {
    await machine.close();
  }
}

function took(machine) {
  const times = machine.sinceStart();
  return { seconds: times.wallSeconds, ...times };
}

async function bootToScreen(peer, boot) {
  const vncPort = await freePort();
  const machine = await peer.start({ ...boot, vncPort });
  let screen;
  try {
    screen = await RfbScreen.connect(vncPort, 20_000);
    for (const deadline = performance.now() + BOOT_MS; ;) {
      await screen.look();
      if (isDialogue(screen)) break;
      // The boot menu is in text mode and waits for this; the kernel has a graphics mode.
      if (screen.width < 800) screen.key(KEYSYM_RETURN);
      if (performance.now() > deadline) throw new Error(`${peer.name} showed no language screen`);
      await sleep(LOOK_MS);
    }
    const result = took(machine);
    // It is drawn from top to bottom: the picture that stays is compared.
    return { ...result, sum: await stillPicture(screen) };
  } finally {
    screen?.close();
    await machine.close();
  }
}

/** The language screen: a light grey window on blue with a selected line in red, in the colours of VGA text. */
const isDialogue = (screen) =>
  screen.share(170, 170, 170) > 0.6 &&
  screen.share(0, 0, 170) > 0.05 &&
  screen.share(170, 0, 0) > 0.002;

async function stillPicture(screen) {
  for (let last = screen.hash(); ; last = screen.hash()) {
    await sleep(1000);
    await screen.look();
    if (screen.hash() === last) return last;
  }
}

async function freePort() {
  for (let port = FIRST_PORT; port <= LAST_PORT; port++) {
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${LAST_PORT}`);
}
