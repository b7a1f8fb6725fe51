import { expect, it } from 'vitest';
import { DraftStore } from './drafts';

function storage(initial: Record<string, string> = {}) {
  const items = new Map(Object.entries(initial));
  return {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => void items.set(key, value),
  };
}

it('each conversation keeps its own words, the new one too, also across restarts', () => {
  const kept = storage();
  const drafts = new DraftStore(kept);
  drafts.set('a', 'for a');
  drafts.set(null, 'for a new one');
  const restarted = new DraftStore(kept);
  expect(restarted.get('a')).toBe('for a');
  expect(restarted.get(null)).toBe('for a new one');
  expect(restarted.get('b')).toBe('');
});

it('sent words are forgotten', () => {
  const kept = storage();
  const drafts = new DraftStore(kept);
  drafts.set('a', 'words');
  drafts.clear('a');
  expect(new DraftStore(kept).get('a')).toBe('');
});

it('damaged storage costs the drafts, not the window', () => {
  for (const damaged of ['{', '7', '[["a"],["b",5],null,["c","kept"]]']) {
    const drafts = new DraftStore(storage({ 'lantern.drafts': damaged }));
    expect(drafts.get('a')).toBe('');
    expect(drafts.get('c')).toBe(damaged.includes('kept') ? 'kept' : '');
  }
});

it('a storage that refuses to write is no obstacle', () => {
  const drafts = new DraftStore({
    getItem: () => null,
    setItem: () => {
      throw new Error('full');
    },
  });
  drafts.set('a', 'words');
  expect(drafts.get('a')).toBe('words');
});

it('old drafts make way for new ones', () => {
  const drafts = new DraftStore(storage());
  for (let index = 0; index < 150; index += 1) drafts.set(`c${index}`, 'words');
  expect(drafts.get('c0')).toBe('');
  expect(drafts.get('c149')).toBe('words');
});

it('leaves the words of other windows alone', () => {
  const kept = storage();
  const one = new DraftStore(kept);
  const other = new DraftStore(kept);
  one.set('a', 'here');
  other.set('b', 'there');
  one.set('c', 'here, too');
  other.clear('b');
  one.set('c', 'here, still');
  const later = new DraftStore(kept);
  expect([later.get('a'), later.get('b'), later.get('c')]).toEqual(['here', '', 'here, still']);
});
