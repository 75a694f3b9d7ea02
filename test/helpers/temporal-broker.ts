/**
 * Starts the run's Temporal when the first test asks for it: a run of plain tests should not wait for a server, nor a
 * fresh machine for its program. The tests run in processes of their own, so they ask over HTTP.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { cacheFolder, readConfig, searchPath } from '../../platform/config';
import { freePort } from '../../platform/embedded/ports';
import { startService } from '../../platform/embedded/service';
import { openEmbeddedTemporal } from '../../platform/embedded/temporal';
import { findTemporalCli } from '../../platform/embedded/temporal-cli';
import { connectTemporal } from '../../platform/temporal';
import { prepareNamespace } from '../../platform/temporal-namespace';
import { SEARCH_ATTRIBUTES } from '../../workflows/contracts/job-lifecycle';
import { noteServer } from './scratch';
import { atTeardown } from './teardown';

export async function startTemporalBroker(folder: string): Promise<void> {
  const { temporalCliPath } = readConfig();
  let starting: Promise<string> | undefined;
  const server = createServer((_request, response) => {
    starting ??= startTemporal(folder, temporalCliPath);
    starting.then(
      (address) => response.end(address),
      (error: unknown) => response.writeHead(503).end(String(error)),
    );
  });
  // Building the CLI takes minutes on a fresh machine; the client waits as long as it takes.
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  process.env.BURSAR_TEST_TEMPORAL_BROKER = `http://127.0.0.1:${port}`;
  atTeardown(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
}

async function startTemporal(folder: string, cliPath: string | undefined): Promise<string> {
  const cli = await findTemporalCli({
    cliPath,
    searchPath: searchPath(),
    cacheFolder: cacheFolder(),
    onProgress: (text) => process.stderr.write(`temporal: ${text}\n`),
  });
  const { spec, address } = openEmbeddedTemporal({
    home: folder,
    cli,
    port: await freePort(),
    logFile: join(folder, 'temporal.log'),
  });
  const service = await startService(spec, (event) => {
    if (event.type === 'spawned') noteServer(folder, event.identity);
  });
  atTeardown(() => service.stop());
  const temporal = connectTemporal({ address });
  await prepareNamespace(temporal, { namespace: 'default', searchAttributes: SEARCH_ATTRIBUTES });
  await temporal.close();
  return address;
}
