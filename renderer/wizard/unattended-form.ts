import type { InstallAnswers } from '../../core/api';

/** What an installer that is left alone is told; passwords are only here, until they are hashes. */
export interface UnattendedForm {
  on: boolean;
  hostName: string;
  userName: string;
  password: string;
  rootPassword: string;
  locale: string;
  keyboard: string;
  timezone: string;
}

export type UnattendedField = Exclude<keyof UnattendedForm, 'on'>;
export type UnattendedErrors = Partial<Record<UnattendedField, string>>;

/** Passwords longer than this are a mistake of pasting. */
const MAX_PASSWORD = 256;

/** Common answers that are offered; any other can be written. */
export const LOCALES: readonly string[] = [
  'en_US.UTF-8', 'en_GB.UTF-8', 'en_CA.UTF-8', 'en_AU.UTF-8', 'en_IN.UTF-8', 'C.UTF-8',
  'cs_CZ.UTF-8', 'da_DK.UTF-8', 'de_AT.UTF-8', 'de_CH.UTF-8', 'de_DE.UTF-8', 'es_ES.UTF-8',
  'es_MX.UTF-8', 'fi_FI.UTF-8', 'fr_CA.UTF-8', 'fr_FR.UTF-8', 'hu_HU.UTF-8', 'it_IT.UTF-8',
  'ja_JP.UTF-8', 'ko_KR.UTF-8', 'nb_NO.UTF-8', 'nl_NL.UTF-8', 'pl_PL.UTF-8', 'pt_BR.UTF-8',
  'pt_PT.UTF-8', 'ro_RO.UTF-8', 'ru_RU.UTF-8', 'sv_SE.UTF-8', 'tr_TR.UTF-8', 'uk_UA.UTF-8',
  'zh_CN.UTF-8', 'zh_TW.UTF-8',
]; // prettier-ignore
export const KEYBOARDS: readonly string[] = [
  'us', 'gb', 'at', 'be', 'br', 'ch', 'cz', 'de', 'dk', 'es', 'fi', 'fr', 'hu', 'it', 'jp', 'latam',
  'nl', 'no', 'pl', 'pt', 'ro', 'ru', 'se', 'tr', 'ua',
]; // prettier-ignore

/** X layouts of the keymaps of the screen. */
const LAYOUTS: Readonly<Record<string, string>> = { 'en-us': 'us', 'en-gb': 'gb' };

/** Sensible answers for whoever sits here: `language` as the browser says it (`de-AT`), `timezone`, `keymap`. */
export function emptyUnattended(
  language: string,
  timezone: string,
  keymap: string,
): UnattendedForm {
  const region = /^([a-z]{2})-([A-Z]{2})$/.exec(language);
  return {
    on: false,
    hostName: '',
    userName: '',
    password: '',
    rootPassword: '',
    locale: region ? `${region[1] ?? ''}_${region[2] ?? ''}.UTF-8` : 'en_US.UTF-8',
    keyboard: LAYOUTS[keymap] ?? keymap,
    timezone: timezone === '' || timezone === 'UTC' ? 'Etc/UTC' : timezone,
  };
}

/** The name of a virtual machine as a host name. */
export function hostNameOf(name: string): string {
  return name
    .replace(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
}

/** What is wrong with the answers, in words that say what to do. The toolstack's schema has the last word. */
export function validateUnattended(form: UnattendedForm): UnattendedErrors {
  const errors: UnattendedErrors = {};
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(form.hostName))
    errors.hostName = 'Use letters, digits and - (not at the ends).';
  if (form.userName === '' && form.rootPassword === '')
    errors.userName = 'Name a user, or give root a password: somebody has to log in.';
  else if (!/^(?:[a-z_][a-z0-9_-]{0,31})?$/.test(form.userName))
    errors.userName = 'Use lower-case letters, digits, _ and -; begin with a letter.';
  else if (form.userName === 'root') errors.userName = 'Root is there anyway; name another user.';
  if (form.userName !== '' && form.password === '') errors.password = 'Give the user a password.';
  for (const field of ['password', 'rootPassword'] as const)
    if (form[field].length > MAX_PASSWORD)
      errors[field] = `Use at most ${MAX_PASSWORD} characters.`;
  if (!/^[A-Za-z]{1,8}(?:_[A-Z]{2})?(?:\.[A-Za-z0-9-]{1,16})?(?:@[a-z]{1,16})?$/.test(form.locale))
    errors.locale = 'Write it as en_US.UTF-8.';
  if (!/^[a-z]{2,8}$/.test(form.keyboard)) errors.keyboard = 'Write a layout as us or de.';
  if (!/^[A-Za-z_]+(?:\/[A-Za-z0-9_+-]+){0,2}$/.test(form.timezone))
    errors.timezone = 'Write a zone as Europe/Vienna.';
  return errors;
}

/** The answers, with hashes in place of the passwords. */
export function answersOf(
  form: UnattendedForm,
  hashes: { readonly user: string; readonly root: string },
): InstallAnswers {
  return {
    hostName: form.hostName,
    locale: form.locale,
    keyboard: form.keyboard,
    timezone: form.timezone,
    userName: form.userName,
    fullName: form.userName,
    userPasswordHash: form.userName === '' ? '' : hashes.user,
    rootPasswordHash: hashes.root,
    authorizedKeys: [],
    packages: [],
    mirror: '',
    proxy: '',
  };
}
