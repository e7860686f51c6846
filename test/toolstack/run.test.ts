import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, truncateSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Domus, domainProcess, isAlive } from './domus';
import { GREETING } from './tiny-guest';

let domus: Domus;

beforeEach(() => {
  domus = new Domus();
});
afterEach(() => domus.close());

describe('domus run', () => {
  it('boots a disk, shows its serial port, takes input and ends with 0 at power-off', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    run.type('x');
    await run.printed('<x>');
    run.type('q');
    expect(await run.finished).toMatchObject({ status: 0 });
  });

  it('goes on after a reset of the guest', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    run.type('r');
    await run.until(() => run.stdout.split(GREETING).length === 3, 'second greeting');
    run.type('q');
    expect(await run.finished).toMatchObject({ status: 0 });
  });

  it('ends with 4 and a sentence at a reset when on_reboot is destroy', async () => {
    const run = domus.start('run', domus.tiny('a', 'on_reboot = "destroy"'));
    await run.printed(GREETING);
    run.type('r');
    const { status, stderr } = await run.finished;
    expect(status).toBe(4);
    expect(stderr).toContain('domus: a: the guest rebooted');
  });

  it('ends with 3 and a sentence at a triple fault', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    run.type('t');
    const { status, stderr } = await run.finished;
    expect(status).toBe(3);
    expect(stderr).toContain('domus: a: the guest crashed with a triple fault');
  });

  it('ends with 5 when the domain process is killed', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    const pid = domainProcess(run.child.pid, 'a');
    process.kill(pid ?? 0, 'SIGKILL');
    const { status, stderr } = await run.finished;
    expect(status).toBe(5);
    expect(stderr).toContain('domus: a: the domain process ended (signal SIGKILL)');
  });

  it('writes to its disk', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    run.type('w');
    await run.printed('W');
    run.type('q');
    await run.finished;
    const image = readFileSync(domus.path('a.img'));
    expect(image.subarray(512, 612).equals(image.subarray(0, 100))).toBe(true);
  });

  it('takes its domain with it, whatever ends it', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const run = domus.start('run', domus.tiny('a'));
      await run.printed(GREETING);
      const pid = domainProcess(run.child.pid, 'a') ?? 0;
      expect(isAlive(pid)).toBe(true);
      run.child.kill(signal);
      await run.finished;
      await expect.poll(() => isAlive(pid), { timeout: 5000 }).toBe(false);
    }
  });

  it('sleeps while the guest sleeps', async () => {
    const run = domus.start('run', domus.tiny('a'));
    await run.printed(GREETING);
    const pid = domainProcess(run.child.pid, 'a') ?? 0;
    const cpuTicks = (): number => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return Number(fields[11]) + Number(fields[12]);
    };
    await new Promise((wake) => setTimeout(wake, 2000));
    const before = cpuTicks();
    await new Promise((wake) => setTimeout(wake, 3000));
    // Ticks of 10 ms: 3 % of 3 s are 9.
    expect(cpuTicks() - before).toBeLessThanOrEqual(9);
  });

  it('refuses an image that another domain writes to, and names it', async () => {
    const config = domus.tiny('a');
    const first = domus.start('run', config);
    await first.printed(GREETING);
    const pid = domainProcess(first.child.pid, 'a');
    const { status, stderr } = await domus.run('run', config, 'name=b');
    expect(status).toBe(1);
    expect(stderr).toContain(
      `${domus.path('a.img')} is in use by domain a (process ${pid}); an image that is written to has one user at a time`,
    );
    first.child.kill('SIGKILL');
    await first.finished;
    await expect.poll(() => isAlive(pid ?? 0), { timeout: 5000 }).toBe(false);
    const again = domus.start('run', config);
    await again.printed(GREETING);
    again.type('q');
    expect((await again.finished).status).toBe(0);
  });
});

