/** How far below the upper edge a part begins to be the one that is read, as a share of the view's height. */
const READING_LINE = 0.3;

/**
 * Which part of a page is in view.
 *
 * `tops`: where the parts begin, in pixels below the upper edge of the view (above it: negative), in their order.
 * Returns an index; before the first part has come, that of the first.
 */
export function partInView(tops: number[], height: number, atEnd: boolean): number {
  if (atEnd) return tops.length - 1;
  const line = height * READING_LINE;
  return Math.max(
    0,
    tops.findLastIndex((top) => top <= line),
  );
}
