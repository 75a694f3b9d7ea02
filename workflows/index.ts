/** Every workflow that a worker runs, and nothing else. */
export { jobLifecycle } from './job-lifecycle';
export { notices } from './notices';
export { queueLook } from './queue-look';
export { sweep } from './sweep';
export { wall } from './wall';
