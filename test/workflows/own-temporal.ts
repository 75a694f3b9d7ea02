/** A Temporal that a test may start late or take away, since it is nobody else's. */
import { join } from 'node:path';
import { cacheFolder, readConfig, searchPath } from '../../platform/config';
import { startService } from '../../platform/embedded/service';
import { openEmbeddedTemporal } from '../../platform/embedded/temporal';
import { findTemporalCli } from '../../platform/embedded/temporal-cli';
import { connectTemporal } from '../../platform/temporal';
import { ensureNamespace } from '../../worker/namespace';
import { noteServer, removeScratch, scratchFolder } from '../helpers/scratch';
import { silence, until } from './house';

export interface OwnTemporal extends AsyncDisposable {
  address: string;
}

/** Empty, on this port; with our search attributes in the namespace `default`, unless it is to be bare. */
export async function ownTemporal(port: number, { isBare = false } = {}): Promise<OwnTemporal> {
  const folder = scratchFolder();
  const cli = await findTemporalCli({
    cliPath: readConfig().temporalCliPath,
    searchPath: searchPath(),
    cacheFolder: cacheFolder(),
    onProgress: () => {},
  });
  const { spec, address } = openEmbeddedTemporal({ home: folder, cli, port, logFile: join(folder, 'temporal.log') });
  const service = await startService(spec, (event) => {
    if (event.type === 'spawned') noteServer(folder, event.identity);
  });
  if (!isBare) await prepared(address);
  const stop = async () => {
    await service.stop();
    await removeScratch(folder);
  };
  return { address, [Symbol.asyncDispose]: stop };
}

async function prepared(address: string): Promise<void> {
  const temporal = connectTemporal({ address });
  await until('its namespace is ready', () =>
    ensureNamespace(temporal, silence).then(
      () => true,
      () => false,
    ),
  );
  await temporal.close();
}