describe('domus run with bad input', () => {
  const fails = async (text: string, ...settings: string[]): Promise<string> => {
    const { status, stderr } = await domus.run('run', domus.file('x.cfg', text), ...settings);
    expect(status).toBe(1);
    return stderr.replaceAll(`${domus.path('')}/`, '');
  };

  it('points at the place of a fault in the configuration', async () => {
    expect(await fails('name = "x"\n  memory = lots\n')).toBe(
      'x.cfg:2:12: unexpected "lots"; put text in quotes\n    memory = lots\n             ^\n',
    );
    expect(await fails('name = "x"\n', 'memory=9999')).toBe(
      `command line:1:8: 'memory' must be at most 3072 MiB\n  memory=9999\n         ^\n`,
    );
  });

  it('names a configuration that is not there', async () => {
    const { status, stderr } = await domus.run('run', 'none.cfg');
    expect(status).toBe(1);
    expect(stderr).toBe(
      `domus: the configuration cannot be read: ${domus.path('none.cfg')}: there is no such file\n`,
    );
  });

  it.each<[string, string, string]>([
    [
      'a missing disk',
      `disk=['none.img,,hda']`,
      'domus: the image of hda cannot be used: none.img: there is no such file\n',
    ],
    [
      'a missing CD',
      `disk=['none.iso,,hdc,cdrom']`,
      'domus: the CD image in hdc cannot be used: none.iso: there is no such file\n',
    ],
    [
      'a directory for a disk',
      `disk=['home,,hda']`,
      'domus: the image of hda cannot be used: home: it is a directory\n',
    ],
    [
      'a missing kernel',
      `kernel='none'`,
      'domus: the kernel cannot be used: none: there is no such file\n',
    ],
    [
      'a kernel that is none',
      `kernel='x.cfg'`,
      'domus: x.cfg is not a Linux kernel: it has no bzImage header\n',
    ],
    [
      'nothing to start from',
      '',
      'domus: x has nothing to start from: no disk, no CD and no kernel\n',
    ],
    [
      'a CD that is text',
      `disk=['x.cfg,,hdc,cdrom']`,
      'domus: the domain has nothing to start from: of the CD image x.cfg, it is not a CD image: it has no ISO 9660 volume\n',
    ],
  ])('says what is wrong with %s', async (_, line, message) => {
    expect(await fails(`name="x"\n${line}\n`)).toBe(message);
  });

  it('does not wait for a FIFO', async () => {
    execFileSync('mkfifo', [domus.path('fifo')]);
    expect(await fails(`name="x"\ndisk=['fifo,,hda']\n`)).toBe(
      'domus: the image of hda cannot be used: fifo: it is not a regular file\n',
    );
  });

  /** ECMA-119: a primary volume descriptor of so many sectors and the set terminator, and no boot record. */
  function plainIso(sectors: number): Uint8Array {
    const iso = new Uint8Array(40 * 2048);
    iso.set([1, ...Buffer.from('CD001\x01')], 16 * 2048);
    new DataView(iso.buffer).setUint32(16 * 2048 + 80, sectors, true);
    iso.set([255, ...Buffer.from('CD001\x01')], 17 * 2048);
    return iso;
  }

  it('says that an ISO that holds no boot record cannot be started from', async () => {
    domus.file('data.iso', plainIso(40));
    expect(await fails(`name="x"\ndisk=['data.iso,,hdc,cdrom']\n`)).toBe(
      'domus: the domain has nothing to start from: of the CD image data.iso, it is not bootable: it has no El Torito boot record\n',
    );
  });

  it('says that an ISO may not be read', async () => {
    const iso = domus.file('secret.iso', plainIso(40));
    const config = domus.file('x.cfg', `name="x"\ndisk=['secret.iso,,hdc,cdrom']\n`);
    chmodSync(iso, 0);
    const { status, stderr } = await domus.runWithoutPrivilege('run', config);
    expect(status).toBe(1);
    expect(stderr).toBe(
      `domus: the CD image in hdc cannot be used: ${iso}: permission is denied\n`,
    );
  });

  it('finds an ISO that is cut short', async () => {
    domus.file('cut.iso', plainIso(50_000));
    truncateSync(domus.path('cut.iso'), 20 * 2048);
    expect(await fails(`name="x"\ndisk=['cut.iso,,hdc,cdrom']\n`)).toBe(
      'domus: the CD image cut.iso cannot be used: it is truncated: it should have 102.4 MB and has 0.0 MB; copy or download it again\n',
    );
  });

  it('says wrong usage with 2', async () => {
    expect((await domus.run('run')).status).toBe(2);
    expect((await domus.run('frobnicate')).status).toBe(2);
    expect((await domus.run('--help')).status).toBe(0);
  });
});

describe('domus run on a terminal', () => {
  it('forces the guest off at Ctrl+] and says so', async () => {
    const run = domus.startOnTerminal('run', domus.tiny('a'));
    await run.printed(GREETING);
    expect(run.stdout).toContain('Ctrl+] forces it off');
    run.type('x');
    await run.printed('<x>');
    run.type('\x1d');
    const { status, stdout } = await run.finished;
    expect(stdout).toContain('domus: a: Ctrl+] was pressed');
    expect(status).toBe(130);
  });
});
