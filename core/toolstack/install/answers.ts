/** Answers as they come in: checked so that no value can add a line or an option to an answer file. */
import { z } from 'zod';
import type { AnswerFormat, InstallAnswers, InstallSeed } from '../../api';
import { cloudInit } from './cloud-init';
import { kickstart } from './kickstart';
import { preseed } from './preseed';

export const ANSWER_FORMATS = ['preseed', 'cloud-init', 'kickstart'] as const;
const MAX_LIST = 64;
const MAX_SEED_TEXT = 256 << 10;

/** crypt(5): $6$, perhaps rounds=N$, a salt of up to 16 characters, 86 characters. */
const hash = z
  .string()
  .regex(/^(?:\$6\$(?:rounds=\d{4,9}\$)?[./A-Za-z0-9]{0,16}\$[./A-Za-z0-9]{86})?$/, {
    message: 'must be a SHA-512 crypt hash ($6$...)',
  });
const httpAddress = z
  .string()
  .max(256)
  .regex(/^(?:http:\/\/[A-Za-z0-9.-]+(?::\d{1,5})?(?:\/[A-Za-z0-9._~/-]*)?)?$/, {
    message: 'must be http://HOST or http://HOST:PORT/PATH',
  });

export const answersSchema = z.strictObject({
  hostName: z.string().regex(/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/, {
    message: 'must be a host name: letters, digits and - (RFC 1123)',
  }),
  locale: z
    .string()
    .regex(/^[A-Za-z]{1,8}(?:_[A-Z]{2})?(?:\.[A-Za-z0-9-]{1,16})?(?:@[a-z]{1,16})?$/, {
      message: 'must be a locale such as en_US.UTF-8',
    }),
  keyboard: z.string().regex(/^[a-z]{2,8}$/, 'must be a layout such as us or de'),
  timezone: z
    .string()
    .max(64)
    .regex(/^[A-Za-z_]+(?:\/[A-Za-z0-9_+-]+){0,2}$/, 'must be a zone such as Europe/Vienna'),
  userName: z.string().regex(/^(?:[a-z_][a-z0-9_-]{0,31})?$/, 'must be a user name in lower case'),
  fullName: z
    .string()
    .max(128)
    .regex(/^[^\p{Cc}:,"'\\$`]*$/u, 'must be one line without : , " \' \\ $ `'),
  userPasswordHash: hash,
  rootPasswordHash: hash,
  authorizedKeys: z
    .array(
      z
        .string()
        .max(2048)
        .regex(/^(?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/=]+(?: [\w@.+:/ -]*)?$/, {
          message: 'must be an OpenSSH public key',
        }),
    )
    .max(MAX_LIST),
  packages: z
    .array(z.string().regex(/^[@a-zA-Z0-9][a-zA-Z0-9.+_-]{0,99}$/, 'must be names of packages'))
    .max(MAX_LIST),
  mirror: httpAddress,
  proxy: httpAddress,
}) satisfies z.ZodType<InstallAnswers>;

export const seedSchema = z.strictObject({
  format: z.enum(ANSWER_FORMATS),
  volumeId: z.string().regex(/^[A-Za-z0-9_-]{1,16}$/, 'must be the name of a CD'),
  files: z
    .array(
      z.strictObject({
        name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,29}$/, 'must be the name of a file'),
        text: z.string().max(MAX_SEED_TEXT),
      }),
    )
    .min(1)
    .max(8),
  commandLine: z
    .string()
    .max(1024)
    .regex(/^[^\p{Cc}]*$/u, 'must be one line'),
}) satisfies z.ZodType<InstallSeed>;

/**
 * The answers that the installer of a system reads, by what its CD was found to be; undefined when that is not known.
 * Live systems and children of these have installers of their own.
 */
export function answerFormatOf(osId: string): AnswerFormat | undefined {
  if (/^(?:debian|ubuntu)[\d.]*$/.test(osId)) return 'preseed';
  return /^(?:fedora|rhel|centos|rocky|almalinux)\d*$/.test(osId) ? 'kickstart' : undefined;
}

/** The answer files of a format. `instanceId` tells cloud-init one domain from another. */
export function answerFiles(
  format: AnswerFormat,
  answers: InstallAnswers,
  instanceId: string,
): InstallSeed {
  if (format === 'preseed') return preseed(answers);
  return format === 'kickstart' ? kickstart(answers) : cloudInit(answers, instanceId);
}
