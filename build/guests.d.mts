export type GuestName =
  | 'debian-amd64-linux'
  | 'debian-amd64-initrd.gz'
  | 'debian-i386-linux'
  | 'debian-i386-initrd.gz'
  | 'debian-netboot.iso'
  | 'debian-netboot-graphic.iso'
  | 'busybox-initrd.gz'
  | 'drivers-linux'
  | 'drivers-initrd.gz'
  | 'debian-13-install.iso'
  | 'small-installer.iso'
  | 'small-system.img'
  | 'grub-rescue.iso'
  | 'grub-rescue.img'
  | 'pxelinux.0'
  | 'lpxelinux.0'
  | 'ldlinux.c32'
  | 'memtest.bin'
  | 'memtest32.bin'
  | 'memtest.iso'
  | 'memtest.img'
  | 'memtest-isolinux.iso'
  | 'seabios.bin'
  | 'seabios-256k.bin'
  | 'vgabios-stdvga.bin';

/** Line that the BusyBox guest prints when its shell is about to start. */
export const BUSYBOX_MARKER: string;
export const GUEST_NAMES: readonly GuestName[];
/** Path of a guest file, made first if it is not in the cache. Any number of processes may ask at once. */
export function guest(name: GuestName): Promise<string>;
