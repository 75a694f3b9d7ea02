/** Who asks, and in which portions a list is answered. */

/** Who asks, and the key that makes the asking idempotent (rulings 9). `bodyHash` is of the parsed body. */
export interface Caller {
  principal: string;
  key?: string;
  bodyHash?: Uint8Array;
}

export interface Page {
  limit: number;
  offset?: number;
  /** Opaque: the `nextCursor` of the page before. */
  cursor?: string;
}

export interface Paged<T> {
  rows: T[];
  nextCursor?: string;
}
