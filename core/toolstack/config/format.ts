import type { DomainConfig } from '../../api';
import { formatDiskSpec } from './disk-spec';
import { formatVifSpec } from './vif-spec';

/** A string as the lexer reads it back. */
function quoted(text: string): string {
  const escaped = text
    .replace(/\\/g, '\\\\')
    .replace(/\n/g, '\\n')
    .replace(/\r/g, '\\r')
    .replace(/\t/g, '\\t');
  if (!escaped.includes('"')) return `"${escaped}"`;
  return escaped.includes("'") ? `"${escaped.replace(/"/g, '\\"')}"` : `'${escaped}'`;
}

/** A configuration as xl.cfg text, which reads back to the same configuration. */
export function formatConfig(config: DomainConfig): string {
  const lines = [
    `name = ${quoted(config.name)}`,
    `uuid = ${quoted(config.uuid)}`,
    `type = ${quoted(config.type)}`,
    `memory = ${config.memory}`,
    `vcpus = ${config.vcpus}`,
  ];
  for (const key of ['kernel', 'ramdisk', 'root', 'extra'] as const)
    if (config[key] !== '') lines.push(`${key} = ${quoted(config[key])}`);
  if (config.disk.length === 0) lines.push('disk = [ ]');
  else
    lines.push('disk = [', ...config.disk.map((disk) => `  ${quoted(formatDiskSpec(disk))},`), ']');
  if (config.vif.length > 0)
    lines.push('vif = [', ...config.vif.map((vif) => `  ${quoted(formatVifSpec(vif))},`), ']');
  lines.push(`boot = ${quoted(config.boot)}`);
  if (config.firmware !== '') lines.push(`firmware = ${quoted(config.firmware)}`);
  lines.push(`vnc = ${config.vnc ? 1 : 0}`, `vnclisten = ${quoted(config.vnclisten)}`);
  if (config.vncdisplay !== null) lines.push(`vncdisplay = ${config.vncdisplay}`);
  if (config.vncpasswd !== '') lines.push(`vncpasswd = ${quoted(config.vncpasswd)}`);
  lines.push(`serial = ${quoted(config.serial)}`, `keymap = ${quoted(config.keymap)}`);
  if (config.translate === false) lines.push('translate = 0');
  if (config.install === true) lines.push('install = 1');
  for (const key of ['on_poweroff', 'on_reboot', 'on_crash'] as const)
    lines.push(`${key} = ${quoted(config[key])}`);
  return `${lines.join('\n')}\n`;
}
