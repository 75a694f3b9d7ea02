/**
 * Requests and answers for the documentation: contract 3's own, on a cluster that rates CPUs and GPUs.
 * test/api/examples.test.ts asks the same and gets the same.
 */

export const CHECK_EXAMPLE = {
  account: 'climate-ml',
  partition: 'gpu-aws',
  nodes: 2,
  cpus: 16,
  gpus: 4,
  memory: '64GB',
  wall_time: '04:00:00',
  user_id: 'rkaur',
  job_details: { job_name: 'train-07', work_dir: '/scratch/rkaur' },
  idempotency_key: 'submit-host-01-1772460311-4711',
};

export const DECISION_EXAMPLE = {
  available: true,
  code: 'placed',
  message: 'Budget check passed',
  account: 'climate-ml',
  unit: 'USD',
  cluster: 'default',
  time_zone: 'America/Chicago',
  estimated_cost: 41.5,
  hold_amount: 49.8,
  transaction_id: 'txn_01JD0000000000000000000000',
  budget_remaining: 950.2,
  confidence: 0.9,
  details: {
    account_balance: 1000,
    current_hold: 49.8,
    hold_percentage: 1.2,
    estimator: 'rates',
    advisor_confidence: 0.9,
  },
  estimate: {
    method: 'rates',
    confidence: 0.9,
    lines: [
      '16 cpu x 4 h x 0.1 USD',
      '4 gpu x 4 h x 2.19375 USD',
      '= 41.5 USD for 04:00:00 on default',
      'node costs nothing: default has no rate for it',
      'mem costs nothing: default has no rate for it',
    ],
    unbilled: ['node', 'mem'],
  },
  at: '2026-03-02T14:05:11Z',
  replayed: false,
};

export const RECONCILE_EXAMPLE = {
  job_id: '88123',
  actual_cost: 37.25,
  transaction_id: 'txn_01JD0000000000000000000000',
  job_metadata: '{"exit_code":0}',
};

export const RECONCILED_EXAMPLE = {
  success: true,
  status: 'settled',
  original_hold: 49.8,
  actual_charge: 37.25,
  refund_amount: 12.55,
  additional_charge: 0,
  transaction_id: 'txn_01JD0000000000000000000000',
  unit: 'USD',
  message: 'Job reconciliation completed successfully',
  replayed: false,
};

export const ACCOUNT_EXAMPLE = {
  slurm_account: 'climate-ml',
  name: 'Climate ML',
  description: 'NSF task 2',
  budget_limit: 1000,
  start_date: '2026-01-01T00:00:00Z',
  end_date: '2027-01-01T00:00:00Z',
};

export const DEPOSIT_EXAMPLE = {
  amount: 250.5,
  opens_at: '2026-10-01T00:00:00Z',
  closes_at: '2027-10-01T00:00:00Z',
  label: 'Year 2',
  description: 'NSF 2026, second increment',
  idempotency_key: 'nsf-2026-increment-2',
};

export const TRANSFER_EXAMPLE = {
  from: 'climate-ml',
  to: 'ocean-ml',
  amount: '100.00',
  description: 'shared campaign',
};

export const CLUSTER_EXAMPLE = { name: 'eagle', time_zone: 'America/Denver', default_partition: 'standard' };

export const RATE_EXAMPLE = {
  cluster: 'eagle',
  resource: 'gpu:a100',
  unit: 'USD',
  price: 1.85,
  starts_at: '2026-01-01T00:00:00Z',
  source: 'Rate card 2026',
};

export const EVENTS_EXAMPLE = {
  events: [
    {
      type: 'started',
      cluster: 'eagle',
      job_id: 88123,
      at: '2026-03-02T14:31:51Z',
      transaction_id: 'txn_01JD0000000000000000000000',
      tres: 'cpu=16,mem=64G,node=2,gres/gpu:a100=4',
    },
    {
      type: 'ended',
      cluster: 'eagle',
      job_id: 88123,
      at: '2026-03-02T18:02:10Z',
      end_state: 'COMPLETED',
      exit_code: 0,
    },
  ],
};

export const KEY_EXAMPLE = { name: 'eagle-hook', scope: 'hook', cluster: 'eagle', expires_at: '2099-01-01T00:00:00Z' };

export const ASBX_EXAMPLE = {
  job_cost_data: {
    job_id: 'asbx-88123',
    slurm_job_id: '88123',
    account: 'climate-ml',
    partition: 'gpu-aws',
    user_id: 'rkaur',
    submitted_at: '2026-03-02T14:05:11Z',
    started_at: '2026-03-02T14:09:00Z',
    completed_at: '2026-03-02T17:44:00Z',
    job_state: 'COMPLETED',
    exit_code: 0,
    estimated_cost: 41.5,
    actual_cost: 37.25,
    cost_breakdown: { compute: 33.9, storage: 1.1, network: 2.25 },
    cpu_efficiency: 0.86,
    memory_efficiency: 0.81,
    burst_decision: 'AWS',
  },
  auto_reconcile: true,
};

export const EPILOG_EXAMPLE = {
  job_id: '88123',
  account: 'climate-ml',
  partition: 'gpu-aws',
  user_id: 'rkaur',
  job_state: '0',
  submit_time: 1772460311,
  start_time: 1772460540,
  end_time: 1772473440,
  allocated_nodes: 2,
  allocated_cpus: '16(x2)',
  asbx_data_path: '/var/spool/asbx/job_88123_cost.json',
};

/** As job_submit/lua sees a job before Slurm has filled in a default. */
export const SLURM_JOB_EXAMPLE = {
  user: 'rkaur',
  account: 'climate-ml',
  partition: 'gpu-aws',
  time_limit: 240,
  min_nodes: 2,
  num_tasks: 16,
  tres_per_node: 'gres:gpu:2',
};

export const SLURM_EVENTS_EXAMPLE = {
  records: [
    {
      source: 'jobcomp',
      job_id: 88123,
      job_state: 3,
      submit_time: 1_772_460_311,
      start_time: 1_772_460_711,
      end_time: 1_772_464_311,
      tres_fmt_alloc_str: 'cpu=16,mem=64G,node=2,gres/gpu=4',
      admin_comment: 'bursar:5d1f0a7c9be24c6f8a3d7e10b2c49f36',
      account: 'climate-ml',
      partition: 'gpu-aws',
      user_name: 'rkaur',
      nodes: 'g[1-2]',
    },
  ],
};
