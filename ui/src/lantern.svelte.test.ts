import { describe, expect, it, vi } from 'vitest';
import { DOWNLOADS, LIBRARY, MODEL, REMOTES, SETTINGS, STATUS } from '../demo/data';
import type { Backend } from './backend';
import { fakeBackend, fakeConversation } from './backend/fake';
import type { AppEvent, ErrorInfo } from './backend/types';
import { LanternApp } from './lantern.svelte';

const TROUBLE: ErrorInfo = { code: 'trouble', message: 'Something is wrong.', nextStep: 'Look.' };
const storage = { getItem: () => null, setItem: () => {} };

async function started(overrides: Partial<Backend> = {}) {
  let emit: (event: AppEvent) => void = () => {};
  const backend = fakeBackend({
    getStatus: () => Promise.resolve(STATUS),
    getSettings: () => Promise.resolve(SETTINGS),
    library: () => Promise.resolve(LIBRARY),
    subscribe: (onEvent) => {
      emit = onEvent;
      return Promise.resolve();
    },
    ...overrides,
  });
  const app = new LanternApp(backend, storage);
  await app.start();
  return { app, backend, emit: (event: AppEvent) => emit(event) };
}

describe('the start', () => {
  it('reads everything that is shown', async () => {
    const { app } = await started();
    expect(app.ready).toBe(true);
    expect(app.models.library).toHaveLength(LIBRARY.length);
    expect(app.settings.current).toEqual(SETTINGS);
    expect(app.models.state).toEqual(STATUS.model);
    expect(app.answering.model).toBe(MODEL);
  });

  it('that fails says why and can be tried again', async () => {
    let broken = true;
    const { app } = await started({
      getStatus: () => (broken ? Promise.reject(TROUBLE) : Promise.resolve(STATUS)),
    });
    expect(app.ready).toBe(false);
    expect(app.startError).toEqual(TROUBLE);
    broken = false;
    await app.start();
    expect(app.ready).toBe(true);
    expect(app.startError).toBeNull();
  });
});

describe('models of other servers', () => {
  const remote = 'gpu-box/openai/gpt-oss-120b';

  it('answer only where the user chose them', async () => {
    const { app } = await started({
      library: () => Promise.resolve([]),
      remoteServers: () => Promise.resolve(REMOTES),
    });
    await vi.waitFor(() => expect(app.remotes.modelIds).toContain(remote));
    expect(app.answering.model, 'a server was taken because nothing is here').toBeNull();
    app.answering.pickModel(remote);
    expect(app.answering.model).toBe(remote);
  });

  it('are not loaded here, and stay chosen while their server is away', async () => {
    const loadModel = vi.fn();
    const { app } = await started({ remoteServers: () => Promise.resolve(REMOTES), loadModel });
    await vi.waitFor(() => expect(app.remotes.servers).toHaveLength(2));
    app.answering.pickModel('office/some/model');
    expect(app.answering.model).toBe('office/some/model');
    app.chat.session.pickedModel = null;
    app.chat.session.conversation = fakeConversation({ model: 'removed/model' });
    expect(app.answering.model, 'its server was removed').toBe(MODEL);
    expect(loadModel).not.toHaveBeenCalled();
  });
});

