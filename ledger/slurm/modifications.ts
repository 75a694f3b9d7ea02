/**
 * `scontrol update` of a job that may have a hold: without this a user holds for one hour and runs for a hundred. What costs
 * as much as before goes by; more must pass every limit; another account or partition is another hold. Less gives nothing back
 * before the end: Slurm judges the update after us, and one that it refuses leaves the job as it was.
 *
 * Of a job that runs only that is priced which Slurm changes in one; the rest is refused before any money moves.
 *
 * Nothing here leaves a job without its hold, whichever of its steps is the last: a resize is one command, an exchange of
 * holds is one transaction, and the event that tells the job's story of the change comes after them.
 */
import { Fault, FAULTS } from '../../domain/faults';
import { given } from '../../domain/given';
import type { JobRequest } from '../../domain/job';
import { ZERO, type Micro } from '../../domain/money';
import { mergeChanges, whatStaysAsItRuns } from '../../domain/slurm-changes';
import { joinJobId } from '../../domain/slurm-job';
import type { Submission } from '../../domain/slurm-submission';
import { readStrand } from '../../domain/tasks';
import { instantOfMs, instantOfSeconds } from '../../domain/time';
import type { Sql } from '../../platform/postgres';
import { changedJob, holdMoved } from '../admission';
import { newHoldId } from '../admission-item';
import type {
  Admission,
  Caller,
  ChangedJob,
  CheckRequest,
  Cluster,
  Decision,
  Hold,
  Holds,
  ModificationAnswer,
  Slurm,
  SlurmModification,
} from '../contract';
import { ask, unavailable } from '../errors';
import type { RecordEvents } from '../events';
import type { NumberedCluster, PriceBooks } from '../price-book';
import { loadFacts } from '../story-facts';
import { isSamePrice, needOf } from './change-price';
import {
  changedJobOf,
  hasStartedTasks,
  nameOfChange,
  openHoldOf,
  tasksOf,
  userOf,
  type Asked,
  type JobHold,
} from './changed-job';
import { clusterAsOfNow } from './cluster';
import { exemptionOf, type Exemption } from './exemption';
import { noteChange } from './last-changes';
import { noteSubmission } from './notes';
import { checkOf } from './request';
import { submissionOf, unknownAccount, withoutAccount, type Unasked } from './submissions';

export interface ModificationsDeps {
  sql: Sql;
  prices: PriceBooks;
  admission: Admission;
  holds: Pick<Holds, 'resizeFrom'>;
  recordEvents: RecordEvents;
  defaultCluster: string;
}

/** The status of every refusal that a limit, a window or a missing price makes. */
const REFUSED = 402;

/** Changes of one job come one after the other; more of them at once than this is somebody's loop. */
const LOOKS_MAX = 8;

