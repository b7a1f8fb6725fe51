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
const FIRST_LEVEL = 3;

export function readableCard(markdown: string): string {
  const level = levels();
  return markdown
    .split(FENCE)
    .map((part, index) => (index % 2 === 1 ? part : withoutHtml(part, level)))
    .join('')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** Gives each heading a level that leaves none out, for those who go from heading to heading. */
function levels(): (wanted: number) => number {
  let before = FIRST_LEVEL - 1;
  return (wanted) => {
    const shifted = Math.min(6, wanted + FIRST_LEVEL - 1);
    return (before = Math.min(shifted, before + 1));
  };
}

function withoutHtml(text: string, level: (wanted: number) => number): string {
  return text
    .replace(COMMENT, '')
    .replace(BREAK, '\n')
    .replace(TAG, '')
    .replace(HEADING, (hashes) => '#'.repeat(level(hashes.length)));
}
