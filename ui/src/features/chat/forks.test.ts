import { expect, it } from 'vitest';
import { fakeMessage } from '../../backend/fake';
import type { Message } from '../../backend/types';
import { forks } from './forks';

function message(id: string, parentId: string | null, role: Message['role']): Message {
  return fakeMessage({ id, parentId, role, content: `words of ${id}` });
}

const TREE = [
  message('q', null, 'user'),
  message('a1', 'q', 'assistant'),
  message('a2', 'q', 'assistant'),
  message('q2', 'a2', 'user'),
  message('b', 'q2', 'assistant'),
];

it('has a row for each version at a fork and for each end', () => {
  const rows = forks(TREE, new Set(['q', 'a2', 'q2', 'b']));
  expect(rows.map(({ id, depth }) => [id, depth])).toEqual([
    ['q', 0],
    ['a1', 1],
    ['a2', 1],
    ['b', 1],
  ]);
  expect(rows.filter(({ shown }) => shown).map(({ id }) => id)).toEqual(['q', 'a2', 'b']);
  expect(rows[3]).toMatchObject({ steps: 2, words: 'words of b' });
});

it('begins with words, not with thoughts or signs of Markdown', () => {
  const answer = { ...message('a', null, 'assistant'), content: '<think>Hm.</think>## A **lens**' };
  expect(forks([answer], new Set())[0]?.words).toBe('A lens');
});

it('is short for a long line without forks', () => {
  const line = Array.from({ length: 1000 }, (_, index) =>
    message(`m${index}`, index === 0 ? null : `m${index - 1}`, index % 2 ? 'assistant' : 'user'),
  );
  expect(forks(line, new Set()).map(({ id }) => id)).toEqual(['m0', 'm999']);
});
