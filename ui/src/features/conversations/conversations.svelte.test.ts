import { expect, it, vi } from 'vitest';
import { fakeBackend, fakeConversation } from '../../backend/fake';
import type { FindQuery } from '../../backend/types';
import { ConversationsController, NO_FILTERS } from './conversations.svelte';

const row = (id: string, extra = {}) => ({
  conversation: fakeConversation({ id, ...extra }),
  snippet: null,
});

it('a search asks with its filters, days included, and the list comes back afterwards', async () => {
  const asked: FindQuery[] = [];
  const backend = fakeBackend({
    listConversations: () => Promise.resolve([row('c1')]),
    findMessages: (query) => {
      asked.push(query);
      return Promise.resolve({ hits: [], messages: 0, more: false });
    },
  });
  const conversations = new ConversationsController(backend);
  await conversations.refresh();
  expect(asked).toEqual([]);
  expect(conversations.items.map(({ kind }) => kind)).toEqual(['heading', 'conversation']);

  conversations.query = ' lamp ';
  conversations.filters = { ...NO_FILTERS, role: 'user', from: '2026-11-02', to: '2026-11-02' };
  await conversations.refresh();
  const [query] = asked;
  expect(query).toMatchObject({ text: 'lamp', role: 'user', model: null, archived: false });
  expect(query!.to! - query!.from!).toBe(24 * 60 * 60 * 1000);
  expect(conversations.items).toEqual([]);

  conversations.query = '';
  conversations.filters = NO_FILTERS;
  expect(conversations.items).toHaveLength(2);
});

it('the archive closes when its last conversation leaves', async () => {
  let isArchived = true;
  const backend = fakeBackend({
    listConversations: () => Promise.resolve([row('c1', { archived: isArchived })]),
    archiveConversation: (_id, archived) => {
      isArchived = archived;
      return Promise.resolve();
    },
  });
  const conversations = new ConversationsController(backend);
  await conversations.refresh();
  expect(conversations.items).toEqual([]);
  conversations.inArchive = true;
  expect(conversations.items.map(({ kind }) => kind)).toEqual(['heading', 'conversation']);
  await conversations.archive('c1', false);
  expect(conversations.inArchive).toBe(false);
  expect(conversations.archivedCount).toBe(0);
});

it('several conversations as pages want a folder, everything else a file', async () => {
  const exportConversations = vi.fn(() => Promise.resolve(2));
  const chooseFolder = vi.fn(() => Promise.resolve('/folder'));
  const chooseSavePath = vi.fn(() => Promise.resolve('/file'));
  const backend = fakeBackend({ exportConversations, chooseFolder, chooseSavePath });
  const conversations = new ConversationsController(backend);
  await conversations.save(null, 'html', 'All');
  expect(exportConversations).toHaveBeenLastCalledWith(null, 'html', '/folder');
  await conversations.save(null, 'json', 'All');
  await conversations.save('c1', 'markdown', 'Tea: why?/..');
  expect(chooseSavePath).toHaveBeenLastCalledWith('Tea  why', 'md');
  expect(exportConversations).toHaveBeenLastCalledWith(['c1'], 'markdown', '/file');
  chooseSavePath.mockResolvedValueOnce(null as unknown as string);
  expect(await conversations.save('c1', 'json', 'x')).toBeNull();
});
