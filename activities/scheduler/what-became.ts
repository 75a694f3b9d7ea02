/** "What became of the job?", asked of a scheduler in its three questions. */
import type { Queue } from '../../ledger/contract';
import type { SchedulerAdapter } from '.';
import type { Scheduler } from './scheduler';

/**
 * The accounting first, by the job's ids: it knows what has ended. A job that it does not know, or that has no id yet, is
 * looked for in the queue, by its stamp.
 */
export const adapterTo = (scheduler: Scheduler, queue: Pick<Queue, 'question' | 'answer'>): SchedulerAdapter => ({
  async whatBecameOf({ holdId }) {
    const question = await queue.question(holdId);
    const ids = [...new Set(question.jobs.map(({ jobId }) => jobId))];
    const known = ids.length === 0 ? [] : queue.answer(question, await scheduler.find(ids));
    if (known.some(({ type }) => type !== 'submitted')) return known;
    const { jobs, faults } = await scheduler.queue();
    const live = queue.answer(question, jobs);
    // A row that could not be read may be the one that is asked about.
    if (live.length === 0 && known.length === 0 && faults.length > 0)
      throw new Error('the queue could not be read as a whole');
    return [...known, ...live];
  },
});
