/** What people type for a setting, as the wire takes it. */

/** A whole number; what is none goes as it is, and the server says what is wrong with it. */
export const whole = (text: string | undefined): number | string | undefined =>
  text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : text;

/** `none` takes a setting away. */
export const orNull = (text: string | undefined): string | null | undefined => (text === 'none' ? null : text);
