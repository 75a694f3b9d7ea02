/** Opens what the configuration says of the services beside Bursar, for the process. */
import type { Integration, ServiceSettings } from '../platform/config/integration';
import type { Log } from '../platform/log';
import type { Metrics } from '../platform/metrics';
import { openAdvisor, type OpenAdvisor } from './advisor/advisor';
import { headersOf } from './advisor/question';
import { operationalMode, watchServices, type OperationalMode, type ServiceName } from './service-watch';

export interface Neighbours {
  advisor?: OpenAdvisor;
  states(): Record<ServiceName, string>;
  mode(): OperationalMode;
  look(): Promise<void>;
  start(): void;
  stop(): void;
}

export function openNeighbours(
  { advisor: settings, asbx, asba, lookEveryMs, failuresMax }: Integration,
  { log, metrics }: { log: Log; metrics: Metrics },
): Neighbours {
  const { url, enabled, timeoutMs } = settings;
  const advisor = url !== undefined && enabled ? openAdvisor({ ...settings, url }, { log, metrics }) : undefined;
  const watch = watchServices({
    services: {
      ...(url !== undefined && enabled && { advisor: { url, timeoutMs, headers: headersOf(settings) } }),
      ...(asbx.enabled && { asbx: watched(asbx) }),
      ...(asba.enabled && { asba: watched(asba) }),
    },
    everyMs: lookEveryMs,
    failuresMax,
    log,
  });
  return {
    ...(advisor && { advisor }),
    states: () => watch.states(),
    mode: () => operationalMode(watch.states(), advisor?.isTrusted() ?? true),
    look: () => watch.look(),
    start: () => watch.start(),
    stop: () => {
      watch.stop();
      advisor?.close();
    },
  };
}

const watched = ({ url, timeoutMs, apiKey }: ServiceSettings) => ({
  url,
  timeoutMs,
  headers: headersOf({ headers: {}, ...(apiKey !== undefined && { apiKey }) }),
});
