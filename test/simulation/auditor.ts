/**
 * What the books must say in the end, from what the workload knows and plain arithmetic. It shares no code with the ledger.
 */
export interface PlannedJob {
  key: string;
  jobId: string;
  cpus: number;
  wallSeconds: number;
  runSeconds: number;
  /** Asks for more than the account has; ends; is cancelled before it starts. */
  fate: 'too dear' | 'ends' | 'cancelled';
}

/** Microdollars for a CPU-hour; with thirds and sevenths of hours, hardly a cost is a whole number of them. */
export const CPU_HOUR_MICRO = 37_013n;
export const BUDGET_MICRO = 1_000_000_000_000n;

const micro = (cpus: number, seconds: number): bigint => BigInt(cpus) * BigInt(seconds) * CPU_HOUR_MICRO;

/** 120 % of the estimate, rounded up once. */
export const predictedHold = ({ cpus, wallSeconds }: PlannedJob): bigint =>
  (micro(cpus, wallSeconds) * 12n + 35_999n) / 36_000n;

/** What it used, rounded half to even. */
export function predictedCharge({ fate, cpus, runSeconds }: PlannedJob): bigint {
  if (fate !== 'ends') return 0n;
  const cost = micro(cpus, runSeconds);
  const [whole, rest] = [cost / 3_600n, cost % 3_600n];
  return rest > 1_800n || (rest === 1_800n && whole % 2n === 1n) ? whole + 1n : whole;
}

/** One line of the books for every job that got a hold. */
export interface BookedHold {
  holdId: string;
  status: string;
  placed: bigint;
  held: bigint;
  charged: bigint;
  released: bigint;
  charges: number;
  chargesSum: bigint;
}

export function predictedBooking(job: PlannedJob, holdId: string): BookedHold {
  const placed = predictedHold(job);
  const charged = predictedCharge(job);
  const ends = job.fate === 'ends';
  return {
    holdId,
    status: ends ? 'settled' : 'released',
    placed,
    held: 0n,
    charged,
    released: placed > charged ? placed - charged : 0n,
    charges: ends ? 1 : 0,
    chargesSum: charged,
  };
}
