import { describe, expect, it } from 'vitest';
import type { DomainConfig } from '../../api';
import { FileError, type FileHost, type HostSample } from '../../host';
import { parseConfig } from '../config';
import { checkMemory, checkStart, OVERHEAD_MIB, promisedMiB } from './checks';

const MIB = 2 ** 20;

function config(text: string): DomainConfig {
  return parseConfig(`name="a"\n${text}`, {
    file: 'f',
    directory: '/',
    newUuid: () => '4f2032f2-e9c0-4449-8f66-22317e0c423b',
  }).config;
}

function host(freeMiB: number): HostSample {
  return {
    hostname: 'h',
    cpus: 2,
    cpuModel: '',
    cpu: 0,
    cpuSeconds: 0,
    memoryBytes: 8192 * MIB,
    memoryFreeBytes: freeMiB * MIB,
  };
}

/** A file system whose every file fails to open like this. */
function failing(code: FileError['code'], message: string): FileHost {
  return {
    open: (path: string) => Promise.reject(new FileError(code, path, `${path}: ${message}`)),
  } as unknown as FileHost;
}

describe('checkMemory', () => {
  it('takes what fits with the emulation, to the last MiB', () => {
    expect(() => checkMemory(config('memory=512'), host(512 + OVERHEAD_MIB))).not.toThrow();
    expect(() => checkMemory(config('memory=512'), host(511 + OVERHEAD_MIB))).toThrow(
      "a needs 512 MiB and about 150 MiB for the emulation, but only 661 MiB of this computer's 8192 MiB are free; give it less memory or end something else",
    );
  });

  it('counts what running domains were given and have not touched yet', () => {
    const running = promisedMiB(config('memory=3072'), 400 * MIB);
    expect(running).toBe(3072 + OVERHEAD_MIB - 400);
    expect(() => checkMemory(config('memory=1024'), host(4096), running)).not.toThrow();
    expect(() => checkMemory(config('memory=2048'), host(4096), running)).toThrow(
      "but only 1274 MiB of this computer's 8192 MiB are free, what running domains were given left aside",
    );
    expect(promisedMiB(config('memory=64'), 2 ** 40)).toBe(0);
  });
});

describe('checkStart', () => {
  const start = (text: string, files: FileHost): Promise<void> =>
    checkStart(files, config(text), host(8000));

  it.each([
    ['EACCES', 'permission is denied', 'IMAGE_UNREADABLE'],
    ['ENOENT', 'there is no such file', 'IMAGE_NOT_FOUND'],
    ['EISDIR', 'it is a directory', 'IMAGE_BAD'],
  ] as const)('names the CD image and the reason: %s', async (code, message, answer) => {
    await expect(start(`disk=['/x.iso,,hdc,cdrom']`, failing(code, message))).rejects.toMatchObject(
      { code: answer, message: `the CD image in hdc cannot be used: /x.iso: ${message}` },
    );
  });

  it('refuses before it looks at any file when the memory is not there', async () => {
    await expect(
      checkStart(failing('ENOENT', 'asked'), config('memory=512'), host(100)),
    ).rejects.toMatchObject({ code: 'NO_MEMORY' });
  });
});
