/** What an API key may do: the same words in SQL, over HTTP and on the command line. */

/**
 * admin: everything. hook: what the hook of one scheduler does on its own cluster. estimate: ask what a job would cost.
 * read: look at everything but keys, change nothing.
 */
export const SCOPES = ['admin', 'hook', 'estimate', 'read'] as const;
export type Scope = (typeof SCOPES)[number];
