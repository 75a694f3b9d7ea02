/** The settings that the environment may give, each with its default and its rule. Read through `config.ts`. */
import { resolve } from 'node:path';
import { z } from 'zod';

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((value) => value <= 65_535);

const count = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .refine((value) => value >= minimum && value <= maximum);

const url = (protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol));

const isTimeZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);

interface Setting<T> {
  schema: z.ZodType<T, string>;
  /** What a right value looks like, for whoever gave a wrong one. */
  expects: string;
  secret?: true;
}

const setting = <T>(schema: z.ZodType<T, string>, expects: string): Setting<T> => ({ schema, expects });

export const SETTINGS = {
  BURSAR_HOME: setting(
    z.string().transform((path) => resolve(path)),
    'a folder',
  ),
  BURSAR_PORT: setting(port, 'a port number, 0 to 65535 (0 takes any free one)'),
  BURSAR_HOST: setting(
    z.string().regex(/^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/),
    'an address to listen on, such as 127.0.0.1, or 0.0.0.0 once there are API keys',
  ),
  BURSAR_HOST_NAMES: setting(
    z
      .string()
      .transform((names) => names.split(',').map((each) => each.trim()))
      .refine((names) => names.every((each) => /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(each))),
    'the names by which the API is called from elsewhere, with commas between them',
  ),
  BURSAR_TOKEN: { ...setting(z.string().min(1), 'an API key, bursar_...'), secret: true },
  BURSAR_URL: setting(url(['http:', 'https:']), 'the address of the API, such as http://127.0.0.1:8080'),
  BURSAR_DEFAULT_CLUSTER: setting(name, 'a cluster name (letters, digits, dot, dash, underscore)'),
  BURSAR_TIME_ZONE: setting(z.string().refine(isTimeZone), 'an IANA time zone, such as Europe/Berlin'),
  BURSAR_LOG_LEVEL: setting(
    z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
    'one of trace, debug, info, warn, error, fatal, silent',
  ),
  BURSAR_METRICS_ACCOUNTS: setting(count(0, 10_000), 'how many accounts get metrics of their own, 0 to 10000'),
  BURSAR_POOL_SIZE: setting(count(1, 200), 'how many database connections a process may open, 1 to 200'),
  BURSAR_WORKER_PORT: setting(port, 'a port number for the metrics of the worker, 0 to 65535 (0 takes any free one)'),
  DATABASE_URL: {
    ...setting(url(['postgres:', 'postgresql:']), 'a PostgreSQL address, such as postgres://user@host:5432/bursar'),
    secret: true,
  },
  TEMPORAL_ADDRESS: setting(z.string().regex(/^[^\s/:]+:\d{1,5}$/), 'host:port, such as temporal.example.org:7233'),
  TEMPORAL_NAMESPACE: setting(z.string().min(1), 'the name of a namespace'),
  TEMPORAL_CLI_PATH: setting(
    z.string().transform((path) => resolve(path)),
    'the path of the temporal program',
  ),
  TEMPORAL_UI_URL: setting(
    url(['http:', 'https:']),
    "the address of Temporal's web page, such as http://127.0.0.1:8233",
  ),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
export type Settings = { -readonly [Name in SettingName]?: z.output<(typeof SETTINGS)[Name]['schema']> };

export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];
