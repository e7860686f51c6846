import { defineStore } from 'pinia';
import { reactive } from 'vue';
import type { DomainConfig } from '../../core/api';

/** Settings of a virtual machine that were changed and not applied. */
export interface Draft {
  config: DomainConfig;
  /** Disks to be made when it is applied: bytes by vdev. */
  newDisks: Record<string, number>;
}

/** Drafts by uuid: they wait while another tab or machine is looked at. */
export const useDraftsStore = defineStore('drafts', () => {
  const byUuid = reactive(new Map<string, Draft>());
  return { byUuid };
});
