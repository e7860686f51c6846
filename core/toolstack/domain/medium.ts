import type { DomainConfig } from '../../api';

/** The configuration with another disc in a CD-ROM drive; one without that drive stays as it is. */
export function withMedium(config: DomainConfig, vdev: string, path: string): DomainConfig {
  const disk = config.disk.map((each) =>
    each.vdev === vdev && each.cdrom ? { ...each, format: 'raw' as const, target: path } : each,
  );
  return { ...config, disk };
}
