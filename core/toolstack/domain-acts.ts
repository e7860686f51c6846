import { DomusError, type Params, type Result } from '../api';
import type { Toolstack } from './toolstack';

/** Removes a definition, and those of its images that are named and that no other domain has. */
export async function deleteDomain(
  { domain, deleteDisks = [] }: Params<'domain/delete'>,
  { toolstack }: { readonly toolstack: Toolstack },
): Promise<null> {
  const found = toolstack.find(domain);
  const { config } = found;
  for (const path of deleteDisks) {
    const own = config.disk.find((disk) => disk.target === path);
    if (!own) throw new DomusError('INVALID_CONFIG', `${path} is not an image of ${config.name}`);
    if (toolstack.isImageShared(path, config.uuid))
      throw new DomusError(
        'IMAGE_IN_USE',
        `${path} belongs to another domain too and is not deleted`,
      );
  }
  await toolstack.remove(found);
  for (const path of deleteDisks) await toolstack.options.host.files.remove(path);
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
