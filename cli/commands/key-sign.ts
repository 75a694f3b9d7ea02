/** `bursar key sign`: a JSON Web Token, made where the secret is. No server is asked, and none remembers it. */
import { Option, type Command } from 'commander';
import { given } from '../../domain/given';
import { isPrincipal, isReserved, SCOPES } from '../../domain/scope';
import { isDuration, msOf } from '../../platform/config/duration';
import { EXIT, Stop } from '../exit';
import { clock } from '../format';
import type { Act, Session } from '../session';
import { settings } from '../settings';

interface SignOptions {
  scope: string;
  cluster?: string;
  expiresIn?: string;
}

export function defineKeySign(key: Command, act: Act): void {
  key
    .command('sign')
    .summary('Sign a JSON Web Token, on a machine that has the secret')
    .description(
      'Sign a JSON Web Token with auth.jwt_secret of the configuration here, and print it. It is sent in the place of a key. No server keeps it, so it cannot be revoked: it ends by itself, or with the secret.',
    )
    .argument('<name>', 'who will send it')
    .addOption(new Option('--scope <scope>', 'what it may do, as of a key').choices(SCOPES).makeOptionMandatory())
    .option('--cluster <cluster>', 'the cluster of a hook')
    .option('--expires-in <duration>', 'how long it is good for, such as 8h (default: auth.jwt_expiry, the longest)')
    .addHelpText(
      'after',
      `
Examples:
  $ bursar key sign rkaur@example.org --scope admin --expires-in 8h
  $ bursar key sign eagle-hook --scope hook --cluster eagle --expires-in 168h
  $ BURSAR_TOKEN=$(bursar key sign grafana --scope read) bursar account list
`,
    )
    .action(act(sign));
}

async function sign(session: Session, name: string, options: SignOptions): Promise<void> {
  const { authEnabled, jwtSecret, jwtAudience, jwtLifeSecondsMax } = settings(session).exposure;
  if (!authEnabled || jwtSecret === undefined) {
    throw new Stop(EXIT.usage, 'There is nothing to sign with: auth.enabled and auth.jwt_secret are not set here.', {
      hints: ['`bursar config show` says which configuration is read; --config names another.'],
    });
  }
  const { scope, cluster, expiresIn } = options;
  const seconds = expiresIn === undefined ? jwtLifeSecondsMax : secondsOf(expiresIn);
  const mistakes = [
    ...(isPrincipal(name) ? [] : ['the name must be up to 63 letters, digits and ". _ - @ +"']),
    ...(isReserved(name) ? [`"${name}" is a name of Bursar itself`] : []),
    ...(scope === 'hook' && !cluster ? ['--cluster is required of a hook'] : []),
    ...(scope !== 'hook' && cluster ? ['--cluster is for hooks only'] : []),
    ...(seconds > 0 ? [] : ['--expires-in takes a duration of a second or more with its unit, such as 8h']),
    ...(seconds > jwtLifeSecondsMax ? [`--expires-in is at most ${jwtLifeSecondsMax} s (auth.jwt_expiry)`] : []),
  ];
  if (mistakes.length > 0) throw new Stop(EXIT.usage, `${mistakes.join('; ')}.`);

  // Read for this command only.
  const { SignJWT } = require('jose') as typeof import('jose');
  const iat = Math.floor(session.io.now().getTime() / 1000);
  const exp = iat + seconds;
  const token = await new SignJWT({ sub: name, scope, iat, exp, ...given({ cluster, aud: jwtAudience }) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(jwtSecret);
  const expires_at = new Date(exp * 1000).toISOString();
  session.answer({ token, name, scope, ...given({ cluster }), expires_at }, () => {
    session.line(token);
    session.note(`Good until ${clock(expires_at, 'UTC')} UTC.`);
  });
}

const secondsOf = (text: string): number => (isDuration(text) ? Math.floor(msOf(text) / 1000) : 0);
