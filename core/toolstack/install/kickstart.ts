/**
 * Answers for Anaconda, the installer of Fedora, Red Hat Enterprise Linux and its children (pykickstart 3
 * documentation): `ks.cfg` on a CD called OEMDRV, which it reads without being told.
 * Missing: disks other than the first, package groups, mirrors.
 */
import type { InstallAnswers, InstallSeed } from '../../api';

function password(hash: string): string {
  return hash === '' ? '--lock' : `--iscrypted ${hash}`;
}

export function kickstart(answers: InstallAnswers): InstallSeed {
  const { hostName, locale, keyboard, timezone, packages, authorizedKeys } = answers;
  const { userName, fullName, userPasswordHash, rootPasswordHash } = answers;
  const account =
    userName === ''
      ? []
      : [
          `user --name=${userName} --gecos="${fullName}" --groups=wheel ${
            userPasswordHash === '' ? '--lock' : `--iscrypted --password=${userPasswordHash}`
          }`,
        ];
  const lines = [
    'text',
    `lang ${locale}`,
    `keyboard --xlayouts='${keyboard}'`,
    `timezone ${timezone} --utc`,
    `network --bootproto=dhcp --hostname=${hostName}`,
    `rootpw ${password(rootPasswordHash)}`,
    ...account,
    ...authorizedKeys.map((key) => `sshkey --username=${userName || 'root'} "${key}"`),
    'firstboot --disable',
    'zerombr',
    'clearpart --all --initlabel',
    'autopart',
    'bootloader --append="console=tty0 console=ttyS0,115200"',
    'reboot',
    '%packages',
    '@^minimal-environment',
    ...packages,
    '%end',
  ];
  return {
    format: 'kickstart',
    volumeId: 'OEMDRV',
    files: [{ name: 'ks.cfg', text: `${lines.join('\n')}\n` }],
    commandLine: 'console=tty0 console=ttyS0,115200',
  };
}
