import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Domus, domainProcess, isAlive, type Program } from './domus';
import { GREETING } from './tiny-guest';

let domus: Domus;
let daemon: Program;

beforeEach(async () => {
  domus = new Domus();
  daemon = await domus.daemon();
});
afterEach(() => domus.close());

describe('domus with a daemon', () => {
  it('carries a domain through its life', async () => {
    await domus.do('create', domus.tiny('a'));
    expect(await domus.domain('a')).toMatchObject({ state: 'running', domid: 1 });
    await domus.do('pause', 'a');
    expect((await domus.domain('a')).state).toBe('paused');
    await domus.do('unpause', '1');
    await domus.do('destroy', 'a');
    expect(await domus.domain('a')).toMatchObject({ state: 'shutoff', domid: null });
    await domus.do('start', 'a', '-p');
    expect(await domus.domain('a')).toMatchObject({ state: 'paused', domid: 2 });
    await domus.do('destroy', 'a');
    await domus.do('delete', '--disks', 'a');
    expect(() => statSync(domus.path('a.img'))).toThrow('ENOENT');
    expect(await domus.run('list', 'a')).toMatchObject({
      status: 1,
      stderr: 'domus: there is no domain "a"\n',
    });
  });

  it('lists in the format of xl list', async () => {
    await domus.do('create', domus.tiny('a'));
    await domus.do('define', domus.tiny('b'));
    const [header, zero, ...rows] = (await domus.do('list')).split('\n');
    expect(header).toBe(
      'Name                                        ID   Mem VCPUs\tState\tTime(s)',
    );
    expect(zero).toMatch(/^Domain-0 {33} {4}0 +\d+ +\d+ {5}r-----  {1,}\d+\.\d$/);
    expect(rows[0]).toMatch(/^a {40} {4}1 {4}32 {5}1 {5}[rb-]{6}  {1,}\d+\.\d$/);
    expect(rows[1]).toBe(`${'b'.padEnd(40)}     -    32     1     ---s--       0.0`);
  });

  it('keeps the console since boot and passes input on', async () => {
    await domus.do('create', domus.tiny('a'));
    await new Promise((wake) => setTimeout(wake, 2000));
    const console_ = domus.start('console', 'a');
    await console_.printed(GREETING);
    console_.type('y');
    await console_.printed('<y>');
    const second = domus.start('console', 'a');
    await second.printed('<y>');
    second.type('q');
    expect((await console_.finished).status).toBe(0);
    expect((await second.finished).stderr).toContain('a has ended');
    // The last run's output can still be read.
    expect(await domus.do('console', 'a')).toContain(GREETING);
  });

  it('attaches with create -c', async () => {
    const create = domus.start('create', '-c', domus.tiny('a'));
    await create.printed(GREETING);
    create.type('q');
    expect((await create.finished).status).toBe(0);
    await domus.reaches('a', 'shutoff');
  });

  it('presses the power button and waits', async () => {
    const create = domus.start('create', '-c', domus.tiny('a'));
    await create.printed(GREETING);
    await domus.do('shutdown', '-w', 'a');
    expect(await domus.domain('a')).toMatchObject({ state: 'shutoff', reason: '' });
  });

  it('reboots with a new domid', async () => {
    const create = domus.start('create', '-c', domus.tiny('a'));
    await create.printed(GREETING);
    await domus.do('reboot', 'a');
    await expect.poll(async () => (await domus.domain('a')).domid, { timeout: 20_000 }).toBe(2);
  });

  it('survives the kill -9 of one domain process; the other goes on', async () => {
    await domus.do('create', domus.tiny('a'));
    await domus.do('create', domus.tiny('b'));
    const console_ = domus.start('console', 'b');
    await console_.printed(GREETING);
    process.kill(domainProcess(daemon.child.pid, 'a') ?? 0, 'SIGKILL');
    const killed = Date.now();
    const dead = await domus.reaches('a', 'crashed');
    expect(Date.now() - killed).toBeLessThan(2000);
    expect(dead).toMatchObject({
      domid: null,
      reason: 'the domain process ended (signal SIGKILL)',
    });
    console_.type('z');
    await console_.printed('<z>');
    await domus.do('start', 'a');
    expect(await domus.domain('a')).toMatchObject({ state: 'running', domid: 3 });
  });

  it('takes all domains with it when it is killed, and knows afterwards what ran', async () => {
    await domus.do('create', domus.tiny('a'));
    await domus.do('create', domus.tiny('b'));
    const pids = ['a', 'b'].map((name) => domainProcess(daemon.child.pid, name) ?? 0);
    expect(pids.every(isAlive)).toBe(true);
    daemon.child.kill('SIGKILL');
    await daemon.finished;
    await expect.poll(() => pids.some(isAlive), { timeout: 5000 }).toBe(false);
    await domus.daemon();
    expect(await domus.domain('a')).toMatchObject({
      state: 'shutoff',
      domid: null,
      reason: 'it was running when Domus ended',
    });
    await domus.do('start', 'a');
  });

  it('leaves no process, file or socket behind a domain', async () => {
    await domus.do('define', domus.tiny('a'));
    const open = (): number => readdirSync(`/proc/${daemon.child.pid}/fd`).length;
    const files = (): string[] => readdirSync(domus.home, { recursive: true }).map(String).sort();
    const life = async (): Promise<void> => {
      await domus.do('start', 'a');
      const pid = domainProcess(daemon.child.pid, 'a') ?? 0;
      await domus.do('destroy', 'a');
      expect(isAlive(pid)).toBe(false);
    };
    await life();
    // A record is still being written, perhaps.
    await expect.poll(files).not.toContainEqual(expect.stringContaining('.tmp'));
    const before = { open: open(), files: files() };
    for (let i = 0; i < 4; i++) await life();
    await expect.poll(open).toBeLessThanOrEqual(before.open);
    await expect.poll(files).toEqual(before.files);
  });

  it('forces domains off when it is told to end', async () => {
    await domus.do('create', domus.tiny('a'));
    const pid = domainProcess(daemon.child.pid, 'a') ?? 0;
    daemon.child.kill('SIGTERM');
    expect((await daemon.finished).status).toBe(0);
    expect(isAlive(pid)).toBe(false);
  });

  it('keeps definitions readable as xl.cfg, private to the user', async () => {
    await domus.do('define', domus.tiny('a'));
    const { config } = await domus.domain('a');
    const stored = join(domus.home, 'domains', `${config.uuid}.cfg`);
    expect(readFileSync(stored, 'utf8')).toBe(await domus.do('config', 'a'));
    expect(statSync(stored).mode & 0o777).toBe(0o600);
    const copy = domus.file('copy.cfg', readFileSync(stored));
    expect(JSON.parse(await domus.do('create', '-n', copy))).toEqual(config);
  });

  it('writes a screenshot as PNG', async () => {
    const create = domus.start('create', '-c', domus.tiny('a'));
    await create.printed(GREETING);
    await domus.do('screenshot', 'a', domus.path('a.png'));
    const png = readFileSync(domus.path('a.png'));
    expect(png.subarray(0, 8)).toEqual(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([720, 400]);
  });

  it('restarts a crashed domain with on_crash=restart, but not in a loop', async () => {
    const create = domus.start('create', '-c', domus.tiny('a', 'on_crash = "restart"'));
    await create.printed(GREETING);
    create.type('t');
    await daemon.complained('it is not started again so soon');
    expect(await domus.domain('a')).toMatchObject({ state: 'crashed' });
  });

  it('keeps a crashed domain with on_crash=preserve until it is destroyed', async () => {
    const create = domus.start('create', '-c', domus.tiny('a', 'on_crash = "preserve"'));
    await create.printed(GREETING);
    create.type('t');
    expect(await domus.reaches('a', 'crashed')).toMatchObject({ domid: 1 });
    await domus.do('screenshot', 'a', domus.path('a.png'));
    await domus.do('destroy', 'a');
    expect(await domus.domain('a')).toMatchObject({ state: 'shutoff', domid: null });
  });
});

describe('domus refuses', () => {
  it('a name that is taken, and changes nothing', async () => {
    await domus.do('define', domus.tiny('a'));
    const before = await domus.do('config', 'a');
    const { status, stderr } = await domus.run('define', domus.path('a.cfg'), 'memory=64');
    expect(status).toBe(1);
    expect(stderr).toContain(
      'domus: a domain with the name "a" exists already and is configured otherwise',
    );
    expect(await domus.do('config', 'a')).toBe(before);
    await domus.do('define', '--replace', domus.path('a.cfg'), 'memory=64');
    expect((await domus.domain('a')).config.memory).toBe(64);
  });

  it('a second daemon on the same data', async () => {
    const { status, stderr } = await domus.run('daemon');
    expect(status).toBe(1);
    expect(stderr).toBe(
      `domus: ${domus.home} is in use by domus daemon (process ${daemon.child.pid}); only one at a time can manage its domains\n`,
    );
  });

  it('what a domain cannot do now', async () => {
    await domus.do('define', domus.tiny('a'));
    const says = async (...args: string[]): Promise<string> => (await domus.run(...args)).stderr;
    expect(await says('pause', 'a')).toBe('domus: a is shut off and cannot be paused\n');
    expect(await says('destroy', 'a')).toBe('domus: a is not running\n');
    expect(await says('domid', 'a')).toBe('domus: a is not running and has no domid\n');
    await domus.do('start', 'a');
    expect(await says('start', 'a')).toBe('domus: a is running already\n');
    expect(await says('delete', 'a')).toBe(
      'domus: a is running; shut it down or force it off first\n',
    );
  });

  it('to leave anything of a domain that could not be created', async () => {
    const config = domus.file('x.cfg', `name="x"\ndisk=['none.img,,hda']\n`);
    const { status, stderr } = await domus.run('create', config);
    expect(status).toBe(1);
    expect(stderr).toContain('none.img: there is no such file');
    expect((await domus.run('list', 'x')).status).toBe(1);
  });
});

describe('domus without a daemon', () => {
  it('says so', async () => {
    daemon.child.kill('SIGTERM');
    await daemon.finished;
    expect(await domus.run('list')).toMatchObject({
      status: 1,
      stderr: 'domus: Domus is not running; start the app, or `domus daemon`\n',
    });
  });
});

describe('a socket path that is too long', () => {
  it('is told with its length, and nothing is started', async () => {
    const home = join(domus.path('deep'), 'x'.repeat(120));
    const { status, stdout, stderr } = await domus.runWith({ DOMUS_HOME: home }, 'daemon');
    const socket = join(home, 'run', 'domus.sock');
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toBe(
      `domus: the socket path ${socket} has ${Buffer.byteLength(socket)} bytes, and the system allows 107; set DOMUS_HOME or XDG_RUNTIME_DIR to a shorter directory\n`,
    );
    const asked = await domus.runWith({ DOMUS_HOME: home }, 'list');
    expect(asked.status).toBe(1);
    expect(asked.stderr).toMatch(/^domus: the socket path .* the system allows 107/);
  });
});

describe('a definition that was broken by hand', () => {
  it('is left alone and reported with its place; the others work', async () => {
    await domus.do('define', domus.tiny('a'));
    await domus.do('define', domus.tiny('b'));
    const { config } = await domus.domain('a');
    const stored = join(domus.home, 'domains', `${config.uuid}.cfg`);
    daemon.child.kill('SIGTERM');
    await daemon.finished;
    const broken = readFileSync(stored, 'utf8').replace('memory = 32', 'memory = much');
    writeFileSync(stored, broken);
    const again = await domus.daemon();
    await again.complained(
      `domus: error: a stored domain cannot be used: ${stored}:4:10: unexpected "much"; put text in quotes`,
    );
    expect((await domus.domain('b')).state).toBe('shutoff');
    expect(readFileSync(stored, 'utf8')).toBe(broken);
  });
});
