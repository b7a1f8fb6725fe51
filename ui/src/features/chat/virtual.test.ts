import { describe, expect, it } from 'vitest';
import { Heights } from './virtual';

function list(count: number): Heights {
  const heights = new Heights();
  heights.items = Array.from({ length: count }, (_, index) => ({
    id: `m${index}`,
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: '0123456789',
  }));
  return heights;
}

describe('what is drawn', () => {
  it('is a few messages out of many, wherever one looks', () => {
    const heights = list(10_000);
    const all = heights.above(10_000);
    for (const top of [0, all / 3, all - 600]) {
      const { start, end } = heights.around(top, 600);
      expect(end - start).toBeLessThan(40);
      expect(heights.above(start)).toBeLessThanOrEqual(top);
      expect(heights.above(end)).toBeGreaterThanOrEqual(Math.min(all, top + 600));
    }
  });

  it('is everything when there is little', () => {
    expect(list(3).around(0, 600)).toEqual({ start: 0, end: 3 });
    expect(list(0).around(0, 600)).toEqual({ start: 0, end: 0 });
  });

  it('reaches the last message when one looks past the end', () => {
    expect(list(10).around(1e9, 600)).toEqual({ start: 10, end: 10 });
    expect(list(100).around(list(100).above(100) - 600, 600).end).toBe(100);
  });
});

describe('heights', () => {
  it('count as measured once they are', () => {
    const heights = list(4);
    const guessed = heights.above(4);
    const difference = heights.measure(1, 500);
    expect(heights.above(4)).toBe(guessed + difference);
    expect(heights.above(2) - heights.above(1)).toBe(500);
    expect(heights.measure(1, 500)).toBe(0);
  });

  it('tell which message lies where', () => {
    const heights = list(100);
    for (const index of [0, 1, 50, 99]) {
      expect(heights.at(heights.above(index))).toBe(index);
      expect(heights.at(heights.above(index + 1) - 1)).toBe(index);
    }
  });
});

describe('a list that goes on', () => {
  it('has the offsets of one that is new', () => {
    const item = (id: string, letters: number) => ({
      id,
      role: 'user',
      content: 'x'.repeat(letters),
    });
    const first = Array.from({ length: 50 }, (_, index) => item(`m${index}`, index * 40));
    const lists = [
      first,
      [...first, item('last', 900)],
      [...first.slice(0, 20), item('other', 7), ...first.slice(21)],
      first.slice(0, 10),
      first,
    ];
    const heights = new Heights();
    for (const items of lists) {
      heights.items = items;
      heights.measure(5, 333);
      heights.measure(30, 77);
      const anew = new Heights();
      anew.items = items;
      anew.measure(5, 333);
      if (heights.id(30) !== 'other') anew.measure(30, 77);
      for (const index of [0, 3, 6, 20, 31, items.length]) {
        expect(heights.above(index)).toBe(anew.above(index));
      }
    }
  });
});
