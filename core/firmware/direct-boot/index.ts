export {
  DirectBootError,
  planLinuxBoot,
  startLinux,
  type LinuxBootFiles,
  type LinuxBootPlan,
  type LinuxBootTarget,
  type MemoryWrite,
} from './bzimage';
