/** What an account may be called, which is what the scheduler calls it. PostgreSQL holds most of it once more. */
export const ACCOUNT_NAME = /^(?!\.{1,2}$)[^\s/\p{C}][^/\p{C}]*$/u;
export const ACCOUNT_NAME_MAX = 64;
export const ACCOUNT_NAME_EXPECTED = 'must not start with a space or contain "/" or control characters';
export const ACCOUNT_NAME_RULE = `at most ${ACCOUNT_NAME_MAX} characters; it ${ACCOUNT_NAME_EXPECTED}`;

export const isAccountName = (text: string): boolean => text.length <= ACCOUNT_NAME_MAX && ACCOUNT_NAME.test(text);