export function openModifications(deps: ModificationsDeps): Pick<Slurm, 'modify'> {
  const { sql, prices, admission, holds, recordEvents, defaultCluster } = deps;

  return {
    async modify(modification, caller) {
      const { cluster, answer } = await decide(modification, caller);
      // What costs as much as before has changed no hold.
      if (answer.accept && answer.code !== 'unchanged') {
        // In whole seconds, as hooks count.
        const { at: decidedAt = instantOfSeconds(Math.floor(Date.now() / 1000)), newKey: key } = modification;
        await noteChange(sql, cluster, { ...nameOfChange(modification), key, decidedAt });
      }
      return answer;
    },
  };

  async function decide(
    modification: SlurmModification,
    caller: Caller,
  ): Promise<{ cluster: NumberedCluster; answer: ModificationAnswer }> {
    const { cluster: name = defaultCluster, facts, changes, newKey, stamp } = modification;
    const { cluster, book } = await clusterAsOfNow(prices, name);
    const job = await changedJobOf(sql, cluster, modification);
    const after = submissionOf(mergeChanges(facts, changes));
    const before = submissionOf(facts);
    const answered = (answer: ModificationAnswer) => ({ cluster, answer });
    if ('code' in after) return answered(await refuse(cluster, newKey, after, caller, job.jobId));
    if (!('code' in before) && isSamePrice(before, after)) return answered(goesBy(cluster));

    const user = await userOf(sql, cluster, job, facts, stamp);
    const own = (submission: Submission): Submission => ({
      ...submission,
      ...given({ user }),
      job: { ...submission.job, arrayTasks: tasksOf(submission, modification) },
    });
    const stays = whatStaysAsItRuns(facts, changes);
    if (stays !== undefined) return answered(await keepAsItRuns(cluster, newKey, stays, own(after), caller, job.jobId));
    let asked: Asked = {
      cluster,
      book,
      now: instantOfMs(Date.now()),
      ...job,
      newKey,
      ...given({ stamp }),
      before: own('code' in before ? after : before),
      after: own(after),
      caller,
    };
    let hold = await openHoldOf(sql, cluster, asked, stamp);
    for (let look = 1; ; look++) {
      try {
        return answered(await judge(asked, hold));
      } catch (error) {
        // Another change of the job was faster, perhaps one whose hook gave up on us: go on with what it left.
        if (!hold || look === LOOKS_MAX || !(error instanceof Fault && error.code === 'hold_closed')) throw error;
        asked = { ...asked, ...(await changedJobOf(sql, cluster, modification)) };
        hold = await openHoldOf(sql, cluster, asked, stamp);
        // It has ended, and nothing is held for a job that has.
        if (!hold) return answered(goesBy(cluster));
      }
    }
  }

  async function judge(asked: Asked, hold: JobHold | undefined): Promise<ModificationAnswer> {
    const { cluster, book, now, newKey, after, caller, jobId } = asked;
    const exemption = exemptionOf(cluster, after);
    if (exemption) return exempt(asked, exemption, hold);
    const check = checkOf(after, cluster, book, now);
    if (!check) return refuse(cluster, newKey, withoutAccount(cluster), caller, jobId, after);
    try {
      // Asked before: its first answer is given again.
      if (!hold || hold.key === newKey) return await holdAnew(asked, check);
      if (hold.late) return await exchange(asked, check, hold);
      const [job] = check.components;
      if (job && hold.account === check.account && hold.partition === job.partition)
        return await resize(asked, job, hold);
      return await exchange(asked, check, hold);
    } catch (error) {
      if (!(error instanceof Fault && error.code === 'account_not_found')) throw error;
      return refuse(cluster, newKey, unknownAccount(check.account), caller, jobId, after);
    }
  }

  async function resize(asked: Asked, job: JobRequest, hold: JobHold): Promise<ModificationAnswer> {
    for (let look = 1; look <= LOOKS_MAX; look++) {
      const answer = await resizeOnce(asked, job, hold);
      if (answer) return answer;
    }
    throw unavailable(new Error(`hold ${hold.holdId} changed ${LOOKS_MAX} times while one change was decided`));
  }

  /** Undefined: what is held has changed since it was read, by another task's change or by a charge. */
  async function resizeOnce(asked: Asked, job: JobRequest, hold: JobHold): Promise<ModificationAnswer | undefined> {
    const { cluster, newKey, caller, task } = asked;
    const facts = await loadFacts(sql, hold.holdId);
    const need = needOf(job, hold, facts, asked);
    if (typeof need === 'string')
      return refuse(cluster, newKey, { code: 'unpriced', reason: need }, caller, asked.jobId, asked.after);
    const { held, amount, isMore, cost } = need;
    const { unit } = facts.account;
    let resized: Hold | undefined;
    try {
      const key = { principal: caller.principal, key: newKey };
      resized = await holds.resizeFrom(
        held,
        hold.holdId,
        amount,
        'The job was changed: held for what it may cost now',
        key,
      );
    } catch (error) {
      if (!(error instanceof Fault && FAULTS[error.code].status === REFUSED)) throw error;
      return {
        ...(await refuse(
          cluster,
          newKey,
          { code: error.code, reason: error.message },
          caller,
          asked.jobId,
          asked.after,
          { cost, held: amount },
        )),
        unit,
      };
    }
    if (!resized) return undefined;
    if (task === '' && isMore) await tellOfChange(asked, job, hold.holdId);
    return {
      ...goesBy(cluster),
      code: 'resized',
      message: 'The hold covers the changed job.',
      holdId: hold.holdId,
      holdAmount: resized.held,
      unit,
    };
  }

  /**
   * Its story prices requeues by what it is told, and knows when to expect the end. Of one task it would say it of all; and
   * what is less is not told, because the story would give back what the hold has too much.
   */
  async function tellOfChange(asked: Asked, job: JobRequest, holdId: string): Promise<void> {
    const { cluster, jobId, now, submittedAt, caller } = asked;
    const event = {
      type: 'resized' as const,
      cluster: cluster.name,
      jobId,
      at: now,
      holdId,
      resources: job.resources,
      ...(submittedAt === undefined ? {} : { submittedAt }),
      ...(job.wallSeconds === undefined ? {} : { timeLimitSeconds: job.wallSeconds }),
    };
    await recordEvents([event], caller);
  }

  async function exchange(asked: Asked, check: CheckRequest, hold: JobHold): Promise<ModificationAnswer> {
    const { newKey: key, caller, cluster } = asked;
    const { part, tasks } = await partOf(asked, hold);
    if (part === undefined) {
      const reason = `Tasks of job ${asked.jobId} have started already: change those that wait one by one, as job ${asked.jobId}_N.`;
      return refuse(cluster, key, { code: 'array_has_started', reason }, caller, asked.jobId, asked.after);
    }
    const components = check.components.map((component) => ({ ...component, arrayTasks: tasks }));
    const decision = await admission.exchange(hold.holdId, { ...check, components }, part, {
      principal: caller.principal,
      key,
    });
    return answerOf(decision, cluster, key);
  }

  /**
   * Which part of what the hold is for goes to another one: all of it, or one task of an array. Undefined: those of its tasks that
   * have not started, and nobody could tell these from the others once the hold was another.
   */
  async function partOf(asked: Asked, { holdId }: JobHold): Promise<{ part: ChangedJob | undefined; tasks: number }> {
    const { jobId, submittedAt, task, after } = asked;
    const facts = await loadFacts(sql, holdId);
    const index = facts.holds.findIndex((each) => each.holdId === holdId);
    const job = { jobId, ...given({ submittedAt }) };
    const strand = readStrand(facts.holds, facts.events, index);
    if (task !== '') return { part: { ...job, task, tasksLeft: Math.max(strand.unfinished, 1) }, tasks: 1 };
    const hasStarted = await hasStartedTasks(sql, asked);
    return { part: hasStarted ? undefined : job, tasks: Math.max(strand.arrayTasks, after.job.arrayTasks) };
  }

  /** It was let in without money held: now that it asks for more, it is asked about like a new one. */
  async function holdAnew(asked: Asked, check: CheckRequest): Promise<ModificationAnswer> {
    const { caller, cluster, submittedAt, now } = asked;
    const jobId = joinJobId(asked);
    const key = await keyToAskWith(asked, check);
    const decision = await admission.check({ ...check, jobId }, { principal: caller.principal, key });
    const answer = answerOf(decision, cluster, key);
    if (answer.accept) {
      const at = submittedAt ?? now;
      const event = {
        type: 'submitted' as const,
        cluster: cluster.name,
        jobId,
        at,
        holdKey: key,
        account: check.account,
      };
      await recordEvents([{ ...event, ...(submittedAt === undefined ? {} : { submittedAt }) }], caller);
    }
    return answer;
  }

  /**
   * That a hook let the job in alone may be told only later, and asks with the key of its stamp: the same key finds the hold
   * of the changed job and places no second one. Not for a no, after which Slurm leaves the job as it was: about that one
   * nobody has decided yet.
   */
  async function keyToAskWith({ stamp, newKey, cluster, jobId, task }: Asked, check: CheckRequest): Promise<string> {
    if (stamp === undefined || task !== '') return newKey;
    const [decided] = await ask(
      () => sql`
        select from ledger.decisions where key in (${stamp}, ${newKey}) and request ->> 'cluster' = ${cluster.name}
        union all
        select from ledger.submissions where key = ${stamp} and cluster_no = ${cluster.clusterNo}`,
    );
    if (decided) return newKey;
    const { available } = await admission.estimate({ ...check, jobId });
    return available || cluster.enforcement === 'shadow' ? stamp : newKey;
  }

  async function exempt(
    asked: Asked,
    { code, reason }: Exemption,
    hold: JobHold | undefined,
  ): Promise<ModificationAnswer> {
    const { cluster, newKey: key, caller, after } = asked;
    if (hold?.uncharged === 'exempt') return goesBy(cluster);
    await noteSubmission(sql, cluster, { key, admitted: 'exempt', code, reason, submission: after }, caller);
    if (hold) {
      const item = JSON.stringify({
        principal: caller.principal,
        key,
        account: after.account ?? null,
        user: after.user ?? null,
        cluster_no: cluster.clusterNo,
        partitions: [after.partitions[0] ?? cluster.defaultPartition ?? ''],
        hold_ids: [newHoldId()],
      });
      const { part } = await partOf(asked, hold);
      if (part === undefined) return goesBy(cluster);
      const job = JSON.stringify(changedJob(part));
      const [moved] = await ask(
        () => sql<{ outcome: string }[]>`
          select outcome from ledger.replace_hold(${hold.holdId}, ${item}::text::jsonb, ${job}::text::jsonb, 'exempt')`,
      );
      if (moved?.outcome === 'moved') throw holdMoved(hold.holdId);
    }
    return { ...goesBy(cluster), code, message: reason, stamp: key };
  }

  /** Slurm refuses it after us, whatever we say; in shadow mode it is left to Slurm. In neither case does any money move. */
  async function keepAsItRuns(
    cluster: NumberedCluster,
    key: string,
    what: string,
    after: Submission,
    caller: Caller,
    jobId: string,
  ): Promise<ModificationAnswer> {
    if (cluster.enforcement === 'shadow') return goesBy(cluster);
    const reason = `Job ${jobId} is not waiting any more: Slurm changes ${what} of a job only before it starts. Nothing was changed.`;
    return refuse(cluster, key, { code: 'job_not_pending', reason }, caller, jobId, after);
  }

  async function refuse(
    cluster: NumberedCluster,
    key: string,
    { code, reason }: Pick<Unasked, 'reason'> & { code: string },
    caller: Caller,
    jobId: string,
    submission?: Submission,
    money: { cost?: Micro; held?: Micro } = {},
  ): Promise<ModificationAnswer> {
    const isShadow = cluster.enforcement === 'shadow';
    const admitted = isShadow ? 'shadow' : 'denied';
    await noteSubmission(
      sql,
      cluster,
      { key, admitted, code, reason, jobId, ...money, ...given({ submission }) },
      caller,
    );
    return { accept: isShadow, code, message: reason, mode: cluster.enforcement, wouldDeny: true, holdAmount: ZERO };
  }
}

const goesBy = ({ enforcement: mode }: Cluster): ModificationAnswer => ({
  accept: true,
  code: 'unchanged',
  message: 'The change costs nothing.',
  mode,
  wouldDeny: false,
  holdAmount: ZERO,
});

function answerOf(decision: Decision, { enforcement }: Cluster, key: string): ModificationAnswer {
  const { available, code, message, mode = enforcement, unit, holdAmount, holdId } = decision;
  const accept = available || mode === 'shadow';
  return {
    accept,
    code,
    message,
    mode,
    wouldDeny: !available,
    unit,
    holdAmount,
    ...(holdId === undefined ? {} : { holdId }),
    ...(accept ? { stamp: key } : {}),
  };
}
