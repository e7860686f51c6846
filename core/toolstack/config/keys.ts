/** Every xl.cfg key Domus reads, as rows: the parser, the formatter, the manual page and the form of the app read them. */
import { END_ACTIONS, KEYMAPS, MAX_MEMORY_MIB, MIN_MEMORY_MIB } from './schema';

export type KeyType = 'string' | 'path' | 'number' | 'boolean' | 'list';

export interface KeyRow {
  readonly name: string;
  readonly type: KeyType;
  /** As it would be written; '' when the key may be left out without a meaning of its own. */
  readonly default: string;
  /** Words it takes, where it takes only some. */
  readonly values?: readonly string[];
  readonly doc: string;
}

export const KEYS: readonly KeyRow[] = [
  { name: 'name', type: 'string', default: '', doc: 'Name of the domain; unique on this host.' },
  { name: 'uuid', type: 'string', default: '', doc: 'UUID of the domain; a new one when left out.' },
  { name: 'type', type: 'string', default: '"hvm"', values: ['hvm'], doc: 'Kind of guest: hvm is a whole PC.' },
  { name: 'builder', type: 'string', default: '', values: ['hvm', 'generic'], doc: 'Older spelling of type.' },
  { name: 'memory', type: 'number', default: '512', doc: `Memory in MiB, ${MIN_MEMORY_MIB} to ${MAX_MEMORY_MIB}.` },
  { name: 'vcpus', type: 'number', default: '1', doc: 'Virtual processors.' },
  { name: 'kernel', type: 'path', default: '', doc: 'Linux kernel (bzImage) to start directly, without firmware and boot loader.' },
  { name: 'ramdisk', type: 'path', default: '', doc: 'Initial ramdisk for the kernel.' },
  { name: 'root', type: 'string', default: '', doc: 'Adds root=VALUE to the kernel command line.' },
  { name: 'extra', type: 'string', default: '', doc: 'Rest of the kernel command line.' },
  { name: 'cmdline', type: 'string', default: '', doc: 'The whole kernel command line; replaces root and extra.' },
  { name: 'disk', type: 'list', default: '[]', doc: 'Disks and CD-ROM drives, xl-disk-configuration(5): "format=raw, vdev=hda, access=rw, target=/x.img" or "file:/x.iso,hdc:cdrom,r".' },
  { name: 'boot', type: 'string', default: '"cd"', doc: 'Boot order: c disk, d CD-ROM, a floppy, n network.' },
  { name: 'firmware', type: 'path', default: '', doc: 'A PC ROM image to run instead of the built-in BIOS.' },
  { name: 'bios', type: 'path', default: '', doc: 'Another spelling of firmware.' },
  { name: 'bios_path_override', type: 'path', default: '', doc: 'Another spelling of firmware.' },
  { name: 'vnc', type: 'boolean', default: '1', doc: 'Serve the screen to VNC clients on this computer.' },
  { name: 'vnclisten', type: 'string', default: '"127.0.0.1"', doc: 'Address of the VNC server: 127.0.0.1; ADDRESS:N also sets vncdisplay.' },
  { name: 'vncdisplay', type: 'number', default: '', doc: 'VNC display N, TCP port 5900+N; the first free one when left out.' },
  { name: 'vncunused', type: 'boolean', default: '1', doc: 'Take the first free VNC display; what happens anyway without vncdisplay.' },
  { name: 'vncpasswd', type: 'string', default: '', doc: 'Password for VNC clients, at most 8 characters.' },
  { name: 'vfb', type: 'list', default: '[]', doc: 'Older place of the vnc keys: [ "vnc=1, vnclisten=127.0.0.1" ].' },
  { name: 'serial', type: 'string', default: '"pty"', values: ['pty', 'none'], doc: 'Serial port: pty gives the console, none leaves it out.' },
  { name: 'keymap', type: 'string', default: '"en-us"', values: KEYMAPS, doc: 'Keyboard layout of the guest, for VNC clients and typed text.' },
  { name: 'on_poweroff', type: 'string', default: '"destroy"', values: END_ACTIONS, doc: 'What to do when the guest powers off.' },
  { name: 'on_reboot', type: 'string', default: '"restart"', values: END_ACTIONS, doc: 'What to do when the guest reboots.' },
  { name: 'on_crash', type: 'string', default: '"destroy"', values: END_ACTIONS, doc: 'What to do when the guest crashes.' },
];

/** xl.cfg(5) keys that are valid on Xen and change nothing here (yet): a note, not a warning about a typing error. */
export const INERT_KEYS: ReadonlySet<string> = new Set([
  'maxmem', 'maxvcpus', 'cpus', 'cpus_soft', 'cpu_weight', 'cap', 'pool', 'vif', 'acpi', 'apic', 'pae', 'nx', 'hpet', 'hap', 'viridian', 'xen_platform_pci', 'localtime',
  'rtc_timeoffset', 'tsc_mode', 'timer_mode', 'stdvga', 'vga', 'videoram', 'nographic', 'sdl', 'opengl', 'spice', 'usb', 'usbdevice', 'usbversion', 'soundhw', 'on_watchdog',
  'on_soft_reset', 'device_model_version', 'device_model_override', 'bootloader', 'bootloader_args', 'nomigrate', 'driver_domain', 'max_grant_frames', 'max_maptrack_frames',
  'max_grant_version', 'max_event_channels', 'nestedhvm', 'altp2m', 'shadow_memory', 'oos', 'vnuma', 'hdtype', 'acpi_s3', 'acpi_s4', 'pci', 'vtpm', 'channel', 'cpuid',
  'claim_mode', 'seclabel', 'init_seclabel', 'ms_vm_genid', 'vkb_device', 'vendor_device', 'vpmu', 'passthrough', 'e820_host', 'mmio_hole', 'xauthority', 'display', 'gfx_passthru',
  'pvh', 'pvshim', 'device_model', 'extra_platform', 'dhcp', 'hostname', 'ip', 'netmask', 'gateway', 'nfs_server', 'nfs_root', 'ne2000', 'guest_os_type', 'vncconsole', 'monitor',
]);