describe('events', () => {
  it('carry the latest value to where it is shown', async () => {
    const { app, emit } = await started();
    const endpoint = { running: false, url: null, error: TROUBLE };
    emit({ type: 'endpoint_changed', endpoint });
    expect(app.endpoint).toEqual(endpoint);
    emit({ type: 'settings_changed', settings: { ...SETTINGS, theme: 'dark' } });
    expect(app.settings.current?.theme).toBe('dark');
    emit({ type: 'model_changed', model: { state: 'unloaded' } });
    expect(app.models.stateOf(MODEL)).toBe('unloaded');
    const [download] = DOWNLOADS;
    emit({ type: 'download', progress: download! });
    emit({ type: 'download', progress: { ...download!, receivedBytes: 5 } });
    expect(app.downloads.list.map(({ receivedBytes }) => receivedBytes)).toEqual([5]);
  });

  it('that name what changed make it be read again', async () => {
    const { app, backend, emit } = await started();
    backend.library = () => Promise.resolve([]);
    emit({ type: 'library_changed' });
    await vi.waitFor(() => expect(app.models.library).toEqual([]));
    const list = vi.spyOn(backend, 'listConversations');
    emit({ type: 'conversations_changed' });
    emit({ type: 'conversations_changed' });
    await vi.waitFor(() => expect(list).toHaveBeenCalledOnce());
  });

  it('with a notice show it once, until it is dismissed', async () => {
    const { app, emit } = await started();
    emit({ type: 'notice', notice: TROUBLE });
    emit({ type: 'notice', notice: TROUBLE });
    expect(app.notices.map(({ info }) => info)).toEqual([TROUBLE]);
    app.dismiss(app.notices[0]!.id);
    expect(app.notices).toEqual([]);
  });
});

describe('the model that answers', () => {
  it('is the picked one, else the conversation’s, else the default, else the first that works', async () => {
    const { app } = await started();
    const second = LIBRARY[1]!.id;
    app.settings.replaced({ ...SETTINGS, defaultModel: second });
    expect(app.answering.model).toBe(second);
    app.answering.pickModel(MODEL);
    expect(app.answering.model).toBe(MODEL);
    app.chat.session.pickedModel = 'gone';
    app.settings.replaced({ ...SETTINGS, defaultModel: 'half-a-model' });
    expect(app.answering.model, 'a file that cannot be read never answers').toBe(MODEL);
  });

  it('is taken from the library into a chat of its own', async () => {
    const { app } = await started();
    app.chat.session.show({ conversation: fakeConversation(), messages: [], summaries: [] });
    app.showModels('library');
    app.chatWithModel(LIBRARY[1]!.id);
    expect(app.view).toBe('chat');
    expect(app.chat.session.conversation).toBeNull();
    expect(app.answering.model).toBe(LIBRARY[1]!.id);
  });

  it('is loaded when picked; a failure is told', async () => {
    const { app } = await started({ loadModel: () => Promise.reject(TROUBLE) });
    app.answering.pickModel(LIBRARY[1]!.id);
    expect(app.models.stateOf(LIBRARY[1]!.id)).toBe('loading');
    await vi.waitFor(() => expect(app.notices[0]?.info).toEqual(TROUBLE));
    expect(app.models.loadErrorOf(LIBRARY[1]!.id)).toEqual(TROUBLE);
  });
});

it('a conversation whose model is gone goes on with the one that is shown', async () => {
  const { app, backend } = await started();
  const conversation = fakeConversation({ model: 'gone' });
  app.chat.session.show({ conversation, messages: [], summaries: [] });
  app.send('Hello');
  expect(backend.answers[0]?.args).toMatchObject({ model: MODEL });
});

it('a conversation whose model is here keeps it by saying nothing', async () => {
  const { app, backend } = await started();
  app.chat.session.show({
    conversation: fakeConversation({ model: MODEL }),
    messages: [],
    summaries: [],
  });
  app.send('Hello');
  expect(backend.answers[0]?.args).toMatchObject({ model: null });
});

it('what the user asked for and could not be done becomes a notice', async () => {
  const { app } = await started({ deleteConversation: () => Promise.reject(TROUBLE) });
  await app.deleteConversation('c1');
  expect(app.notices[0]?.info).toEqual(TROUBLE);
});

it('gives the open conversation a context of its own, and pins in the list', async () => {
  const { app, backend } = await started();
  app.chat.session.show({ conversation: fakeConversation(), messages: [], summaries: [] });
  await app.setContextLength(4096);
  expect(app.chat.session.conversation?.contextLength).toBe(4096);
  await app.setContextLength(null);
  expect(app.chat.session.conversation?.contextLength).toBeNull();
  const pinned: unknown[] = [];
  backend.pinConversation = (...args) => {
    pinned.push(args);
    return Promise.resolve();
  };
  await app.conversations.pin('c1', true);
  expect(pinned).toEqual([['c1', true]]);
});
