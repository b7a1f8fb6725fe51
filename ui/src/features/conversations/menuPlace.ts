/** Where a menu opens, in the window: it begins where words begin, on the other side where they run to the left. */
import { direction } from '../../shared/i18n';

export interface Point {
  x: number;
  y: number;
}

/** Under an element, at its beginning. */
export function below(element: Element): Point {
  const { left, right, bottom } = element.getBoundingClientRect();
  return { x: direction() === 'rtl' ? right : left, y: bottom };
}

/** The left edge of something so wide that begins at `x`. */
export function startingAt(x: number, width: number): number {
  return direction() === 'rtl' ? x - width : x;
}
