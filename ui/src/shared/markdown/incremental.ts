/**
 * Markdown that is still being written. Text only ever grows at its end, so all but the last blocks are final: they
 * keep their HTML, and each update reads the tail alone. The result is the same as rendering the whole text afresh (see
 * the tests, which compare at every split).
 *
 * Two things reach over blocks: definitions of links, after which nothing is final, and footnotes, whose numbers are
 * counted over the whole answer; a final block is rendered again when a number in it changes.
 */
import type { Token, TokensList } from 'marked';
import { numberNotes, type Mentions, type Numbers } from './footnotes';
import { formulasReady } from './formulas.svelte';
import { diagramOf, isVisible, lex, mentionsOf, renderBlock } from './render';
import { language } from '../i18n';

export interface Block {
  /** Position among the visible blocks: stable while text is appended. */
  readonly key: number;
  readonly html: string;
  /** The source of the diagram that this block is, once that is whole. */
  readonly diagram: string | null;
}

/** A block and what its HTML depends on. */
interface Entry {
  token: Token;
  mentions: Mentions;
  /** The numbers of what it mentions, as they were when it was rendered. */
  numbered: string;
  block: Block;
}

export class IncrementalMarkdown {
  #source = '';
  /** Characters of the source that the final blocks cover. */
  #finalLength = 0;
  #final: Entry[] = [];
  /** The tail's last rendering, by raw text, so that an unchanged block is not sanitised again. */
  #tail = new Map<string, Entry>();
  /** Whether formulas could be drawn when all this was rendered. */
  #formulas = false;
  /** The language of the words that stand around code, images and notes. */
  #language = language();

  /** The blocks of this source, which normally begins with the source of the call before. */
  update(source: string): Block[] {
    const drawsAlike = this.#formulas === formulasReady() && this.#language === language();
    if (!source.startsWith(this.#source) || !drawsAlike) this.#reset();
    this.#source = source;

    const tail = lex(source.slice(this.#finalLength));
    // A definition can turn words of any block into a link: then nothing is final.
    if (Object.keys(tail.links).length > 0) return this.#whole(source);

    const settled = firstOpenBlock(tail);
    const numbers = this.#numbers(tail);
    for (const entry of this.#final) this.#refresh(entry, numbers);
    for (const token of tail.slice(0, settled)) {
      this.#finalLength += token.raw.length;
      if (isVisible(token)) this.#final.push(this.#entry(token, this.#final.length, numbers));
    }
    const open = tail.slice(settled).filter(isVisible);
    const rest = open.map((token, index) =>
      this.#entry(token, this.#final.length + index, numbers),
    );
    this.#tail = new Map(rest.map((entry) => [entry.token.raw, entry]));
    return [...this.#final, ...rest].map(({ block }) => block);
  }

  #numbers(tail: Token[]): Numbers {
    const known = this.#final.map(({ mentions }) => mentions);
    return numberNotes([...known, ...tail.map(mentionsOf)]);
  }

  #refresh(entry: Entry, numbers: Numbers): void {
    const numbered = numberedAs(entry.mentions, numbers);
    if (numbered === entry.numbered) return;
    entry.numbered = numbered;
    entry.block = { ...entry.block, html: renderBlock(entry.token, numbers) };
  }

  #entry(token: Token, key: number, numbers: Numbers): Entry {
    const mentions = mentionsOf(token);
    const numbered = numberedAs(mentions, numbers);
    const known = this.#tail.get(token.raw);
    if (known?.numbered === numbered && known.block.key === key) return known;
    const html = known?.numbered === numbered ? known.block.html : renderBlock(token, numbers);
    return { token, mentions, numbered, block: { key, html, diagram: diagramOf(token) } };
  }

  #whole(source: string): Block[] {
    this.#reset();
    this.#source = source;
    const tokens: TokensList = lex(source);
    const visible = tokens.filter(isVisible);
    const numbers = numberNotes(visible.map(mentionsOf));
    return visible.map((token, key) => this.#entry(token, key, numbers).block);
  }

  #reset(): void {
    this.#source = '';
    this.#finalLength = 0;
    this.#final = [];
    this.#tail = new Map();
    this.#formulas = formulasReady();
    this.#language = language();
  }
}

function numberedAs({ marks, notes }: Mentions, numbers: Numbers): string {
  if (marks.length === 0 && notes.length === 0) return '';
  return [...marks, ...notes].map((label) => numbers.get(label) ?? '-').join();
}

/**
 * Index of the first block that may still change. That is the last block, and the one before it: a list takes in
 * what follows it once that turns out to be an item (`3` becomes `3. …`). Blocks with no blank line between them go
 * together: they may all turn out to lie inside of a formula.
 */
function firstOpenBlock(tokens: Token[]): number {
  let open = 2;
  for (let index = tokens.length - 1; index > 0; index -= 1) {
    if (tokens[index]?.type !== 'space') open -= 1;
    if (open <= 0 && endsBlank(tokens[index - 1])) return index;
  }
  return 0;
}

function endsBlank(token: Token | undefined): boolean {
  return token !== undefined && /\n[ \t]*\n[ \t]*$/.test(token.raw.slice(-64));
}
