/** Parsers read text from strangers: whatever it is, the answer is a value or a Fault with advice, nothing else. */
import fc from 'fast-check';
import { Fault } from '../../domain/faults';

/** Runs `read` on a text; what it throws must be a fault for the caller. Undefined where it did. */
export function readOrFault<T>(read: (text: string) => T, text: string): T | undefined {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    expect(error.code).toBe('malformed_request');
    expect(error.message.length).toBeLessThan(300);
    return undefined;
  }
}

/** Random text, and text made of the grammar's own letters, which gets further into a parser. */
export const strangeText = (alphabet: string) =>
  fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string({ unit: fc.constantFrom(...alphabet.split('')), maxLength: 60 }),
    fc.constantFrom('', ' ', '\0', '-', '9'.repeat(400), '1e400', 'NaN', 'Infinity', '__proto__', 'constructor'),
  );

/** The fault that reading a text ends in; the test fails where it ends in anything else. */
export function faultOf(read: () => unknown): Fault {
  try {
    read();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error('expected a fault');
}
