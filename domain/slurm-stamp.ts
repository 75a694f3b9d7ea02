/**
 * What ties a Slurm job to the hold that was placed for it: the hook's key, in the job's admin_comment, which no user may
 * set or change, which every array task inherits, and which `squeue`, `sacct` and the completion record show.
 *
 * The key is the hook's, made before it asks (rulings 10): an answer that got lost at the deadline then loses nothing.
 */

const STAMP = /\bbursar:([0-9A-Za-z_-]{8,128})/;

/** Where it stands in a comment that says more, the stamp is behind it, after a blank. */
export const renderStamp = (key: string): string => `bursar:${key}`;

/** The key that a comment is stamped with; undefined where nobody has stamped it. A job has one: the first counts. */
export const readStamp = (comment: string): string | undefined => STAMP.exec(comment)?.[1];
