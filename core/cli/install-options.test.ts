import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { answerOptions, diskOption, networkOptions } from './install-options';

const directory = mkdtempSync(join(tmpdir(), 'domus-options-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('options of domus install', () => {
  it('read disks as virt-install does, sizes in GiB', () => {
    expect(diskOption('size=20')).toEqual({
      path: undefined,
      format: 'qcow2',
      sizeBytes: 20 * 2 ** 30,
    });
    expect(diskOption('path=/x.img,size=0.25,format=raw')).toEqual({
      path: '/x.img',
      format: 'raw',
      sizeBytes: 2 ** 28,
    });
    expect(diskOption('/there.qcow2')).toEqual({
      path: '/there.qcow2',
      format: 'qcow2',
      sizeBytes: undefined,
    });
    expect(() => diskOption('size=much')).toThrow('is not a size in GiB');
    expect(() => diskOption('size=1,bus=scsi')).toThrow("does not know 'bus'");
    expect(() => diskOption('size=1,format=vdi')).toThrow('makes qcow2 and raw');
  });

  it('read networks by name', () => {
    expect(networkOptions([], 'u')).toBeUndefined();
    expect(networkOptions(['none'], 'u')).toEqual([]);
    expect(networkOptions(['network=isolated,model=virtio', 'default'], 'u')).toMatchObject([
      { bridge: 'isolated', model: 'virtio-net' },
      { bridge: 'nat', model: 'e1000' },
    ]);
  });

  it('keep only hashes of passwords, and want somebody who can log in', () => {
    const secret = join(directory, 'secret');
    writeFileSync(secret, 'correct horse\nmore\n');
    const { answers } = answerOptions(
      '--unattended',
      `user-login=ada,user-password-file=${secret},packages=vim+less`,
      'guest.1',
    );
    expect(answers).toMatchObject({
      hostName: 'guest-1',
      userName: 'ada',
      fullName: 'ada',
      rootPasswordHash: '',
      packages: ['vim', 'less'],
    });
    expect(answers.userPasswordHash).toMatch(/^\$6\$[^$]+\$.{86}$/);
    expect(() => answerOptions('--unattended', 'user-login=ada', 'a')).toThrow('nobody who can');
    expect(() => answerOptions('--unattended', 'pasword=x', 'a')).toThrow(
      "does not know 'pasword'",
    );
    expect(() =>
      answerOptions('--unattended', `admin-password-file=${directory}/none`, 'a'),
    ).toThrow('no such file');
  });
});
