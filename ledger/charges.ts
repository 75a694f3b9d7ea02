/** What ledger.charge_run takes (migrations/functions/charge_run.sql), which act_on_story calls for each charge that is due. */
import type { ChargeSource } from '../domain/job';
import type { MeteredSlice } from '../domain/metered';
import { instantOfMicros, type Instant } from '../domain/time';
import type { ChargePiece } from '../domain/usage';

export interface RunCharge {
  /** `<cluster>/<job id>[_task]/<submit epoch s or ->/<start epoch s or ->` */
  runKey: string;
  /** Without a hold: account and cluster. */
  holdId?: string;
  account?: string;
  cluster?: string;
  jobId: string;
  partition?: string;
  user?: string;
  source: ChargeSource;
  /** The ledger cuts them further where funds open or close. */
  pieces: ChargePiece[];
  /** The cost as the machine wrote it. */
  reportedNumeral?: string;
  startedAt?: Instant;
  endedAt?: Instant;
  usage?: unknown;
  /** What it used, where that is known. */
  slices?: readonly MeteredSlice[];
  metadata?: unknown;
  /** Replaces a cost that was reported before. */
  correction?: boolean;
  /** Settles: gives the rest of the hold back in the same transaction. */
  close?: boolean;
  reason?: string;
  actor: string;
  /** The clock; default: the database's. */
  now?: Instant;
}

/** As ledger.meter_run takes them. */
export const renderSlices = (slices: readonly MeteredSlice[]) =>
  slices.map(({ from, to, resources, activeMicros }) => ({
    starts_at: instantOfMicros(from),
    ends_at: instantOfMicros(to),
    nodes: resources.nodes,
    cpus: resources.cpus,
    gpus: resources.gpus,
    memory_mib: resources.memoryMib,
    active_micros: activeMicros.toString(),
  }));

export const requestOf = (run: RunCharge) => ({
  run_key: run.runKey,
  hold_id: run.holdId ?? null,
  account: run.account ?? null,
  cluster: run.cluster ?? null,
  job_id: run.jobId,
  partition: run.partition ?? null,
  user: run.user ?? null,
  source: run.source,
  pieces: run.pieces.map(({ startsAt, endsAt, amount }) => ({
    starts_at: startsAt,
    ends_at: endsAt,
    amount_micro: amount.toString(),
  })),
  reported_numeral: run.reportedNumeral ?? null,
  started_at: run.startedAt ?? null,
  ended_at: run.endedAt ?? null,
  usage: run.usage ?? null,
  slices: run.slices ? renderSlices(run.slices) : null,
  metadata: run.metadata ?? null,
  correction: run.correction ?? false,
  close: run.close ?? false,
  reason: run.reason ?? null,
  actor: run.actor,
  now: run.now ?? null,
});
