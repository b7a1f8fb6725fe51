/** The arithmetic of a list of which only a part is drawn. */
export interface VirtualItem {
  key: string;
  /** In rem. */
  height: number;
  /** Whether the keyboard stops here; it does not at headings. */
  focusable: boolean;
}

/** Where each item begins, in pixels, and where the last one ends. */
export function offsetsOf(items: readonly VirtualItem[], rem: number): number[] {
  const offsets = [0];
  let at = 0;
  for (const { height } of items) {
    at += height * rem;
    offsets.push(at);
  }
  return offsets;
}

/** The item at this height; the last one beyond the end. */
export function indexAt(offsets: readonly number[], y: number): number {
  let low = 0;
  let high = Math.max(0, offsets.length - 2);
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (offsets[middle]! <= y) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The item that a key leads to from item `at` (-1: from none); `null` for keys that lead nowhere. */
export function nextFocus(
  items: readonly VirtualItem[],
  at: number,
  key: string,
  page: number,
): number | null {
  const steps: Record<string, [number, number]> = {
    ArrowDown: [at + 1, 1],
    ArrowUp: [at - 1, -1],
    Home: [0, 1],
    End: [items.length - 1, -1],
    PageDown: [Math.min(items.length - 1, at + page), -1],
    PageUp: [Math.max(0, at - page), 1],
  };
  const step = steps[key];
  if (!step) return null;
  for (let index = step[0]; index >= 0 && index < items.length; index += step[1]) {
    if (items[index]!.focusable) return index;
  }
  return null;
}
