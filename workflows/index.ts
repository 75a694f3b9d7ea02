/** Every workflow that a worker runs, and nothing else. */
export { jobLifecycle } from './job-lifecycle';
export { sweep } from './sweep';
