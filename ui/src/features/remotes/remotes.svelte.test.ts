import { describe, expect, it, vi } from 'vitest';
import { REMOTES, SECRETS } from '../../../demo/data';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo, RemoteServer } from '../../backend/types';
import { splitRemoteId } from './names';
import { RemotesController } from './remotes.svelte';

const REFUSED: ErrorInfo = { code: 'remote_address', message: 'No address.', nextStep: 'Fix it.' };
const [box] = REMOTES as [RemoteServer];

describe('the id of a remote model', () => {
  it('has a server and a model', () => {
    expect(splitRemoteId('box/org/big')).toEqual({ server: 'box', model: 'org/big' });
  });

  it('is not that of a file', () => {
    for (const id of ['SmolLM2-135M', '/home/ada/model.gguf', './model.gguf', '~/m.gguf', null]) {
      expect(splitRemoteId(id)).toBeNull();
    }
  });
});

describe('servers elsewhere', () => {
  it('are listed at once and asked then', async () => {
    const unknown = { ...box, health: { state: 'unknown' as const } };
    const asked: boolean[] = [];
    let answer: (servers: RemoteServer[]) => void = () => {};
    const remotes = new RemotesController(
      fakeBackend({
        remoteServers: (ask) => {
          asked.push(ask);
          return ask ? new Promise((resolve) => (answer = resolve)) : Promise.resolve([unknown]);
        },
      }),
    );
    const refreshed = remotes.refresh();
    await vi.waitFor(() => expect(asked).toEqual([false, true]));
    expect(remotes.servers).toEqual([unknown]);
    expect(remotes.asking).toBe(true);
    expect(remotes.owns('gpu-box/openai/gpt-oss-120b'), 'a server not asked yet').toBe(true);
    answer([box]);
    await refreshed;
    expect(remotes.asking).toBe(false);
    expect(remotes.modelIds).toHaveLength(2);
    expect(remotes.owns('another/model')).toBe(false);
  });

  it('that are refused name the field, until one is taken', async () => {
    let refuse = true;
    const remotes = new RemotesController(
      fakeBackend({
        addRemoteServer: () => (refuse ? Promise.reject(REFUSED) : Promise.resolve()),
        remoteServers: () => Promise.resolve([box]),
      }),
    );
    const server = { name: 'box', url: 'x', key: null };
    expect(await remotes.add(server)).toBe(false);
    expect(remotes.wrongField).toBe('url');
    refuse = false;
    expect(await remotes.add(server)).toBe(true);
    expect(remotes.wrongField).toBeNull();
    expect(remotes.servers).toEqual([box]);
  });

  it('that are removed leave the list, and what went wrong stays to be read', async () => {
    const locked = { ...REFUSED, code: 'keyring' };
    let servers = REMOTES;
    const remotes = new RemotesController(
      fakeBackend({
        remoteServers: () => Promise.resolve(servers),
        removeRemoteServer: (name) => {
          servers = servers.filter((server) => server.name !== name);
          return Promise.reject(locked);
        },
      }),
    );
    await remotes.remove(box.name);
    expect(remotes.servers.map(({ name }) => name)).toEqual(['office']);
    expect(remotes.error).toEqual(locked);
  });
});

describe('the token of the Hub', () => {
  it('is given away and only its being there comes back', async () => {
    const setHubToken = vi.fn(() => Promise.resolve(SECRETS));
    const remotes = new RemotesController(fakeBackend({ setHubToken }));
    await remotes.refreshSecrets();
    expect(remotes.secrets?.hubToken).toBe('none');
    expect(await remotes.setHubToken('hf_x')).toBe(true);
    expect(setHubToken).toHaveBeenCalledWith('hf_x');
    expect(remotes.secrets).toEqual(SECRETS);
  });

  it('that is refused leaves what was known', async () => {
    const remotes = new RemotesController(
      fakeBackend({ setHubToken: () => Promise.reject(REFUSED) }),
    );
    await remotes.refreshSecrets();
    expect(await remotes.setHubToken('a b')).toBe(false);
    expect(remotes.tokenError).toEqual(REFUSED);
    expect(remotes.secrets?.hubToken).toBe('none');
  });
});
