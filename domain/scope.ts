/** What an API key or a token may do, and what its owner may be called: the same words in SQL, over HTTP and on the command line. */

/**
 * admin: everything. hook: what the hook of one scheduler does on its own cluster. estimate: ask what a job would cost, and be
 * told the price and nothing of an account: its key lies where every user of a submit host can read it.
 * read: look at everything but keys, change nothing.
 */
export const SCOPES = ['admin', 'hook', 'estimate', 'read'] as const;
export type Scope = (typeof SCOPES)[number];

const KNOWN: ReadonlySet<unknown> = new Set(SCOPES);
export const isScope = (word: unknown): word is Scope => KNOWN.has(word);

/** The actors of Bursar's own; a key or a token of such a name would speak for them. */
const RESERVED = new Set(['local', 'bursar', 'scheduler', 'expiry', 'story', 'nobody']);
export const isReserved = (name: string): boolean => RESERVED.has(name);

/** Who a token speaks for. Wider than the names of keys, for people are known by their addresses. */
export const isPrincipal = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}$/.test(name);
