import type { DomainConfig } from './domain';

/** Answer files by the installer that reads them: Debian's and old Ubuntu's d-i, cloud images and Ubuntu's cloud-init, Red Hat's Anaconda. */
export type AnswerFormat = 'preseed' | 'cloud-init' | 'kickstart';

/** What an installer asks; the same for every format. Texts are one line. */
export interface InstallAnswers {
  hostName: string;
  /** A POSIX locale: en_US.UTF-8. */
  locale: string;
  /** A keyboard layout by its X name: us. */
  keyboard: string;
  /** Europe/Vienna, Etc/UTC. */
  timezone: string;
  /** The first user, who may use sudo; '' for none. */
  userName: string;
  fullName: string;
  /** SHA-512 crypt hashes ($6$...), never passwords; '' locks the account. `install/hashPassword` makes them. */
  userPasswordHash: string;
  rootPasswordHash: string;
  /** OpenSSH public keys of the first user, or of root when there is none. */
  authorizedKeys: string[];
  /** Packages beyond the smallest system. */
  packages: string[];
  /** http://HOST/DIRECTORY of Debian's archive; '' for the usual one. Only preseed. */
  mirror: string;
  /** http://HOST:PORT of a proxy the installer and the system fetch packages through; '' for none. */
  proxy: string;
}

/** A file for an installer, as it is shown and as it is used. */
export interface SeedFile {
  name: string;
  text: string;
}

/** Answer files and how an installer finds them. */
export interface InstallSeed {
  format: AnswerFormat;
  /** Name of the CD they are put on. */
  volumeId: string;
  files: SeedFile[];
  /** What the installer's kernel has to be told. */
  commandLine: string;
}

/** A domain that installs a system. */
export interface InstallRequest {
  config: DomainConfig;
  /** As in `domain/define`. */
  createDiskBytes?: Record<string, number>;
  /** An ISO whose kernel and initial ramdisk are started directly; absent: the domain starts from its CD. */
  location?: string;
  /** A preseed goes into the ramdisk of `location`, other answers onto a CD of their own. */
  seed?: InstallSeed;
  /** More for the installer's command line; the installed system does not get it. */
  extra?: string;
}
