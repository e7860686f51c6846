import { describe, expect, it } from 'vitest';
import {
  answersOf,
  emptyUnattended,
  hostNameOf,
  KEYBOARDS,
  LOCALES,
  validateUnattended,
  type UnattendedForm,
} from './unattended-form';

const form: UnattendedForm = {
  ...emptyUnattended('de-AT', 'Europe/Vienna', 'de'),
  on: true,
  hostName: 'debian12',
  userName: 'maria',
  password: 'correct horse',
};

describe('what is filled in', () => {
  it('comes from the language, the time zone and the keymap of who sits here', () => {
    expect(form).toMatchObject({
      locale: 'de_AT.UTF-8',
      keyboard: 'de',
      timezone: 'Europe/Vienna',
    });
    expect(emptyUnattended('en', 'UTC', 'en-gb')).toMatchObject({
      locale: 'en_US.UTF-8',
      keyboard: 'gb',
      timezone: 'Etc/UTC',
    });
    expect(hostNameOf('my_guest.2-')).toBe('my-guest-2');
  });
});

describe('validateUnattended', () => {
  it('takes a user with a password, or root alone', () => {
    expect(validateUnattended(form)).toEqual({});
    const root = { ...form, userName: '', password: '', rootPassword: 'x' };
    expect(validateUnattended(root)).toEqual({});
  });

  it('wants somebody who can log in', () => {
    expect(validateUnattended({ ...form, userName: '' }).userName).toContain('somebody');
    expect(validateUnattended({ ...form, password: '' }).password).toBe(
      'Give the user a password.',
    );
    expect(validateUnattended({ ...form, userName: 'root' }).userName).toBeDefined();
  });

  it('says what to write', () => {
    const wrong = {
      ...form,
      hostName: '-a',
      userName: 'Maria',
      locale: 'en US',
      keyboard: 'US!',
      timezone: 'Vienna time',
    };
    expect(Object.keys(validateUnattended(wrong)).sort()).toEqual([
      'hostName',
      'keyboard',
      'locale',
      'timezone',
      'userName',
    ]);
  });

  it('takes everything that is offered', () => {
    for (const locale of LOCALES) expect(validateUnattended({ ...form, locale })).toEqual({});
    for (const keyboard of KEYBOARDS) expect(validateUnattended({ ...form, keyboard })).toEqual({});
    for (const timezone of Intl.supportedValuesOf('timeZone'))
      expect(validateUnattended({ ...form, timezone })).toEqual({});
  });
});

it('answersOf has hashes and no password', () => {
  const answers = answersOf({ ...form, rootPassword: 'battery' }, { user: '$6$u', root: '$6$r' });
  expect(answers).toMatchObject({ userPasswordHash: '$6$u', rootPasswordHash: '$6$r' });
  expect(JSON.stringify(answers)).not.toMatch(/correct horse|battery/);
  expect(answersOf({ ...form, userName: '' }, { user: '$6$u', root: '' }).userPasswordHash).toBe(
    '',
  );
});
