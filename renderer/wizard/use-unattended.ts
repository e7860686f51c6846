import { computed, reactive, ref, watch, type ComputedRef, type Ref } from 'vue';
import type { AnswerFormat, InstallSeed } from '../../core/api';
import { call, errorMessage } from '../api';
import {
  answersOf,
  emptyUnattended,
  hostNameOf,
  validateUnattended,
  type UnattendedField,
  type UnattendedErrors,
  type UnattendedForm,
} from './unattended-form';

const PREVIEW_DELAY_MS = 300;

export interface Unattended {
  readonly form: UnattendedForm;
  /** What the installer on the chosen image reads; null when it cannot be left alone. */
  readonly format: Ref<AnswerFormat | null>;
  /** It can be left alone, and is to be. */
  readonly on: ComputedRef<boolean>;
  readonly valid: ComputedRef<boolean>;
  /** The answer files as they will be used, or why there are none. */
  readonly seed: Ref<InstallSeed | null>;
  readonly problem: Ref<string>;
  reset(keymap: string): void;
  touch(field: UnattendedField): void;
  showErrors(): void;
  errorOf(field: UnattendedField): string;
  /** The answer files for what is in the form now. */
  answers(): Promise<InstallSeed>;
}

/** Answers for an installer, behind their looks. `machine` is whom they are for. */
export function useUnattended(
  machine: () => { readonly name: string; readonly uuid: string },
): Unattended {
  const form = reactive<UnattendedForm>(emptyUnattended('', '', 'us'));
  const format = ref<AnswerFormat | null>(null);
  const seed = ref<InstallSeed | null>(null);
  const problem = ref('');
  const touched = reactive(new Set<UnattendedField>());
  const shown = reactive(new Set<UnattendedField>());
  /** Hashes of the passwords as they are now: a hash has a new salt each time, and would never stand still. */
  const hashes = new Map<string, string>();
  let round = 0;

  const on = computed(() => form.on && format.value !== null);
  const errors = computed<UnattendedErrors>(() => (on.value ? validateUnattended(form) : {}));
  const valid = computed(() => Object.keys(errors.value).length === 0);

  function reset(keymap: string): void {
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    Object.assign(form, emptyUnattended(navigator.language, timeZone, keymap));
    format.value = null;
    seed.value = null;
    problem.value = '';
    touched.clear();
    shown.clear();
    hashes.clear();
  }

  function touch(field: UnattendedField): void {
    touched.add(field);
    shown.add(field);
  }

  function showErrors(): void {
    for (const field of Object.keys(errors.value)) shown.add(field as UnattendedField);
  }

  function errorOf(field: UnattendedField): string {
    return shown.has(field) ? (errors.value[field] ?? '') : '';
  }

  async function hashOf(password: string): Promise<string> {
    if (password === '') return '';
    const known = hashes.get(password);
    if (known !== undefined) return known;
    const { hash } = await call('install/hashPassword', { password });
    hashes.set(password, hash);
    for (const old of hashes.keys())
      if (old !== form.password && old !== form.rootPassword) hashes.delete(old);
    return hash;
  }

  async function answers(): Promise<InstallSeed> {
    if (format.value === null) throw new Error('the installer reads no answers');
    const user = form.userName === '' ? '' : await hashOf(form.password);
    const root = await hashOf(form.rootPassword);
    return call('install/answers', {
      format: format.value,
      answers: answersOf(form, { user, root }),
      instanceId: machine().uuid,
    });
  }

  watch(
    () => machine().name,
    (name) => {
      if (!touched.has('hostName')) form.hostName = hostNameOf(name);
    },
    { immediate: true },
  );

  let timer: ReturnType<typeof setTimeout> | null = null;
  watch([() => ({ ...form }), format, () => machine().uuid], () => {
    if (timer !== null) clearTimeout(timer);
    const mine = ++round;
    if (!on.value || !valid.value) {
      seed.value = null;
      problem.value = '';
      return;
    }
    timer = setTimeout(() => {
      answers().then(
        (made) => {
          if (mine === round) [seed.value, problem.value] = [made, ''];
        },
        (error: unknown) => {
          if (mine === round) [seed.value, problem.value] = [null, errorMessage(error)];
        },
      );
    }, PREVIEW_DELAY_MS);
  });

  return { form, format, on, valid, seed, problem, reset, touch, showErrors, errorOf, answers };
}
