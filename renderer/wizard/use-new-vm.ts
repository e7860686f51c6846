import { computed, reactive, ref, watch, type ComputedRef, type Ref } from 'vue';
import {
  DomusError,
  type DomainConfig,
  type DomainInfo,
  type IsoReport,
  type PickedFile,
} from '../../core/api';
import { call, errorMessage, sentence } from '../api';
import { useConsolesStore } from '../stores/consoles';
import { useDialogsStore } from '../stores/dialogs';
import { useDomainsStore } from '../stores/domains';
import { useHostStore } from '../stores/host';
import { usePreferencesStore } from '../stores/preferences';
import { useTasksStore } from '../stores/tasks';
import {
  buildConfig,
  validateForm,
  type FieldErrors,
  type FieldName,
  type NewVmForm,
} from './new-vm-form';
import { useUnattended, type Unattended } from './use-unattended';

const PREVIEW_DELAY_MS = 200;
const NEEDS_CHANGE = 'Some answers need a change; they are marked.';

function emptyForm(keymap: string): NewVmForm {
  return {
    name: '',
    memory: 512,
    vcpus: 1,
    disk: 'new',
    diskGiB: 8,
    existingDisk: null,
    iso: null,
    networkBoot: false,
    directBoot: false,
    kernel: null,
    ramdisk: null,
    extra: '',
    firmware: null,
    serial: true,
    keymap,
    vncpasswd: '',
  };
}

export interface NewVm {
  readonly form: NewVmForm;
  readonly report: Ref<IsoReport | null>;
  readonly freeMiB: Ref<number>;
  /** An image is being read. */
  readonly reading: Ref<boolean>;
  readonly busy: Ref<'create' | 'start' | null>;
  /** What stopped the last try, when it is no single answer's fault. */
  readonly problem: Ref<string>;
  /** xl.cfg of what would be stored. */
  readonly preview: Ref<string>;
  readonly built: ComputedRef<ReturnType<typeof buildConfig> | null>;
  /** Answers for an installer that is to be left alone. */
  readonly unattended: Unattended;
  open(iso: PickedFile | null): Promise<void>;
  setIso(iso: PickedFile | null): Promise<void>;
  /** The user changed an answer: it is not filled in any more, and its `error` may be shown. */
  touch(field: keyof NewVmForm, error?: FieldName): void;
  errorOf(field: FieldName): string;
  create(start: boolean): Promise<boolean>;
}

