import { expect, it } from 'vitest';
import { indexAt, nextFocus, offsetsOf } from './virtual';

const item = (height: number, focusable = true) => ({ key: `${Math.random()}`, height, focusable });
const items = [item(2, false), item(1), item(1), item(2, false), item(1)];

it('what lies at a height is found', () => {
  const offsets = offsetsOf(items, 10);
  expect(offsets).toEqual([0, 20, 30, 40, 60, 70]);
  expect([0, 19, 20, 45, 65, 1000].map((y) => indexAt(offsets, y))).toEqual([0, 0, 1, 3, 4, 4]);
  expect(indexAt(offsetsOf([], 10), 5)).toBe(0);
});

it('keys pass over headings and stop at the ends', () => {
  const next = (at: number, key: string) => nextFocus(items, at, key, 2);
  expect(next(1, 'ArrowDown')).toBe(2);
  expect(next(2, 'ArrowDown')).toBe(4);
  expect(next(4, 'ArrowDown')).toBeNull();
  expect(next(4, 'ArrowUp')).toBe(2);
  expect(next(1, 'ArrowUp')).toBeNull();
  expect([next(2, 'Home'), next(1, 'End')]).toEqual([1, 4]);
  expect([next(1, 'PageDown'), next(4, 'PageUp')]).toEqual([2, 2]);
  expect(next(1, 'x')).toBeNull();
});
