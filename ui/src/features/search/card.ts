/**
 * What authors write about a model, made ready for the renderer of answers: cards are full of HTML for badges and
 * layout, which that renderer shows as text. Only what a reader wants of it is kept; nothing here makes it safe, the
 * renderer does.
 */

const COMMENT = /<!--[\s\S]*?(?:-->|$)/g;
/** `<br>` and the ends of blocks are ends of lines. */
const BREAK = /<br\s*\/?>|<\/(?:p|div|h[1-6]|li|tr|table|details|summary|center)>/gi;
const TAG = /<\/?[a-z][a-z0-9-]*(?:\s[^<>]*)?\/?>/gi;
const HEADING = /^(#{1,6})(?=\s)/gm;
const FENCE = /(^(?:```|~~~)[\s\S]*?^(?:```|~~~)[^\n]*$)/m;

/** Headings begin at this level: those above are the window's own. */
const FIRST_LEVEL = 4;

export function readableCard(markdown: string): string {
  return markdown
    .split(FENCE)
    .map((part, index) => (index % 2 === 1 ? part : withoutHtml(part)))
    .join('')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function withoutHtml(text: string): string {
  return text
    .replace(COMMENT, '')
    .replace(BREAK, '\n')
    .replace(TAG, '')
    .replace(HEADING, (hashes) => '#'.repeat(Math.min(6, hashes.length + FIRST_LEVEL - 1)));
}
