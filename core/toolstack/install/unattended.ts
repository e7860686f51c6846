/** Whether an installer can be left alone, and with which answers. */
import type { AnswerFormat } from '../../api';
import type { FileHost } from '../../host';
import { findBootFiles } from '../../storage';
import { answerFormatOf } from './answers';

/** Where Ubuntu's newer installer, which reads no preseed, has its kernel. */
const SUBIQUITY_FOLDER = 'casper/';

/** The answers that the installer on an image reads when its kernel is started directly; undefined when that will not do. */
export async function unattendedFormat(
  files: FileHost,
  path: string,
  osId: string,
): Promise<AnswerFormat | undefined> {
  const format = answerFormatOf(osId);
  if (format === undefined) return undefined;
  const boot = await findBootFiles(files, path).catch(() => undefined);
  return boot === undefined || boot.kernel.path.startsWith(SUBIQUITY_FOLDER) ? undefined : format;
}
