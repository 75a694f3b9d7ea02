/**
 * docs/ledger.md says what happens: its commands are run in order and have to print what stands there.
 * After a change that is meant: `BURSAR_WRITE_DOCS=1 npx jest test/docs` writes today's outputs into it; read the diff.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openPrompt, readConsole, type Prompt } from './console';
import { Names } from './names';

const PAGE = join(__dirname, '../../docs/ledger.md');

let prompt: Prompt;
beforeAll(async () => {
  prompt = await openPrompt();
});
afterAll(() => prompt.stop());

test('every command in docs/ledger.md prints what stands below it', async () => {
  const page = readConsole(readFileSync(PAGE, 'utf8'));
  expect(page.steps.length).toBeGreaterThan(10);
  const names = new Names();
  const printed: string[] = [];
  for (const { line, command, output } of page.steps) {
    const actual = await prompt.run(names.translate(command));
    if (process.env.BURSAR_WRITE_DOCS) printed.push(names.learn(output, actual));
    else
      expect({ at: `docs/ledger.md:${line}`, command, output: names.inTermsOf(output, actual) }).toEqual({
        at: `docs/ledger.md:${line}`,
        command,
        output,
      });
  }
  if (process.env.BURSAR_WRITE_DOCS) writeFileSync(PAGE, page.write(printed));
});
