/** The log for eyes. */
import { openLog } from '../../platform/log';

function logged(tell: (log: ReturnType<typeof openLog>) => void): string {
  let text = '';
  const destination = { write: (line: string) => void (text += line) };
  tell(openLog({ service: 'api', level: 'info', format: 'console', destination }));
  return text;
}

test('an event is one line: when, how bad, who, what, and its fields', () => {
  const line = logged((log) =>
    log.warn({ holdId: 'txn_1', amount: '1.5', why: 'no money', left: ['a'] }, 'hold refused'),
  );
  expect(line).toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}api: hold refused holdId=txn_1 amount=1.5 why="no money" left=\["a"\]\n$/,
  );
});

test('an error brings its stack, a field with a line break stays one line, and secrets stay out', () => {
  const text = logged((log) => log.error({ err: new Error('broken'), token: 'hunter2', body: 'a\nb' }, 'failed'));
  expect(text).toMatch(/^\S+ ERROR api: failed token=\*\*\* body="a\\nb"\n {2}Error: broken\n {6}at /);
  expect(text).not.toContain('hunter2');
});

test('the line that the supervisor waits for can be told', () => {
  expect(logged((log) => log.info({ event: 'listening', url: 'http://127.0.0.1:1' }, 'listening'))).toContain(
    ' event=listening url=http://127.0.0.1:1\n',
  );
});
