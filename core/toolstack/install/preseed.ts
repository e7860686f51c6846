/**
 * Answers for Debian's installer (Debian 12 installation guide, appendix B; also Ubuntu's up to 20.04): a preseed in
 * the root of its initial ramdisk, which is read before the first question. Everything goes on the first disk, in one
 * partition beside swap space.
 * Missing: encrypted and RAID disks, answers for Debian's desktops.
 */
import type { InstallAnswers, InstallSeed } from '../../api';

const LOCKED = '!';
/** First on the bus: where the first hard disk of a domain is, whatever its controller. */
const BOOT_DEVICE = 'default';

interface Mirror {
  readonly host: string;
  readonly directory: string;
}

/** The two parts of http://HOST/DIRECTORY. */
function mirrorOf(address: string): Mirror {
  const [, host = 'deb.debian.org', directory = '/debian'] =
    /^http:\/\/([^/]+)(\/.*?)?\/?$/.exec(address) ?? [];
  return { host, directory };
}

function accounts(answers: InstallAnswers): string[] {
  const { userName, fullName, userPasswordHash, rootPasswordHash } = answers;
  const rootCanLogIn = rootPasswordHash !== '';
  const lines = [
    `d-i passwd/root-login boolean ${rootCanLogIn || userName === ''}`,
    `d-i passwd/make-user boolean ${userName !== ''}`,
  ];
  if (rootCanLogIn || userName === '')
    lines.push(`d-i passwd/root-password-crypted password ${rootPasswordHash || LOCKED}`);
  if (userName !== '')
    lines.push(
      `d-i passwd/user-fullname string ${fullName}`,
      `d-i passwd/username string ${userName}`,
      `d-i passwd/user-password-crypted password ${userPasswordHash || LOCKED}`,
    );
  return lines;
}

/** What the installer does in the new system as its last step. */
function lateCommand({ authorizedKeys, userName }: InstallAnswers): string[] {
  if (authorizedKeys.length === 0) return [];
  const home = userName === '' ? '/root' : `/home/${userName}`;
  const owner = userName === '' ? 'root' : userName;
  const keys = authorizedKeys.map((key) => `"${key}"`).join(' ');
  return [
    `d-i preseed/late_command string in-target install -d -m 700 -o ${owner} -g ${owner} ${home}/.ssh; printf '%s\\n' ${keys} > /target${home}/.ssh/authorized_keys; in-target chown ${owner}:${owner} ${home}/.ssh/authorized_keys; in-target chmod 600 ${home}/.ssh/authorized_keys`,
  ];
}

/** The preseed, and what starts an installation that asks nothing and shows itself on both consoles. */
export function preseed(answers: InstallAnswers): InstallSeed {
  const { hostName, locale, keyboard, timezone, packages, proxy } = answers;
  const mirror = mirrorOf(answers.mirror);
  const lines = [
    '#_preseed_V1',
    `d-i debian-installer/locale string ${locale}`,
    `d-i keyboard-configuration/xkb-keymap select ${keyboard}`,
    'd-i netcfg/choose_interface select auto',
    `d-i netcfg/get_hostname string ${hostName}`,
    'd-i netcfg/get_domain string localdomain',
    'd-i hw-detect/load_firmware boolean false',
    'd-i mirror/country string manual',
    `d-i mirror/http/hostname string ${mirror.host}`,
    `d-i mirror/http/directory string ${mirror.directory}`,
    `d-i mirror/http/proxy string ${proxy}`,
    ...accounts(answers),
    'd-i clock-setup/utc boolean true',
    'd-i clock-setup/ntp boolean false',
    `d-i time/zone string ${timezone}`,
    'd-i partman-auto/method string regular',
    'd-i partman-auto/choose_recipe select atomic',
    'd-i partman-partitioning/confirm_write_new_label boolean true',
    'd-i partman/choose_partition select finish',
    'd-i partman/confirm boolean true',
    'd-i partman/confirm_nooverwrite boolean true',
    'd-i base-installer/install-recommends boolean false',
    'd-i apt-setup/cdrom/set-first boolean false',
    'd-i apt-setup/disable-cdrom-entries boolean true',
    'd-i apt-setup/services-select multiselect security, updates',
    `d-i apt-setup/security_host string ${mirror.host === 'deb.debian.org' ? 'security.debian.org' : mirror.host}`,
    'd-i apt-setup/enable-source-repositories boolean false',
    'tasksel tasksel/first multiselect',
    'd-i pkgsel/run_tasksel boolean false',
    `d-i pkgsel/include string ${packages.join(' ')}`,
    'd-i pkgsel/upgrade select none',
    'd-i pkgsel/update-policy select none',
    'popularity-contest popularity-contest/participate boolean false',
    'd-i grub-installer/only_debian boolean true',
    `d-i grub-installer/bootdev string ${BOOT_DEVICE}`,
    ...lateCommand(answers),
    'd-i finish-install/reboot_in_progress note',
  ];
  return {
    format: 'preseed',
    volumeId: 'PRESEED',
    files: [{ name: 'preseed.cfg', text: `${lines.join('\n')}\n` }],
    // What stands behind "---" is kept for the installed system.
    commandLine:
      'auto=true priority=critical console=tty0 console=ttyS0,115200 --- console=tty0 console=ttyS0,115200',
  };
}
