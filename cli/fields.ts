/**
 * The columns of --csv: the fields of the API's answers by name, in the order in which the API's schemas have them. They are
 * written out, so that the heading of an empty list is the heading of a full one; a test compares them with the schemas.
 */
const HOLD =
  fields(`transaction_id key account unit cluster partition user_id job_id status placed resized given_back held charged
  charged_from_hold released late overdue_at use_by group effective_at placed_at closed_at parts`);

const JOB = fields(`cluster time_zone job_id job_name account unit user_id partition submitted_at state quarantined
  transaction_id late admitted admission_reason admission_cost held charged accrued workflow_id workflow_url updated_at`);

const UNMATCHED = fields(`id source status why cluster time_zone job_id account unit user_id partition submitted_at cost
  received_at received_by transaction_id reason closed_by closed_at`);

const KEY = fields('key_id name scope cluster status created_by created_at expires_at revoked_at last_used_at');

export const FIELDS = {
  account:
    fields(`id slurm_account name description unit time_zone budget_limit budget_used budget_held budget_available
    has_incremental_budget total_allocated start_date end_date status parent subtree_limit on_exhaustion overdraft_limit
    on_requeue_shortfall hold_multiplier overspent_at created_at updated_at archived_at`),
  policy: fields(
    `account unit on_exhaustion overdraft_limit on_requeue_shortfall hold_multiplier parent subtree_limit`,
  ),
  fund: fields('fund_id account unit source label opens_at closes_at status granted settled held available'),
  limit: fields('account unit partition user limit used held remaining opens_at closes_at'),
  balance: fields(`account unit time_zone at budget_limit budget_used budget_held budget_available granted settled held
    in_flight committed available over_hold overdraft_used overdraft_limit upcoming difference next_money_at funds
    subtree.settled subtree.held subtree.limit limits`),
  statementLine: fields('at kind granted settled held available transaction_id description job_id user_id'),
  decision: fields(`available code message account unit cluster time_zone estimated_cost hold_amount transaction_id
    component_transaction_ids budget_remaining recommendation confidence details.account_balance details.current_hold
    details.partition_used details.partition_limit details.hold_percentage details.estimator details.advisor_confidence
    details.advisor.outcome details.advisor.detail details.advisor.numerals estimate.method estimate.confidence
    estimate.lines estimate.unbilled explanation at note replayed`),
  reconciliation:
    fields(`success status original_hold actual_charge refund_amount additional_charge transaction_id unit unmatched_id
    message replayed`),
  cluster:
    fields(`name time_zone unit default_partition enforcement failure_policy failure_limit exempt_users without_account cost_source
    unpriced price_preset hold_multiplier hold_cap minimum_charge end_grace_seconds reconciliation_timeout_seconds
    refund_node_fail refund_boot_fail refund_preempted refund_admin_cancel refund_lost_time_seconds partitions`),
  partition: fields(
    'name max_time_seconds default_time_seconds queue_weight cost_source failure_policy failure_limit exempt',
  ),
  rate: fields('rate_no cluster partition resource unit rate price su_per_unit starts_at ends_at source'),
  hold: HOLD,
  job: JOB,
  /** The decision and the hold are records of their own; the rest of a story is lists. */
  story: [
    ...JOB,
    ...fields('waits_for deadline refused_changes lone_changes runs events transactions has_earlier_transactions'),
  ],
  receipt: fields('status cluster job_id transaction_id detail note'),
  transaction:
    fields(`id transaction_id account_id account unit type kind direction amount description metadata status actor
    job_id cluster partition user_id parent_transaction_id effective_at created_at completed_at entries`),
  refund:
    fields(`transaction_id charge_id account unit amount charged refunded reason policy description actor cluster job_id
    user_id refunded_at evidence.type evidence.at evidence.recorded_at evidence.record notice.status notice.address
    notice.last_error notice.closed_at`),
  unmatched: UNMATCHED,
  unmatchedDetails: [...UNMATCHED, 'evidence', 'candidates'],
  asbx: fields(`success status reconciliation_id original_transaction unmatched_id unit estimated_cost actual_cost
    cost_variance cost_variance_pct refund_amount additional_charge estimation_accuracy model_update_applied
    compliance_report_generated message warnings recommendations notes replayed`),
  asbxStatus: fields(`asbx_version integration_enabled last_data_import total_jobs_reconciled successful_reconciliations
    failed_reconciliations recorded_reports waiting_reports average_reconciliation_time cost_model_accuracy
    last_health_check health_status`),
  spooled: fields('what file jobId reason answer'),
  key: KEY,
  createdKey: [...KEY, 'key'],
  change: fields('change_no at actor action subject name before after'),
  books: fields('ok difference findings accounts transactions open_holds'),
  seals: fields(`ok head sealed unsealed first_tampered.txn_no first_tampered.transaction_id first_tampered.detail`),
  audit:
    fields(`audit_no kind status started_at finished_at failure books.ok books.difference books.findings books.accounts
    books.transactions books.open_holds seals.ok seals.head seals.sealed seals.unsealed seals.first_tampered.txn_no
    seals.first_tampered.transaction_id seals.first_tampered.detail`),
  slurmLook: fields(
    `cluster result workflow_id failures jobs records recorded bound adopted ended released reduced keeps deeds`,
  ),
  look: fields(`cluster time_zone listed_at listed_age_seconds listed_jobs accounted_at accounted_age_seconds failed_at failure
    unseen_holds`),
  recovery: fields('restarted transaction_ids rung looked_at next'),
  service: fields('name version endpoint available last_check capabilities health_status response_ms detail'),
  usage: fields(`account unit other_units period start_date end_date time_zone group_by summary.total_spent
    summary.total_held summary.total_jobs summary.avg_cost_per_job summary.budget_utilized summary.budget_limit
    summary.budget_used summary.budget_available summary.unmetered_jobs summary.cpu_hours summary.gpu_hours
    summary.node_hours summary.memory_gib_hours summary.cpu_seconds summary.gpu_seconds summary.node_seconds
    summary.memory_mib_seconds`),
  usageRow:
    fields(`category label unit amount job_count percentage start_date end_date unmetered_jobs cpu_hours gpu_hours
    node_hours memory_gib_hours cpu_seconds gpu_seconds node_seconds memory_mib_seconds`),
  refusal: fields(`at cluster time_zone account user_id partition job_name code message unit estimated_cost hold_amount
    job_id state would_have_cost`),
  forecast:
    fields(`account unit time_zone projected_spend projected_overrun projected_underrun projected_depletion burn_rate
    confidence method recommendation sample_days window_start window_end days_remaining projected_end_date budget_limit
    budget_used budget_available as_of`),
  health: fields('status version timestamp services uptime operational_mode'),
} as const;

function fields(names: string): readonly string[] {
  return names.split(/\s+/);
}
