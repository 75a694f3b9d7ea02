/** Activities are thin doors, one file for each outside system: no decisions, idempotent by the ids they are given. */
export { faultsBecomeFailures } from './faults';
export { ledgerActivities, sealBacklog, type LedgerActivities } from './ledger';
export {
  AddressRefused,
  noticeActivities,
  openMailer,
  type Mailer,
  type MailSettings,
  type NoticeActivities,
} from './notices';
export {
  adapterTo,
  recordedEventsOnly,
  schedulerActivities,
  slurmCommands,
  slurmRest,
  type Scheduler,
  type SchedulerActivities,
  type SchedulerAdapter,
} from './scheduler';
export { recover, restartLost, restartStrays, ringOver, storyActivities, type StoryActivities } from './stories';
export { wallActivities, type WallActivities, type WallSettings } from './wall';
