/** docker-compose.yml and Dockerfile, as far as that can be known without a container engine. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv';
import { parse } from 'yaml';
import { readConfig } from '../../platform/config';
import { PACKAGE_ROOT } from '../../platform/paths';
import { IMAGES } from '../../platform/versions';
import { removeScratch, scratchFolder } from '../helpers/scratch';

interface Service {
  image: string;
  entrypoint?: string[];
  command?: string[];
  environment?: Record<string, string>;
  healthcheck?: { test?: string[]; disable?: boolean };
  depends_on?: Record<string, { condition: string }>;
  restart?: string;
  ports?: string[];
  volumes?: string[];
  secrets?: string[];
  deploy?: { replicas?: number };
  user?: string;
}

interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
  secrets: Record<string, { file: string }>;
}

const read = (path: string): string => readFileSync(join(PACKAGE_ROOT, path), 'utf8');
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const { version } = JSON.parse(read('package.json')) as { version: string };
const OURS = `bursar:${version}`;

/** `${NAME:-default}` and `${NAME:+text}`, with nothing set. */
const interpolate = (text: string): string =>
  text
    .replace(/\$\{\w+:-([^}]*)\}/g, '$1')
    .replace(/\$\{\w+:\+[^}]*\}/g, '')
    .replaceAll('$$', '$');

let folder: string;
beforeAll(() => {
  folder = scratchFolder();
  copyFileSync(join(PACKAGE_ROOT, 'deploy/compose/make-secrets'), join(folder, 'make-secrets'));
  execFileSync('sh', [join(folder, 'make-secrets')]);
});
afterAll(() => removeScratch(folder));

test('the compose file is one by the schema of the specification', () => {
  const { $schema: _dialect, ...schema } = JSON.parse(read('test/deploy/compose-spec/compose-spec.json')) as Record<
    string,
    unknown
  >;
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema);
  validate(compose);
  expect(validate.errors ?? []).toEqual([]);
});

test('every image is the one that platform/versions.ts pins, or ours of this version', () => {
  const pinned = new Set<string>([...Object.values(IMAGES), OURS]);
  expect(services.filter(([, { image }]) => !pinned.has(image)).map(([name, { image }]) => [name, image])).toEqual([]);
  const used = new Set([...services.map(([, { image }]) => image), ...basesOf(read('Dockerfile'))]);
  expect(Object.values(IMAGES).filter((image) => !used.has(image))).toEqual([]);
});

const basesOf = (dockerfile: string): string[] =>
  [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image as string);

test('the image is built in stages, runs as nobody in particular, and says whether it is well', () => {
  const dockerfile = read('Dockerfile');
  expect(basesOf(dockerfile)).toEqual([IMAGES.node, IMAGES.node, IMAGES.node]);
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  expect(last).toMatch(/^USER node$/m);
  expect(last).toMatch(/^HEALTHCHECK .*\\\n {2}CMD \["node", "-e", ".*\/readyz/m);
  expect(last).not.toMatch(/^RUN npm/m);
});

test('whatever an image is built from is let through by .dockerignore, and no secret is', () => {
  const rules = read('.dockerignore').split('\n');
  const allowed = rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1));
  const { files } = JSON.parse(read('package.json')) as { files: string[] };
  const [, folders = ''] = /const FOLDERS = \[([^\]]*)\]/.exec(read('scripts/build.js')) ?? [];
  const compiled = [...folders.matchAll(/'(\w+)'/g)].map(([, name]) => name as string);
  const packed = files.filter((path) => !path.startsWith('!')).map((path) => path.split('/')[0] as string);
  const needed = new Set(['package-lock.json', 'tsconfig.json', ...compiled, ...packed]);
  for (const left of ['dist', 'bench']) needed.delete(left); // Made there; and benchmarks are in no package.
  expect([...needed].filter((name) => !allowed.includes(name))).toEqual([]);
  expect(rules[1]).toBe('*');
  expect(rules.at(-2)).toBe('deploy/compose/secrets');
});

test('nothing is published beyond this machine unless somebody asks for it, and then only what needs a key', () => {
  const published = services.flatMap(([name, { ports = [] }]) => ports.map((port) => [name, port] as const));
  expect(published.map(([name]) => name).sort()).toEqual(['proxy', 'temporal-ui']);
  for (const [, port] of published) expect(interpolate(port)).toMatch(/^127\.0\.0\.1:\d+:8080$/);
  for (const [name, port] of published)
    expect([name, port.startsWith('${BURSAR_PUBLISH')]).toEqual([name, name === 'proxy']);
});