/** The New dialog behind its looks: what the image is, what that suggests, what the user changed, what is wrong. */
export function useNewVm(): NewVm {
  const domains = useDomainsStore();
  const host = useHostStore();
  const preferences = usePreferencesStore();
  const consoles = useConsolesStore();
  const dialogs = useDialogsStore();
  const tasks = useTasksStore();

  const form = reactive<NewVmForm>(emptyForm(preferences.value.keymap));
  const touched = reactive(new Set<keyof NewVmForm>());
  const shownErrors = reactive(new Set<FieldName>());
  const report = ref<IsoReport | null>(null);
  const suggested = ref<DomainConfig | null>(null);
  const freeMiB = ref(0);
  const reading = ref(false);
  const busy = ref<'create' | 'start' | null>(null);
  const problem = ref('');
  const serverErrors = ref<FieldErrors>({});
  const preview = ref('');
  const unattended = useUnattended(() => ({
    name: form.name.trim(),
    uuid: suggested.value?.uuid ?? '',
  }));
  let round = 0;

  const limits = computed(() => ({
    takenNames: domains.all.map((domain) => domain.config.name),
    hostCpus: host.info?.cpus ?? 1,
    hostFreeMiB: freeMiB.value,
  }));
  /** The answers that count: an installer that is left alone has a kernel of its own. */
  const asked = computed<NewVmForm>(() => ({
    ...form,
    directBoot: form.directBoot && !unattended.on.value,
  }));
  const errors = computed<FieldErrors>(() => {
    const found = suggested.value === null ? {} : validateForm(asked.value, limits.value);
    if (report.value?.problem !== undefined) found.iso = sentence(report.value.problem);
    if (unattended.on.value && form.disk === 'none')
      found.disk = 'An unattended installation needs a disk.';
    return { ...serverErrors.value, ...found };
  });
  const valid = computed(
    () =>
      suggested.value !== null &&
      !reading.value &&
      Object.keys(validateForm(asked.value, limits.value)).length === 0 &&
      !(unattended.on.value && form.disk === 'none') &&
      unattended.valid.value,
  );
  const built = computed(() =>
    suggested.value === null ? null : buildConfig(asked.value, suggested.value),
  );

  /** Starts over, with an image or without. */
  async function open(iso: PickedFile | null): Promise<void> {
    Object.assign(form, emptyForm(preferences.value.keymap));
    touched.clear();
    shownErrors.clear();
    problem.value = '';
    serverErrors.value = {};
    report.value = null;
    suggested.value = null;
    busy.value = null;
    unattended.reset(preferences.value.keymap);
    await setIso(iso);
  }

  /** Reads an image and fills in what the user has not changed. */
  async function setIso(iso: PickedFile | null): Promise<void> {
    const mine = ++round;
    form.iso = iso;
    report.value = null;
    serverErrors.value = {};
    reading.value = true;
    unattended.format.value = null;
    try {
      const suggestion = await call('domain/suggest', iso === null ? {} : { iso: iso.path });
      if (mine !== round) return;
      fill(suggestion.config, suggestion.diskGiB);
      freeMiB.value = suggestion.hostFreeMiB;
      report.value = suggestion.report ?? null;
      unattended.format.value = suggestion.unattended ?? null;
    } catch (error) {
      if (mine !== round) return;
      serverErrors.value = { iso: errorMessage(error) };
      if (suggested.value === null && iso !== null) await fillWithout(mine);
    } finally {
      if (mine === round) reading.value = false;
    }
  }

  /** An image that cannot be read leaves the rest of the dialog usable. */
  async function fillWithout(mine: number): Promise<void> {
    const { config, diskGiB, hostFreeMiB } = await call('domain/suggest', {});
    if (mine !== round) return;
    fill(config, diskGiB);
    freeMiB.value = hostFreeMiB;
    form.iso = null;
  }

  function fill(config: DomainConfig, diskGiB: number): void {
    suggested.value = config;
    if (!touched.has('name')) form.name = config.name;
    if (!touched.has('memory')) form.memory = config.memory;
    if (!touched.has('vcpus')) form.vcpus = config.vcpus;
    if (!touched.has('diskGiB')) form.diskGiB = diskGiB;
  }

  function touch(field: keyof NewVmForm, error?: FieldName): void {
    touched.add(field);
    if (error !== undefined) {
      shownErrors.add(error);
      const { [error]: _gone, ...rest } = serverErrors.value;
      serverErrors.value = rest;
    }
  }

  function errorOf(field: FieldName): string {
    return shownErrors.has(field) ||
      serverErrors.value[field] !== undefined ||
      field === 'iso' ||
      field === 'memory'
      ? (errors.value[field] ?? '')
      : '';
  }

  /** Stores the machine; one whose installer is left alone gets its kernel and the answers, too. */
  async function define(wanted: ReturnType<typeof buildConfig>): Promise<DomainInfo> {
    const location = form.iso?.path;
    if (!unattended.on.value || location === undefined) return call('domain/define', wanted);
    const seed = await unattended.answers();
    return call('domain/install', { ...wanted, location, seed });
  }

  async function create(start: boolean): Promise<boolean> {
    for (const field of ['name', 'memory', 'vcpus', 'disk', 'kernel', 'vncpasswd'] as const)
      shownErrors.add(field);
    unattended.showErrors();
    const wanted = built.value;
    if (!valid.value || wanted === null) {
      problem.value = NEEDS_CHANGE;
      return false;
    }
    problem.value = '';
    busy.value = start ? 'start' : 'create';
    try {
      const domain = await define(wanted);
      domains.put(domain);
      domains.select(domain.config.uuid);
      if (start) {
        consoles.setTab(domain.config.uuid, 'console');
        call('domain/start', { domain: domain.config.uuid }).then(domains.put, (error: unknown) =>
          tasks.report(`Start “${domain.config.name}”`, error, domain.config.name),
        );
      }
      dialogs.wizard = false;
      return true;
    } catch (error) {
      const field = fieldOf(error);
      if (field === null) problem.value = errorMessage(error);
      else serverErrors.value = { ...serverErrors.value, [field]: errorMessage(error) };
      return false;
    } finally {
      busy.value = null;
    }
  }

  watch(valid, (now) => {
    if (now && problem.value === NEEDS_CHANGE) problem.value = '';
  });

  let previewTimer: ReturnType<typeof setTimeout> | null = null;
  watch(
    built,
    (value) => {
      if (previewTimer !== null) clearTimeout(previewTimer);
      if (value === null) return;
      previewTimer = setTimeout(() => {
        call('config/format', { config: value.config }).then(
          ({ text }) => (preview.value = text),
          (error: unknown) => (preview.value = errorMessage(error)),
        );
      }, PREVIEW_DELAY_MS);
    },
    { deep: true },
  );

  return {
    form,
    report,
    freeMiB,
    reading,
    busy,
    problem,
    preview,
    built,
    unattended,
    open,
    setIso,
    touch,
    errorOf,
    create,
  };
}

/** Which question an error of the toolstack answers. */
function fieldOf(error: unknown): FieldName | null {
  if (!(error instanceof DomusError)) return null;
  switch (error.code) {
    case 'NAME_TAKEN':
      return 'name';
    case 'NO_MEMORY':
      return 'memory';
    case 'NOT_BOOTABLE':
      return 'iso';
    default:
      return null;
  }
}
