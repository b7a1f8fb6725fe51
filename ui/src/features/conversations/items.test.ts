import { expect, it } from 'vitest';
import { fakeConversation } from '../../backend/fake';
import type { Conversation, FoundMessage } from '../../backend/types';
import { archived, foundItems, listed, type ListItem } from './items';

const row = (id: string, extra: Partial<Conversation> = {}) => ({
  conversation: fakeConversation({ id, title: id, ...extra }),
  snippet: null,
});

function told(items: ListItem[]): string[] {
  return items.map((item) => {
    switch (item.kind) {
      case 'heading':
        return `# ${item.label}`;
      case 'folder':
        return `${item.isOpen ? '-' : '+'} ${item.folder.name} ${item.count}`;
      case 'conversation':
        return item.inFolder ? `  ${item.row.conversation.id}` : item.row.conversation.id;
      case 'hit':
        return `? ${item.hit.snippet}`;
      case 'note':
        return item.text;
    }
  });
}

it('pinned ones stand first, then folders, then days, and the archive by itself', () => {
  const rows = [
    row('loose'),
    row('pinned', { pinned: true, folderId: 'f' }),
    row('inside', { folderId: 'f' }),
    row('away', { archived: true }),
  ];
  const folders = [
    { id: 'f', name: 'Full', createdAt: 1 },
    { id: 'e', name: 'Empty', createdAt: 1 },
  ];
  expect(told(listed(rows, folders, new Set(['f']), 1))).toEqual([
    '# Pinned',
    'pinned',
    '# Folders',
    '- Full 1',
    '  inside',
    '+ Empty 0',
    '# Today',
    'loose',
  ]);
  expect(told(archived(rows))).toEqual(['# Archive (1)', 'away']);
});

it('hits are titles and messages, and more than are shown is said', () => {
  const hit = (messageId: string | null, snippet: string): FoundMessage => ({
    conversation: fakeConversation({ id: snippet }),
    messageId,
    role: null,
    model: null,
    createdAt: 1,
    snippet,
  });
  const hits = [hit(null, 'a'), hit('m1', 'b')];
  expect(told(foundItems({ hits, messages: 2000, more: true }))).toEqual([
    '# Titles',
    '? a',
    '# Messages (over 2,000)',
    '? b',
    'The first 1 is shown. More words or a filter find the rest.',
  ]);
});
