export {
  DirectBootError,
  planLinuxBoot,
  startLinux,
  type LinuxBootFiles,
  type LinuxBootOptions,
  type LinuxBootPlan,
  type LinuxBootTarget,
  type MemoryWrite,
} from './bzimage';
