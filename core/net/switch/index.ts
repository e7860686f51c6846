export {
  EthernetSwitch,
  type PortCounters,
  type SwitchClient,
  type SwitchPort,
  type SwitchPortOptions,
} from './ethernet-switch';
