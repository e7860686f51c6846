/**
 * Answers for cloud-init's NoCloud data source (cloud-init 24 documentation, "NoCloud"): a CD called `cidata` with
 * `user-data` (cloud-config) and `meta-data`. For disk images that have cloud-init in them.
 * Missing: Ubuntu's autoinstall section, network configuration other than DHCP.
 */
import type { InstallAnswers, InstallSeed } from '../../api';

/** A YAML 1.2 scalar: every JSON string is one. */
const quoted = (text: string): string => JSON.stringify(text);

function list(key: string, items: readonly string[], indent = ''): string[] {
  return items.length === 0
    ? []
    : [`${indent}${key}:`, ...items.map((item) => `${indent}  - ${quoted(item)}`)];
}

function users(answers: InstallAnswers): string[] {
  const { userName, fullName, userPasswordHash, rootPasswordHash, authorizedKeys } = answers;
  const lines = ['users:'];
  const account = (name: string, hash: string, keys: readonly string[], more: string[]): void => {
    lines.push(`  - name: ${quoted(name)}`, ...more, `    lock_passwd: ${hash === ''}`);
    if (hash !== '') lines.push(`    hashed_passwd: ${quoted(hash)}`);
    lines.push(...list('ssh_authorized_keys', keys, '    '));
  };
  if (userName !== '')
    account(userName, userPasswordHash, authorizedKeys, [
      `    gecos: ${quoted(fullName)}`,
      '    shell: /bin/bash',
      '    sudo: "ALL=(ALL) ALL"',
    ]);
  account('root', rootPasswordHash, userName === '' ? authorizedKeys : [], []);
  return lines;
}

/** `instanceId` must differ between domains: cloud-init does its work once for each. */
export function cloudInit(answers: InstallAnswers, instanceId: string): InstallSeed {
  const { hostName, locale, keyboard, timezone, packages, proxy } = answers;
  const user = [
    '#cloud-config',
    `hostname: ${quoted(hostName)}`,
    `locale: ${quoted(locale)}`,
    'keyboard:',
    `  layout: ${quoted(keyboard)}`,
    `timezone: ${quoted(timezone)}`,
    'disable_root: false',
    ...users(answers),
    ...list('packages', packages),
    ...(proxy === '' ? [] : ['apt:', `  http_proxy: ${quoted(proxy)}`]),
  ];
  const meta = [`instance-id: ${quoted(instanceId)}`, `local-hostname: ${quoted(hostName)}`];
  return {
    format: 'cloud-init',
    volumeId: 'cidata',
    files: [
      { name: 'user-data', text: `${user.join('\n')}\n` },
      { name: 'meta-data', text: `${meta.join('\n')}\n` },
    ],
    commandLine: '',
  };
}
