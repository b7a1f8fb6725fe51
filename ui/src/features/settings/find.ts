/** Finding a setting by words. */

/** Whether each of the words stands in one of these texts, in whatever case, and with or without its accents. */
export function speaksOf(words: string, texts: readonly string[]): boolean {
  const all = plain(texts.join('\n'));
  return plain(words)
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function plain(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}
