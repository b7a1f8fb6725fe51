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

/* Values that are drawn otherwise than the words (`shared/ui/Marked.svelte`): between characters
 * for private use, of which no font knows a sign. */

/** Marks a value. */
export function marked(value: string): string {
  return `\uE000${value.replaceAll(/[\uE000\uE001]/g, '')}\uE001`;
}

/** A text, cut at its marks. */
export function markedParts(text: string): { text: string; isMarked: boolean }[] {
  return text
    .split(/(\uE000[^\uE001]*\uE001?)/)
    .filter((part) => part !== '')
    .map((part) => ({
      text: part.replaceAll(/[\uE000\uE001]/g, ''),
      isMarked: part.startsWith('\uE000'),
    }));
}
