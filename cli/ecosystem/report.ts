/** What it means which neighbours are there: ASBB's words and shares (contract 14). */
import { SERVICE_NAMES, type ServiceInfo, type ServiceName } from './probe';

export interface EcosystemReport {
  services: ServiceInfo[];
  available: number;
  total: number;
  /** Per cent of them that are available, rounded down. */
  share: number;
  health: 'complete' | 'good' | 'partial' | 'standalone';
  mode: 'complete_ecosystem' | 'integrated' | 'enhanced' | 'standalone';
}

/** Shares of three: all, two, one, none. */
const LEVELS = [
  { from: 100, health: 'complete', mode: 'complete_ecosystem' },
  { from: 66, health: 'good', mode: 'integrated' },
  { from: 33, health: 'partial', mode: 'enhanced' },
  { from: 0, health: 'standalone', mode: 'standalone' },
] as const;

export function reportOn(services: ServiceInfo[]): EcosystemReport {
  const total = services.length;
  const available = services.filter((service) => service.available).length;
  const share = Math.floor((100 * available) / total);
  const { health, mode } = LEVELS.find(({ from }) => share >= from) ?? LEVELS[3];
  return { services, available, total, share, health, mode };
}

const isThere = (services: readonly ServiceInfo[], name: ServiceName): boolean =>
  services.some((service) => service.name === name && service.available);

/** ASBB recommends by who is there, not by how many. */
export function recommendedMode(services: readonly ServiceInfo[]): string {
  const [advisor, asbx, asba] = SERVICE_NAMES.map((name) => isThere(services, name));
  if (advisor && asbx && asba) return 'complete_ecosystem';
  return asba ? 'ecosystem' : asbx ? 'integrated' : advisor ? 'enhanced' : 'standalone';
}

const RECOMMENDATIONS: Record<ServiceName, { there: string; away: string }> = {
  advisor: {
    there: 'Let the advisor say what jobs cost: set advisor.url.',
    away: "No advisor: jobs are priced by each cluster's own rates, which needs nobody else.",
  },
  asbx: {
    there: 'ASBX reports what jobs have really cost: set integration.asbx_enabled, and /health says how it is.',
    away: 'No ASBX: costs are what rates make of the usage, or what `bursar reconcile` reports.',
  },
  asba: {
    there: 'ASBA asks where jobs should run: set integration.asba_enabled, and /health says how it is.',
    away: 'No ASBA: nothing is missing from budgets.',
  },
};

export const recommendationsFor = (services: readonly ServiceInfo[]): string[] =>
  SERVICE_NAMES.map((name) => RECOMMENDATIONS[name][isThere(services, name) ? 'there' : 'away']);

/** Settings for what was found, by their keys. */
export function suggestedSettings(services: readonly ServiceInfo[]): Record<string, Record<string, string | boolean>> {
  const found = (name: ServiceName) => services.find((service) => service.name === name && service.available);
  const [advisor, asbx, asba] = SERVICE_NAMES.map(found);
  return {
    ...(advisor?.endpoint && { advisor: { url: advisor.endpoint } }),
    integration: {
      advisor_enabled: advisor !== undefined,
      ...(advisor && { failure_mode: 'GRACEFUL' }),
      asbx_enabled: asbx !== undefined,
      ...(asbx?.endpoint && { asbx_endpoint: asbx.endpoint }),
      asba_enabled: asba !== undefined,
      ...(asba?.endpoint && { asba_endpoint: asba.endpoint }),
    },
  };
}
