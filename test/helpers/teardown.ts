/** What global-setup started and global-teardown has to end; both run in the same process, but load their modules apart. */

type Ending = () => Promise<void> | void;

const held = globalThis as { bursarEndings?: Ending[] };

/** Runs at the end of the whole run; the last registered first. */
export function atTeardown(ending: Ending): void {
  (held.bursarEndings ??= []).push(ending);
}

export async function endEverything(): Promise<void> {
  for (const ending of (held.bursarEndings ?? []).reverse()) await ending();
  held.bursarEndings = [];
}
