/** HTTPS: by which certificate, what is said of one that cannot be used, and how a new one is taken. */
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { connect, type PeerCertificate, type TLSSocket } from 'node:tls';
import { complaintOf, readCertificate, UnusableFile } from '../../platform/certificate';
import { freshDatabase, type TestDatabase } from '../helpers/database';
import { eventually } from '../helpers/eventually';
import { API, openProcesses, type Processes } from '../helpers/processes';
import { removeScratch, scratchFolder } from '../helpers/scratch';

const FIXTURES = join(__dirname, 'fixtures/certificates');
const authorities = ['first', 'second'].map((name) => readFileSync(join(FIXTURES, `${name}.pem`)));

let folder: string;
beforeAll(() => void (folder = scratchFolder()));
afterAll(() => removeScratch(folder));

/** A certificate and a key where the server looks for them, the key for its owner only. */
function install(cert: string, key: string, name = 'server', mode = 0o600) {
  const files = { certFile: join(folder, `${name}.pem`), keyFile: join(folder, `${name}.key`) };
  copyFileSync(join(FIXTURES, `${cert}.pem`), files.certFile);
  copyFileSync(join(FIXTURES, `${key}.key`), files.keyFile);
  chmodSync(files.keyFile, mode);
  return files;
}

describe('the files', () => {
  const mistakesOf = (files: { certFile: string; keyFile: string }): readonly string[] => {
    try {
      readCertificate(files);
      return [];
    } catch (error) {
      if (error instanceof UnusableFile) return error.mistakes;
      throw error;
    }
  };

  test('a pair is taken, with what it is for', () => {
    const certificate = readCertificate(install('first', 'first'));
    expect(certificate.names).toContain('DNS:bursar.example.org');
    expect(complaintOf(certificate, Date.now())).toBeUndefined();
    expect(complaintOf(certificate, certificate.endsAt.getTime() - 86_400_000)).toBe('soon');
    expect(complaintOf(certificate, certificate.startsAt.getTime() - 1)).toBe('early');
    expect(complaintOf(readCertificate(install('expired', 'first')), Date.now())).toBe('expired');
  });

  test('what cannot be used is named, all of it at once', () => {
    expect(mistakesOf(install('first', 'second'))).toEqual([expect.stringMatching(/server\.key is not the key of/)]);
    expect(mistakesOf(install('first', 'first', 'open', 0o604))).toEqual([expect.stringContaining('chmod o=')]);
    expect(mistakesOf({ certFile: '/nowhere.pem', keyFile: '/nowhere.key' })).toEqual([
      '/nowhere.pem cannot be read (ENOENT)',
      '/nowhere.key cannot be read (ENOENT)',
    ]);
    const swapped = install('first', 'first', 'swapped');
    const mistakes = mistakesOf({ certFile: swapped.keyFile, keyFile: swapped.certFile });
    expect(mistakes).toEqual(
      expect.arrayContaining([
        expect.stringContaining('is no certificate in PEM'),
        expect.stringContaining('is no private key in PEM'),
      ]),
    );
    expect(mistakes.join()).not.toContain('BEGIN');
  });
});

describe('the process', () => {
  let database: TestDatabase;
  let processes: Processes;
  beforeAll(async () => {
    processes = openProcesses();
    database = await freshDatabase();
  });
  afterAll(async () => {
    processes.kill();
    await database.drop();
  });

  const spawned = ({ certFile, keyFile }: { certFile: string; keyFile: string }) =>
    processes.start([API], {
      DATABASE_URL: database.url,
      BURSAR_HOME: folder,
      BURSAR_SERVICE_TLS_ENABLED: 'true',
      BURSAR_SERVICE_TLS_CERT_FILE: certFile,
      BURSAR_SERVICE_TLS_KEY_FILE: keyFile,
    });

  const get = (url: string, headers: Record<string, string> = {}, agent?: Agent) =>
    new Promise<{ status: number | undefined; hsts: string | undefined; by: string }>((resolve, reject) => {
      request(url, { ca: authorities, servername: 'localhost', headers, agent: agent ?? false }, (answer) => {
        const by: PeerCertificate = (answer.socket as TLSSocket).getPeerCertificate();
        answer.resume().on('end', () =>
          resolve({
            status: answer.statusCode,
            hsts: answer.headers['strict-transport-security'],
            by: String(by.subject.CN),
          }),
        );
      })
        .on('error', reject)
        .end();
    });

  const hello = (port: number, maxVersion: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') =>
    new Promise<string | null>((resolve, reject) => {
      const socket: TLSSocket = connect(
        { port, host: '127.0.0.1', ca: authorities, minVersion: 'TLSv1', maxVersion, ciphers: 'DEFAULT@SECLEVEL=0' },
        () => {
          resolve(socket.getProtocol());
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });

  test('it serves HTTPS from TLS 1.2 on, and a new certificate on SIGHUP without cutting a connection', async () => {
    const files = install('first', 'first');
    const api = spawned(files);
    const listening = await eventually('it listens', () => api.said('listening')[0]);
    const url = String(listening.url);
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    const port = Number(new URL(url).port);

    expect(await get(`${url}/livez`)).toEqual({ status: 200, hsts: undefined, by: 'first' });
    expect((await get(`${url}/livez`, { Host: 'evil.example' })).status).toBe(403);
    expect((await get(`${url}/livez`, { Origin: url })).status).toBe(200);
    expect(await hello(port, 'TLSv1.2')).toBe('TLSv1.2');
    expect(await hello(port, 'TLSv1.3')).toBe('TLSv1.3');
    await expect(hello(port, 'TLSv1.1')).rejects.toThrow();
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();

    const kept = new Agent({ keepAlive: true, maxSockets: 1 });
    expect((await get(`${url}/livez`, {}, kept)).by).toBe('first');
    install('second', 'second');
    api.child.kill('SIGHUP');
    expect(await eventually('it is renewed', () => api.said('certificate renewed')[0])).toMatchObject({
      names: expect.stringContaining('bursar.example.org'),
    });
    expect((await get(`${url}/livez`)).by).toBe('second');
    expect(await get(`${url}/livez`, {}, kept)).toMatchObject({ status: 200, by: 'first' });

    api.child.kill('SIGHUP');
    await eventually('it is looked at again', () => api.said('certificate unchanged')[0]);
    expect(api.said('certificate renewed')).toHaveLength(1);

    writeFileSync(files.certFile, 'half a cert');
    api.child.kill('SIGHUP');
    expect(await eventually('it is refused', () => api.said('certificate not renewed')[0])).toMatchObject({
      mistakes: [expect.stringContaining('is no certificate in PEM')],
    });
    expect((await get(`${url}/livez`)).by).toBe('second');

    kept.destroy();
    api.child.kill('SIGTERM');
    expect(await api.ended).toBe(0);
  });

  test('with one that cannot be used it does not start, and says why; with one that has ended it starts, and says so', async () => {
    const wrong = spawned(install('first', 'second', 'wrong'));
    expect(await wrong.ended).toBe(1);
    expect(wrong.said('a key or certificate cannot be used')).toMatchObject([
      { level: 'fatal', mistakes: [expect.stringContaining('is not the key of')] },
    ]);
    const late = spawned(install('expired', 'first', 'late'));
    await eventually('it listens', () => late.said('listening')[0]);
    expect(late.said('certificate is not valid now')).toMatchObject([
      { level: 'error', endsAt: '2021-01-01T00:00:00.000Z' },
    ]);
    late.child.kill('SIGTERM');
    expect(await late.ended).toBe(0);
  });
});
