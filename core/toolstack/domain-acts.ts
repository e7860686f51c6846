import { DomusError, type DomainConfig, type Params, type Result } from '../api';
import { configProblem } from './config';
import { prepareInstall, removeInstallFiles } from './install';
import { withNewDisks } from './new-disks';
import type { Toolstack } from './toolstack';

/** Refuses what cannot be stored as a new domain, before anything is made for it. */
function checkNew(config: DomainConfig, toolstack: Toolstack): void {
  const problem = configProblem(config);
  if (problem) throw new DomusError('INVALID_CONFIG', problem);
  toolstack.requireFree(config);
}

/** Stores a new domain, and makes its disks. */
export async function defineDomain(
  { config, createDiskBytes }: Params<'domain/define'>,
  { toolstack }: { readonly toolstack: Toolstack },
): Promise<Result<'domain/define'>> {
  checkNew(config, toolstack);
  return withNewDisks(toolstack.options.host.files, config, createDiskBytes, () =>
    toolstack.define(config),
  );
}

/** The same for one that installs a system; what was made is removed when it fails. */
export async function installDomain(
  { createDiskBytes, ...request }: Params<'domain/install'>,
  { toolstack }: { readonly toolstack: Toolstack },
): Promise<Result<'domain/install'>> {
  checkNew(request.config, toolstack);
  const { host, dataDir } = toolstack.options;
  const { files, timers } = host;
  const config = await prepareInstall(files, dataDir, request, timers.wallMs());
  try {
    return await withNewDisks(files, config, createDiskBytes, () => toolstack.define(config));
  } catch (cause) {
    await removeInstallFiles(files, dataDir, config.uuid);
    throw cause;
  }
}

/** Moves a domain into the trash, or away for good: from there, so that it is whole or gone at any time. */
export async function deleteDomain(
  { domain, deleteDisks = [], forGood = false }: Params<'domain/delete'>,
  { toolstack }: { readonly toolstack: Toolstack },
): Promise<Result<'domain/delete'>> {
  const entry = await toolstack.trash.put(toolstack.find(domain), deleteDisks);
  if (!forGood) return entry;
  await toolstack.trash.purge(entry.id);
  return null;
}

/** Plugs a cable in or pulls it, in the running machine and in the configuration. */
export async function setLink(
  { domain, devid, up }: Params<'domain/setLink'>,
  { toolstack }: { readonly toolstack: Toolstack },
): Promise<Result<'domain/setLink'>> {
  const found = toolstack.find(domain);
  const { config } = found;
  // A running machine has the cards of its start; by their address they are found again in the configuration.
  const mac = (found.info.machine ?? config).vif[devid]?.mac;
  if (mac === undefined)
    throw new DomusError('INVALID_CONFIG', `${config.name} has no network card ${devid}`);
  if (found.active) await found.networkLink(devid, up);
  const vif = found.config.vif.map((card) => (card.mac === mac ? { ...card, link: up } : card));
  return toolstack.redefine(found, { ...found.config, vif });
}
