/** What stands in a text's `{{places}}`, and how it keeps apart from the words around it. */

/** `count` also chooses between a text's plural forms. */
export type Values = Record<string, string | number> & { count?: number };

/** Keeps names, paths and numbers from taking their place among words that are written from right to left. */
export function isolated(values: Values): Values {
  const entries = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === 'string' ? `\u2068${value}\u2069` : value,
  ]);
  return Object.fromEntries(entries) as Values;
}