test('what a service waits for can come: it is there, it says that it is healthy, or it ends', () => {
  for (const [name, { depends_on: needs = {} }] of services) {
    for (const [other, { condition }] of Object.entries(needs)) {
      const target = compose.services[other];
      expect([name, other, target !== undefined]).toEqual([name, other, true]);
      if (condition === 'service_healthy')
        expect([other, target?.healthcheck?.test !== undefined]).toEqual([other, true]);
      if (condition === 'service_completed_successfully') expect(target?.restart).toMatch(/^on-failure:/);
    }
  }
});

test('two APIs and two workers, on two PostgreSQL servers with a volume each', () => {
  const { api, worker, ledger, 'temporal-database': temporal } = compose.services;
  expect([api?.deploy?.replicas, worker?.deploy?.replicas]).toEqual([2, 2]);
  expect([ledger?.image, temporal?.image]).toEqual([IMAGES.postgres, IMAGES.postgres]);
  expect([ledger?.volumes, temporal?.volumes]).toEqual([
    ['ledger:/var/lib/postgresql'],
    ['temporal:/var/lib/postgresql'],
  ]);
  expect(Object.keys(compose.volumes)).toEqual(['ledger', 'temporal']);
});

test('what always runs comes back by itself and says whether it is well', () => {
  for (const [name, { restart, healthcheck, image }] of services.filter(
    ([, each]) => each.restart === 'unless-stopped',
  )) {
    const isWatched = healthcheck?.test !== undefined || (image === OURS && !healthcheck?.disable);
    expect([name, restart, isWatched || name === 'temporal-ui']).toEqual([name, 'unless-stopped', true]);
  }
});

test('every file that is mounted is there, every secret is made, and no password stands in the file', () => {
  const mounted = services.flatMap(([, { volumes = [] }]) => volumes.filter((volume) => volume.startsWith('./')));
  for (const volume of mounted) expect(existsSync(join(PACKAGE_ROOT, volume.split(':')[0] ?? ''))).toBe(true);
  const made = Object.values(compose.secrets).map(({ file }) => file.replace('./deploy/compose/secrets/', ''));
  expect(made.sort()).toEqual(readdirSync(join(folder, 'secrets')).sort());
  for (const [, { secrets = [] }] of services)
    for (const secret of secrets) expect(Object.keys(compose.secrets)).toContain(secret);
  const settings = services.flatMap(([, { environment = {} }]) => Object.entries(environment));
  for (const [name, value] of settings) if (/pass|pwd|secret/i.test(name)) expect(value).toMatch(/^\/run\/secrets\//);
});

test('secrets are made once, each with 32 random characters, in a folder that nobody else enters', () => {
  const secret = (name: string) => readFileSync(join(folder, 'secrets', name), 'utf8');
  const before = secret('ledger-password');
  expect(before).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(secret('temporal-password')).toMatch(/^[A-Za-z0-9]{32}$/);
  expect(secret('temporal-password')).not.toBe(before);
  expect(secret('ledger-url')).toBe(`postgres://bursar:${before}@ledger:5432/bursar`);
  expect(statSync(join(folder, 'secrets')).mode & 0o777).toBe(0o700);
  execFileSync('sh', [join(folder, 'make-secrets')]);
  expect(secret('ledger-password')).toBe(before);
});

test.each(['api', 'worker', 'migrate', 'bursar'])('%s is configured without a mistake or a slip of the pen', (name) => {
  const { environment = {} } = compose.services[name] ?? {};
  const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, interpolate(value)]));
  env.DATABASE_URL = env.DATABASE_URL?.replace('/run/secrets/ledger_url', join(folder, 'secrets/ledger-url')) ?? '';
  const config = readConfig(['databaseUrl', 'temporalAddress'], { HOME: folder, ...env });
  expect(config.warnings).toEqual([]);
  expect(new URL(config.databaseUrl).host).toBe('ledger:5432');
  expect(config).toMatchObject({ temporalAddress: 'temporal:7233', temporalNamespace: 'bursar' });
});
