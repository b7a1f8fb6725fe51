import { describe, expect, it, vi } from 'vitest';
import { API_KEYS, API_REQUESTS } from '../../../demo/data';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo } from '../../backend/types';
import { AccessController } from './access.svelte';

const REFUSED: ErrorInfo = { code: 'invalid_settings', message: 'Too low.', nextStep: 'Raise it.' };

describe('the keys of programs', () => {
  it('are read with the requests', async () => {
    const access = new AccessController(
      fakeBackend({
        apiKeys: () => Promise.resolve(API_KEYS),
        apiRequests: () => Promise.resolve(API_REQUESTS),
      }),
    );
    await access.refresh();
    expect(access.keys).toEqual(API_KEYS);
    expect(access.requests).toEqual(API_REQUESTS);
  });

  it('are shown once when they are made', async () => {
    const key = API_KEYS[0]!;
    const apiKeys = vi.fn(() => Promise.resolve([key]));
    const makeApiKey = vi.fn(() => Promise.resolve({ key, secret: 'sk-lantern-abcd' }));
    const access = new AccessController(fakeBackend({ apiKeys, makeApiKey }));
    const asked = { name: 'Editor', models: null, requestsPerMinute: 5 };
    expect(await access.make(asked)).toBe(true);
    expect(makeApiKey).toHaveBeenCalledWith(asked);
    expect(access.issued?.secret).toBe('sk-lantern-abcd');
    expect(access.keys).toEqual([key]);
    access.forgetSecret();
    expect(access.issued).toBeNull();
  });

  it('say why they cannot be made, until one can', async () => {
    let broken = true;
    const key = API_KEYS[0]!;
    const access = new AccessController(
      fakeBackend({
        makeApiKey: () =>
          broken ? Promise.reject(REFUSED) : Promise.resolve({ key, secret: 's' }),
      }),
    );
    const asked = { name: 'Editor', models: null, requestsPerMinute: 0 };
    expect(await access.make(asked)).toBe(false);
    expect(access.error).toEqual(REFUSED);
    expect(access.issued).toBeNull();
    broken = false;
    expect(await access.make(asked)).toBe(true);
    expect(access.error).toBeNull();
  });

  it('leave the list when they are revoked', async () => {
    let keys = API_KEYS;
    const access = new AccessController(
      fakeBackend({
        apiKeys: () => Promise.resolve(keys),
        revokeApiKey: (id) => {
          keys = keys.filter((key) => key.id !== id);
          return Promise.resolve();
        },
      }),
    );
    await access.refresh();
    await access.revoke(API_KEYS[0]!.id);
    expect(access.keys).toEqual(API_KEYS.slice(1));
  });
});
