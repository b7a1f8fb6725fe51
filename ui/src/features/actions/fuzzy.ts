/** Finds words by some of their letters, in order; the better they fit, the higher the score. */
export interface Match {
  score: number;
  /** Where the letters are, for showing them. */
  at: number[];
}

const WORD_START = 8;
const IN_A_ROW = 10;
const ANYWHERE = 1;
const GAP = 0.4;
/** A longer text than this is no name; only its beginning is looked at. */
const MOST = 160;

const isLetter = (char: string) => /[\p{L}\p{N}]/u.test(char);

/** `null` if the letters are not there in this order. An empty search fits everything alike. */
export function fuzzy(search: string, text: string): Match | null {
  const wanted = [...search.toLowerCase()].filter((char) => char.trim() !== '');
  const chars = [...text.slice(0, MOST)];
  const lower = chars.map((char) => char.toLowerCase());
  if (wanted.length === 0) return { score: 0, at: [] };
  let best: Match | null = null;
  for (let start = 0; start < lower.length; start += 1) {
    if (lower[start] !== wanted[0]) continue;
    const match = from(wanted, lower, start);
    if (match && (best === null || match.score > best.score)) best = match;
  }
  return best;
}

/** The match that begins here and takes each next letter at a word's start if it can, else where it comes first. */
function from(wanted: string[], lower: string[], start: number): Match | null {
  const at = [start];
  let score = worth(lower, start, -2);
  for (const char of wanted.slice(1)) {
    const before = at.at(-1) ?? start;
    const next = lower.indexOf(char, before + 1);
    if (next < 0) return null;
    const better = next === before + 1 ? next : (wordStart(lower, char, before + 1) ?? next);
    const rest = wanted.length - at.length - 1;
    const place = lower.length - better > rest ? better : next;
    score += worth(lower, place, before);
    at.push(place);
  }
  return { score: score - lower.length * 0.01, at };
}

function wordStart(lower: string[], char: string, from: number): number | undefined {
  for (let i = from; i < lower.length; i += 1) {
    if (lower[i] === char && startsWord(lower, i)) return i;
  }
  return undefined;
}

function startsWord(lower: string[], at: number): boolean {
  return at === 0 || !isLetter(lower[at - 1] ?? ' ');
}

function worth(lower: string[], at: number, before: number): number {
  if (at === before + 1) return IN_A_ROW;
  if (startsWord(lower, at)) return WORD_START - Math.min(at * 0.02, 2);
  return ANYWHERE - Math.min((at - Math.max(before, 0)) * GAP, ANYWHERE);
}
