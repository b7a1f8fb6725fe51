import { expect, it, vi } from 'vitest';
import { fakeBackend, fakeConversation, fakeMessage } from '../../backend/fake';
import { ChatController } from './chat.svelte';
import { DraftStore } from './drafts';

function kept() {
  const values: Record<string, string> = {};
  return {
    values,
    getItem: (key: string) => values[key] ?? null,
    setItem: (key: string, value: string) => void (values[key] = value),
  };
}

it('leaving a temporary chat closes it, whatever is going on in it', async () => {
  const deleteConversation = vi.fn(() => Promise.resolve());
  const backend = fakeBackend({
    deleteConversation,
    getConversation: () =>
      Promise.resolve({ conversation: fakeConversation(), messages: [], summaries: [] }),
  });
  const storage = kept();
  const chat = new ChatController(backend, { storage });
  chat.startTemporary(fakeConversation({ id: 'temporary-1', temporary: true }));
  chat.drafts.set('temporary-1', 'a secret');
  chat.send('hello');
  expect(backend.answers[0]!.args).toMatchObject({ conversationId: 'temporary-1' });
  expect(deleteConversation).not.toHaveBeenCalled();
  await chat.open('c1');
  expect(deleteConversation).toHaveBeenCalledExactlyOnceWith('temporary-1');
  expect(JSON.stringify(storage.values)).not.toContain('secret');
});

it('drafts of temporary chats are not kept', () => {
  const storage = kept();
  const drafts = new DraftStore(storage);
  drafts.set('c1', 'kept');
  drafts.set('temporary-1', 'secret');
  expect(drafts.get('temporary-1')).toBe('secret');
  expect(storage.values['lantern.drafts']).toBe('[["c1","kept"]]');
});

it('a found message is shown on its branch', async () => {
  const messages = [
    fakeMessage({ id: 'q' }),
    fakeMessage({ id: 'a1', parentId: 'q', role: 'assistant' }),
    fakeMessage({ id: 'a2', parentId: 'q', role: 'assistant' }),
  ];
  const selectBranch = vi.fn(() => Promise.resolve());
  const backend = fakeBackend({
    selectBranch,
    getConversation: () =>
      Promise.resolve({
        conversation: fakeConversation({ leafId: 'a2' }),
        messages,
        summaries: [],
      }),
  });
  const chat = new ChatController(backend, { storage: kept() });
  await chat.open('c1', 'a1');
  expect(chat.session.leafId).toBe('a1');
  expect(selectBranch).toHaveBeenCalledWith('c1', 'a1');
  expect(chat.session.target).toBe('a1');
  await chat.open('c1', 'q');
  expect(chat.session.target).toBe('q');
  await chat.open('c1', 'gone');
  expect(chat.session.target).toBe('q');
});
