/** The histories of stories as they were really told, kept so that new code can be held against them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const HISTORIES = join(__dirname, 'histories');

export interface RecordedHistory {
  name: string;
  workflowId: string;
  /** As `historyFromJSON` reads it. */
  history: unknown;
}

export const recordedHistories = (): RecordedHistory[] =>
  readdirSync(HISTORIES)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({
      name: file.replace(/\.json$/, ''),
      ...(JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')) as Omit<RecordedHistory, 'name'>),
    }));
