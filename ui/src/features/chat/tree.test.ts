import { describe, expect, it } from 'vitest';
import type { Message } from '../../backend/types';
import {
  branchTo,
  joined,
  newestLeafUnder,
  ShownBranch,
  withMessage,
  withRoundsJoined,
} from './tree';

function message(id: string, parentId: string | null, role: Message['role'] = 'user'): Message {
  return {
    id,
    parentId,
    role,
    conversationId: 'c',
    content: id,
    status: 'complete',
    model: null,
    error: null,
    stats: null,
    createdAt: 0,
  };
}

/** q1 ─ a1 ─ q2 ─ a2, with q1 ─ a1' (regenerated) and q2' ─ a2' (edited). */
const TREE = [
  message('q1', null),
  message('a1', 'q1', 'assistant'),
  message('q2', 'a1'),
  message('a2', 'q2', 'assistant'),
  message("a1'", 'q1', 'assistant'),
  message("q2'", 'a1'),
  message("a2'", "q2'", 'assistant'),
];
const ids = (leaf: string | null) => branchTo(TREE, leaf).map((node) => node.message.id);

describe('the shown branch', () => {
  it('runs from the leaf up to the first message', () => {
    expect(ids('a2')).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(ids("a1'")).toEqual(['q1', "a1'"]);
  });

  it('is that of the newest message when no leaf is known', () => {
    expect(ids(null)).toEqual(['q1', 'a1', "q2'", "a2'"]);
    expect(ids('gone')).toEqual(['q1', 'a1', "q2'", "a2'"]);
  });

  it('is empty without messages', () => {
    expect(branchTo([], 'x')).toEqual([]);
  });

  it('knows the alternatives of each message and where it stands among them', () => {
    const [q1, a1, q2] = branchTo(TREE, 'a2');
    expect(q1).toMatchObject({ alternatives: ['q1'], index: 0 });
    expect(a1).toMatchObject({ alternatives: ['a1', "a1'"], index: 0 });
    expect(q2).toMatchObject({ alternatives: ['q2', "q2'"], index: 0 });
    expect(branchTo(TREE, "a1'").at(-1)).toMatchObject({ index: 1 });
  });

  it('counts several first messages as alternatives', () => {
    const twice = [...TREE, message("q1'", null)];
    expect(branchTo(twice, "q1'")[0]).toMatchObject({ alternatives: ['q1', "q1'"], index: 1 });
  });

  it('ends when parents run in a circle', () => {
    expect(branchTo([message('x', 'y'), message('y', 'x')], 'x')).toHaveLength(2);
  });
});

it('the newest leaf under a message follows the latest children', () => {
  expect(newestLeafUnder(TREE, 'q1')).toBe("a1'");
  expect(newestLeafUnder(TREE, 'a1')).toBe("a2'");
  expect(newestLeafUnder(TREE, 'q2')).toBe('a2');
  expect(newestLeafUnder(TREE, 'a2')).toBe('a2');
});

it('a message takes the place of its older version', () => {
  const newer = { ...TREE[1]!, content: 'new' };
  const messages = withMessage(TREE, newer);
  expect(messages).toHaveLength(TREE.length);
  expect(messages[1]).toBe(newer);
  expect(withMessage([], newer)).toEqual([newer]);
});

it('joins all messages with those that are here, which may be newer', () => {
  const all = ['a', 'b', 'c'].map((id) => message(id, null));
  const here = [{ ...message('b', null), content: 'newer' }, message('d', null)];
  expect(joined(all, here).map(({ content }) => content)).toEqual(['a', 'newer', 'c', 'd']);
});

describe('an answer in rounds', () => {
  /** q ─ a1 ─ t1 ─ t2 ─ a2 ─ q2, with q ─ b1 ─ t3 ─ b2 and t2 ─ a2'. */
  const ROUNDS = [
    message('q', null),
    message('a1', 'q', 'assistant'),
    message('t1', 'a1', 'tool'),
    message('t2', 't1', 'tool'),
    message('a2', 't2', 'assistant'),
    message('q2', 'a2'),
    message('b1', 'q', 'assistant'),
    message('t3', 'b1', 'tool'),
    message('b2', 't3', 'assistant'),
  ];
  const joined = (messages: Message[], leaf: string) =>
    withRoundsJoined(branchTo(messages, leaf)).map(({ message, earlier, alternatives, index }) => [
      message.id,
      earlier?.map(({ id }) => id) ?? [],
      alternatives,
      index,
    ]);

  it('is one: its last message, with the alternatives of its first', () => {
    expect(joined(ROUNDS, 'q2')).toEqual([
      ['q', [], ['q'], 0],
      ['a2', ['a1'], ['a1', 'b1'], 0],
      ['q2', [], ['q2'], 0],
    ]);
    expect(joined(ROUNDS, 'b2').at(-1)).toEqual(['b2', ['b1'], ['a1', 'b1'], 1]);
  });

  it('has the alternatives of its end where only that was written again', () => {
    const again = [...ROUNDS.slice(0, 5), message("a2'", 't2', 'assistant')];
    expect(joined(again, "a2'").at(-1)).toEqual(["a2'", ['a1'], ['a2', "a2'"], 1]);
  });

  it('that was cut off behind its results ends with its calls', () => {
    expect(joined(ROUNDS.slice(0, 4), 't2')).toEqual([
      ['q', [], ['q'], 0],
      ['a1', [], ['a1'], 0],
    ]);
  });
});

describe('a remembered branch', () => {
  const LINE = TREE.slice(0, 4);

  it('goes on at its end, with what stood above as it was', () => {
    const shown = new ShownBranch();
    const before = shown.to(LINE, 'a2');
    const longer = [...LINE, message('q3', 'a2'), message('a3', 'q3', 'assistant')];
    const after = shown.to(longer, 'a3');
    expect(after).toEqual(branchTo(longer, 'a3'));
    expect(before.every((node, place) => node === after[place])).toBe(true);

    const finished: Message = { ...(longer[5] as Message), content: 'finished' };
    const ended = shown.to(withMessage(longer, finished), 'a3');
    expect(ended.at(-1)?.message).toBe(finished);
    expect(ended.slice(0, -1).every((node, place) => node === after[place])).toBe(true);
  });

  it('is the one of a fresh look after any change', () => {
    const [q1, a1, q2, a2] = LINE as [Message, Message, Message, Message];
    const shown = new ShownBranch();
    const steps: [Message[], string | null][] = [
      [[], null],
      [LINE, 'a2'],
      [TREE.slice(0, 5), "a1'"],
      [TREE.slice(0, 6), "q2'"],
      [TREE, "a2'"],
      [TREE, 'a2'],
      // Behind the end, but beside what is behind it already.
      [[q1, a1, q2], 'a1'],
      [[q1, a1, q2, message('q2x', 'a1')], 'q2x'],
      // Two lines at once, of which the last is shown; then one that begins anew.
      [[q1, a1], 'a1'],
      [[q1, a1, q2, message('q2x', 'a1')], 'q2x'],
      [[q1, a1], 'a1'],
      [[q1, a1, q2, message('first', null)], 'first'],
      // The last of the list is another, or became another; one above it changed.
      [LINE, 'a2'],
      [[q1, a1, q2, { ...a2, parentId: 'a1' }], 'a2'],
      [LINE, 'a2'],
      [[q1, { ...a1, content: 'new' }, q2, a2], 'a2'],
      [[q1, a1, q2], 'q2'],
      [LINE, null],
    ];
    for (const [messages, leaf] of steps) {
      expect(shown.to(messages, leaf)).toEqual(branchTo(messages, leaf));
    }
  });
});
