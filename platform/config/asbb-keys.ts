/** Keys of ASBB's that change nothing here: who brings ASBB's file along is told by name, and why. */

/** Keys that ASBB has, or promises, and this version of Bursar has nothing for. `.*` stands for whatever is below. */
export const NOT_YET: readonly string[] = [
  ...below('integration', 'grant_management_enabled burn_rate_analysis_enabled allocation_scheduling_enabled'),
  ...below('allocations', 'process_interval auto_process'),
  ...below('asbx_integration', 'notification_enabled compliance_reporting'),
  ...below('grant_management', 'enabled default_budget_period_months auto_create_periods compliance_reporting'),
  ...below('grant_management', 'burn_rate_monitoring alert_thresholds.*'),
];

/** Keys of ASBB's that mean nothing here and never will, each with the reason. */
export const NEVER: Readonly<Record<string, string>> = {
  'database.max_idle_conns': 'the pool keeps the connections that it has opened',
  'database.migrations_path': 'a version brings its schema along, and no other fits it',
  'auth.api_key_auth': 'API keys always work; `bursar key revoke` ends one',
  'auth.api_keys': 'a key in a file has neither name nor scope nor end; `bursar key create` makes one that has',
  'auth.admin_users': 'a key or a token says itself what it may; admin is a scope',
  'budget.transaction_retention': 'nothing that was booked is ever deleted',
  'slurm.epilog_script': 'the hooks that are installed in Slurm tell of ends, and the queue shows what they missed',
  'asbx_integration.enabled': 'who has a key of the scope hook may send reports',
  'asbx_integration.asbx_endpoint': 'integration.asbx_endpoint says where it is, and its reports come by themselves',
  'asbx_integration.data_retention_days': 'a report is the evidence of what was booked, and is kept as long',
  'asbx_integration.reconciliation_timeout': 'service.write_timeout limits every answer',
  'asbx_integration.max_retries': '`bursar asbx watch` tries again until a report has been taken',
  'asbx_integration.cost_model_learning.enabled': 'asbx_integration.update_cost_model says it',
  'asbx_integration.cost_model_learning.feedback_frequency': 'every report counts when it arrives',
  'logging.output': 'a process logs to its standard output; who starts it says where that goes',
  'logging.structured': 'every line is; logging.format says how it looks',
  'logging.sampling.*': 'the line that is left out is the one that somebody will look for',
  'metrics.prometheus_url': 'Prometheus asks Bursar, and not the other way round',
  'metrics.namespace': 'dashboards need names that stay',
  'metrics.subsystem': 'dashboards need names that stay',
  'metrics.collect_interval': 'figures are read when Prometheus asks for them',
};

function below(section: string, names: string): string[] {
  return names.split(' ').map((each) => `${section}.${each}`);
}

/** What becomes of a key that no feature of this version reads; undefined where it is none of ASBB's. */
export function unread(path: string): string | undefined {
  const fits = (pattern: string) =>
    pattern.endsWith('.*') ? `${path}.`.startsWith(pattern.slice(0, -1)) : pattern === path;
  const reason = Object.entries(NEVER).find(([pattern]) => fits(pattern))?.[1];
  if (reason !== undefined) return `${path} changes nothing: ${reason}`;
  return NOT_YET.some(fits) ? `${path} changes nothing: it is not in this version of Bursar` : undefined;
}
