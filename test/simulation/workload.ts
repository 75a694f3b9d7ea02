/** A cluster that submits jobs and tells what became of them. After any error it says the same again, as hooks do. */
import { eventually } from '../helpers/eventually';
import type { PlannedJob } from './auditor';

export type Heard = 'check' | 'submitted' | 'started' | 'ended' | 'cancelled';

export interface Decision {
  available: boolean;
  transaction_id?: string;
  replayed?: boolean;
}

/** mulberry32: small, and the same everywhere. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export function planJobs(name: string, count: number, random: (below: number) => number): PlannedJob[] {
  return Array.from({ length: count }, (_, index): PlannedJob => {
    const dice = random(10);
    const fate = dice === 0 ? 'too dear' : dice === 1 ? 'cancelled' : 'ends';
    return {
      key: `${name}/${index}`,
      jobId: `${name}-${index}`,
      cpus: fate === 'too dear' ? 900_000_000 : 1 + random(64),
      wallSeconds: 600 + random(6) * 1_200,
      runSeconds: 1 + random(7_000), // Some run beyond their limit, and cost more than their hold.
      fate,
    };
  });
}

export class Workload {
  /** What was answered, by key. */
  readonly decisions = new Map<string, Decision>();
  /** Requests that had to be made again. */
  retries = 0;
  private readonly heard = new Map<Heard, number>();
  private readonly listeners: { what: Heard; count: number; tell: () => void }[] = [];

  constructor(
    private readonly url: string,
    private readonly account: string,
    readonly jobs: readonly PlannedJob[],
  ) {}

  count(what: Heard): number {
    return this.heard.get(what) ?? 0;
  }

  /** Resolves when so many of these have been acknowledged. */
  nth(what: Heard, count: number): Promise<void> {
    return new Promise((resolve) => {
      this.listeners.push({ what, count, tell: resolve });
      this.tellListeners();
    });
  }

  async run(atOnce = 6): Promise<void> {
    const waiting = [...this.jobs];
    const live = async () => {
      for (let job = waiting.shift(); job; job = waiting.shift()) await this.live(job);
    };
    await Promise.all(Array.from({ length: atOnce }, live));
  }

  async check({ key, cpus, wallSeconds }: PlannedJob): Promise<Decision> {
    return (await this.post('/api/v1/budget/check', {
      account: this.account,
      partition: 'batch',
      user_id: 'vera',
      nodes: 1,
      cpus,
      wall_time: String(wallSeconds / 60),
      idempotency_key: key,
    })) as Decision;
  }

  /** From submission to end, each step once the one before was acknowledged. */
  private async live(job: PlannedJob): Promise<void> {
    const decision = await this.check(job);
    this.decisions.set(job.key, decision);
    if (decision.available) this.hear('check');
    if (!decision.available) return;
    const now = Date.now();
    const startedAt = now - job.runSeconds * 1_000;
    const submittedAt = instant(startedAt - 60_000);
    const common = { job_id: job.jobId, transaction_id: decision.transaction_id, submitted_at: submittedAt };
    await this.tell({ ...common, type: 'submitted', at: submittedAt });
    if (job.fate === 'cancelled') {
      await this.tell({ ...common, type: 'cancelled', at: instant(now) });
      return;
    }
    const run = { ...common, started_at: instant(startedAt), nodes: 1, cpus: job.cpus, partition: 'batch' };
    await this.tell({ ...run, type: 'started', at: instant(startedAt) });
    await this.tell({ ...run, type: 'ended', at: instant(now), end_state: 'COMPLETED' });
  }

  private async tell(event: { type: Heard; [field: string]: unknown }): Promise<void> {
    const { unmatched } = (await this.post('/api/v1/jobs/events', { events: [event] })) as { unmatched: number };
    if (unmatched > 0) throw new Error(`nobody knew what ${JSON.stringify(event)} was about`);
    this.hear(event.type);
  }

  /** Until there is an answer. A refusal of the request itself is a mistake of ours and ends it. */
  private async post(path: string, body: unknown): Promise<unknown> {
    const { status, text } = await eventually(
      `${path} is answered`,
      async () => {
        try {
          const response = await fetch(this.url + path, {
            method: 'POST',
            headers: { 'Content-Type': 'application/json' },
            body: JSON.stringify(body),
            signal: AbortSignal.timeout(5_000),
          });
          const answer = { status: response.status, text: await response.text() };
          if (answer.status < 500) return answer;
        } catch {
          // Refused, reset, cut off in the middle, or too late: all the same to a hook.
        }
        this.retries += 1;
        return undefined;
      },
      120_000,
    );
    if (status >= 300) throw new Error(`${path} answered ${status}: ${text}`);
    return JSON.parse(text) as unknown;
  }

  private hear(what: Heard): void {
    this.heard.set(what, this.count(what) + 1);
    this.tellListeners();
  }

  private tellListeners(): void {
    for (const { what, count, tell } of this.listeners) if (this.count(what) >= count) tell();
  }
}

const instant = (ms: number): string => new Date(ms).toISOString();
