import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import type { InstallAnswers } from '../../api';
import { nodeSystem } from '../../host-node';
import { answerFiles, answersSchema, seedSchema } from './answers';
import { cpioOf } from './cpio';

const HASH = `$6$saltsalt$${'x'.repeat(86)}`;
const ANSWERS: InstallAnswers = {
  hostName: 'guest',
  locale: 'en_US.UTF-8',
  keyboard: 'us',
  timezone: 'Etc/UTC',
  userName: 'ada',
  fullName: 'Ada Lovelace',
  userPasswordHash: HASH,
  rootPasswordHash: '',
  authorizedKeys: ['ssh-ed25519 AAAAC3Nz ada@host'],
  packages: ['openssh-server'],
  mirror: 'http://mirror.example/debian/',
  proxy: '',
};

const text = (format: 'preseed' | 'cloud-init' | 'kickstart', answers = ANSWERS): string =>
  answerFiles(format, answers, 'id-1')
    .files.map((file) => file.text)
    .join('');

describe('answer files', () => {
  it('are a preseed with the mirror in two parts and root locked', () => {
    const preseed = text('preseed');
    expect(preseed).toContain('d-i mirror/http/hostname string mirror.example\n');
    expect(preseed).toContain('d-i mirror/http/directory string /debian\n');
    expect(preseed).toContain('d-i passwd/root-login boolean false\n');
    expect(preseed).toContain(`d-i passwd/user-password-crypted password ${HASH}\n`);
    expect(preseed).toContain('/target/home/ada/.ssh/authorized_keys');
    expect(text('preseed', { ...ANSWERS, mirror: '' })).toContain('string deb.debian.org\n');
  });

  it('are cloud-config whose texts cannot leave their quotes', () => {
    const seed = answerFiles('cloud-init', ANSWERS, 'id-1');
    expect(seed.volumeId).toBe('cidata');
    expect(seed.files.map(({ name }) => name)).toEqual(['user-data', 'meta-data']);
    expect(text('cloud-init')).toMatch(/^#cloud-config\n/);
    expect(text('cloud-init')).toContain(`    hashed_passwd: "${HASH}"\n`);
    expect(text('cloud-init')).toContain('instance-id: "id-1"\n');
  });

  it('are a kickstart with sections that end', () => {
    const kickstart = text('kickstart');
    expect(kickstart).toContain(
      'user --name=ada --gecos="Ada Lovelace" --groups=wheel --iscrypted',
    );
    expect(kickstart).toContain('rootpw --lock\n');
    expect(kickstart.match(/^%(?:packages|end)$/gm)).toEqual(['%packages', '%end']);
  });

  it('are seeds that their own schema takes', () => {
    for (const format of ['preseed', 'cloud-init', 'kickstart'] as const)
      expect(seedSchema.safeParse(answerFiles(format, ANSWERS, 'id-1')).success).toBe(true);
  });

  it.each([
    { hostName: 'a\nb' },
    { hostName: '-a' },
    { locale: 'en_US.UTF-8 x' },
    { timezone: '../etc/passwd' },
    { userName: 'Root' },
    { fullName: 'x"; reboot' },
    { fullName: "x' y" },
    { userPasswordHash: 'secret' },
    { rootPasswordHash: `$1$a$${'x'.repeat(22)}` },
    { authorizedKeys: ['ssh-rsa AAAA\nroot'] },
    { authorizedKeys: ['ssh-rsa AAAA $(reboot)'] },
    { packages: ['a b'] },
    { packages: ['--purge'] },
    { mirror: 'file:///etc' },
    { proxy: 'http://a b' },
  ])('do not take %j', (change) => {
    expect(answersSchema.safeParse(ANSWERS).success).toBe(true);
    expect(answersSchema.safeParse({ ...ANSWERS, ...change }).success).toBe(false);
  });

  it('take the hashes this computer makes, which hide the password', () => {
    const made = nodeSystem.hashPassword('correct horse');
    expect(made).not.toContain('correct');
    expect(made).not.toBe(nodeSystem.hashPassword('correct horse'));
    expect(answersSchema.safeParse({ ...ANSWERS, userPasswordHash: made }).success).toBe(true);
  });
});

describe('cpioOf', () => {
  it('is an archive that cpio reads', () => {
    const archive = cpioOf([
      { name: 'preseed.cfg', text: 'd-i x\n' },
      { name: 'b', text: 'Grüße' },
    ]);
    expect(archive.length % 4).toBe(0);
    expect(new TextDecoder().decode(archive.subarray(0, 6))).toBe('070701');
    const { status, stdout } = spawnSync('cpio', ['-t', '--quiet'], { input: archive });
    if (status === 0) expect(stdout.toString()).toBe('preseed.cfg\nb\n');
  });
});
