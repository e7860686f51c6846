import { z } from 'zod';
import { DomusError, type DomainConfig } from '../../api';
import type { FileHost } from '../../host';
import { formatConfig, parseConfig } from '../config';
import { UUID_PATTERN } from '../config/schema';

const MAX_CONFIG_BYTES = 1 << 20;
const MAX_STATE_BYTES = 64 << 10;

const stateSchema = z.object({
  version: z.literal(1),
  /** What the domain was doing when this was written. */
  state: z.enum(['shutoff', 'running', 'paused', 'saved', 'crashed']),
  reason: z.string().max(1000),
  definedAtMs: z.number(),
});
export type StoredState = z.infer<typeof stateSchema>;

export interface StoredDomain {
  readonly config: DomainConfig;
  readonly state: StoredState;
}

/** Definitions on disk: `domains/UUID.cfg`, readable and editable as xl.cfg, and `domains/UUID.json` for what is not configuration. */
export class DomainStore {
  private readonly directory: string;

  constructor(
    private readonly files: FileHost,
    dataDir: string,
  ) {
    this.directory = `${dataDir}/domains`;
  }

  /** Everything defined; a file that cannot be read is left alone and reported. */
  async load(onProblem: (message: string) => void): Promise<StoredDomain[]> {
    await this.files.makeDirectory(this.directory);
    const domains: StoredDomain[] = [];
    for (const name of await this.files.list(this.directory)) {
      const uuid = name.endsWith('.cfg') ? name.slice(0, -4) : '';
      if (!UUID_PATTERN.test(uuid)) continue;
      try {
        domains.push({ config: await this.readConfig(uuid), state: await this.readState(uuid) });
      } catch (cause) {
        onProblem(
          `a stored domain cannot be used: ${place(cause)}${cause instanceof Error ? cause.message : String(cause)}`,
        );
      }
    }
    return domains;
  }

  async save(config: DomainConfig, state: StoredState): Promise<void> {
    await this.files.writeText(this.path(config.uuid, 'cfg'), formatConfig(config));
    await this.saveState(config.uuid, state);
  }

  async saveState(uuid: string, state: StoredState): Promise<void> {
    await this.files.writeText(this.path(uuid, 'json'), `${JSON.stringify(state, undefined, 2)}\n`);
  }

  async has(uuid: string): Promise<boolean> {
    return (await this.files.stat(this.path(uuid, 'cfg'))) !== undefined;
  }

  async remove(uuid: string): Promise<void> {
    await this.files.remove(this.path(uuid, 'cfg'));
    await this.files.remove(this.path(uuid, 'json'));
  }

  private path(uuid: string, extension: 'cfg' | 'json'): string {
    return `${this.directory}/${uuid}.${extension}`;
  }

  private async readConfig(uuid: string): Promise<DomainConfig> {
    const file = this.path(uuid, 'cfg');
    const { config } = parseConfig(await this.files.readText(file, MAX_CONFIG_BYTES), {
      file,
      directory: this.directory,
      newUuid: () => uuid,
    });
    return { ...config, uuid };
  }

  /** The state file may be lost without harm. */
  private async readState(uuid: string): Promise<StoredState> {
    const unknown: StoredState = { version: 1, state: 'shutoff', reason: '', definedAtMs: 0 };
    const path = this.path(uuid, 'json');
    if (!(await this.files.stat(path))) return unknown;
    const result = stateSchema.safeParse(
      parseJson(await this.files.readText(path, MAX_STATE_BYTES)),
    );
    return result.success ? result.data : unknown;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function place(cause: unknown): string {
  const position = cause instanceof DomusError ? cause.position : undefined;
  return position ? `${position.file}:${position.line}:${position.column}: ` : '';
}
