/** Who may ask, and who changed what. */
import { Hono } from 'hono';
import { given } from '../../domain/given';
import { makeKey } from '../api-key';
import type { ApiDeps, ApiEnv } from '../env';
import { KEY_EXAMPLE } from '../examples';
import type { Keyring } from '../keyring';
import { operation } from '../operation';
import { answerPage, pageOf } from '../paging';
import { renderChange, renderKey } from '../render/key';
import {
  ApiKeyAnswer,
  ChangeAnswer,
  ChangeListQuery,
  CreatedKeyAnswer,
  CreateKeyRequest,
  KeyListQuery,
  KeyPath,
} from '../schemas/key';

const tag = 'Keys and changes';

export const keyRoutes = ({ ledger: { keys, changes } }: ApiDeps, keyring: Keyring) =>
  new Hono<ApiEnv>()
    .post(
      '/keys',
      operation({
        id: 'createKey',
        tag,
        summary: 'Makes an API key. This answer is the only one that shows it.',
        description:
          'It takes no idempotency key, since nothing may be kept from which the key could be shown again: a second request finds the name taken. From the first admin key on, every request needs a key.',
        body: CreateKeyRequest,
        keyed: false,
        answer: CreatedKeyAnswer,
        status: 201,
        faults: ['api_key_exists', 'cluster_not_found'],
        example: { request: KEY_EXAMPLE },
      }),
      async (c) => {
        const { body, caller } = c.var.input;
        const { token, ...made } = makeKey();
        const { name, scope, cluster, expires_at: expiresAt } = body;
        const key = await keys.create({ ...made, name, scope, ...given({ cluster, expiresAt }) }, caller);
        keyring.forget();
        c.header('Cache-Control', 'no-store');
        return c.json({ ...renderKey(key, Date.now()), key: token }, 201);
      },
    )
    .get(
      '/keys',
      operation({
        id: 'listKeys',
        tag,
        summary: 'All API keys, the newest first, without their secrets.',
        may: [],
        query: KeyListQuery,
        answer: ApiKeyAnswer.array(),
        paged: true,
      }),
      async (c) => {
        const now = Date.now();
        return answerPage(c, await keys.list(pageOf(c.var.input.query)), (key) => renderKey(key, now));
      },
    )
    .delete(
      '/keys/:key',
      operation({
        id: 'revokeKey',
        tag,
        summary: 'Revokes an API key, for ever: at once here, within five seconds in the other processes.',
        path: KeyPath,
        keyed: false,
        faults: ['api_key_not_found'],
      }),
      async (c) => {
        const { path, caller } = c.var.input;
        await keys.revoke(path.key, caller);
        keyring.forget();
        return c.body(null, 204);
      },
    )
    .get(
      '/changes',
      operation({
        id: 'listChanges',
        tag,
        summary: 'Who changed what, when, from what to what; the newest first.',
        description:
          'Accounts with their policy, limits, clusters, partitions, rates and keys. Money that moves is not here: its transactions say who moved it.',
        query: ChangeListQuery,
        answer: ChangeAnswer.array(),
        paged: true,
      }),
      async (c) => {
        const { subject, name, actor, action, from, to, ...page } = c.var.input.query;
        const filter = given({ subject, name, actor, action, from, to });
        return answerPage(c, await changes.list(filter, pageOf(page)), renderChange);
      },
    );
