/**
 * Markdown that is still being written. Text only ever grows at its end, so all but the last two blocks are final:
 * they keep their HTML, and each update reads the tail alone. The result is the same as rendering the whole text
 * afresh (see the tests, which compare at every split).
 */
import type { Token, TokensList } from 'marked';
import { isVisible, lex, renderBlock } from './render';

export interface Block {
  /** Position among the visible blocks: stable while text is appended. */
  readonly key: number;
  readonly html: string;
}

export class IncrementalMarkdown {
  #source = '';
  /** Characters of the source that the final blocks cover. */
  #finalLength = 0;
  #final: Block[] = [];
  /** The tail's last rendering, by raw text, so that an unchanged block is not sanitised again. */
  #tail = new Map<string, string>();

  /** The blocks of this source, which normally begins with the source of the call before. */
  update(source: string): Block[] {
    if (!source.startsWith(this.#source)) this.#reset();
    this.#source = source;

    const tail = lex(source.slice(this.#finalLength));
    // A definition can turn words of any block into a link: then nothing is final.
    if (Object.keys(tail.links).length > 0) return this.#whole(source);

    const settled = firstOpenBlock(tail);
    for (const token of tail.slice(0, settled)) {
      this.#finalLength += token.raw.length;
      if (isVisible(token))
        this.#final.push({ key: this.#final.length, html: this.#render(token) });
    }
    return [...this.#final, ...this.#renderTail(tail.slice(settled))];
  }

  #renderTail(tokens: Token[]): Block[] {
    const rendered = new Map<string, string>();
    const blocks = tokens.filter(isVisible).map((token, index) => {
      const html = this.#render(token);
      rendered.set(token.raw, html);
      return { key: this.#final.length + index, html };
    });
    this.#tail = rendered;
    return blocks;
  }

  #render(token: Token): string {
    return this.#tail.get(token.raw) ?? renderBlock(token);
  }

  #whole(source: string): Block[] {
    this.#reset();
    this.#source = source;
    const tokens: TokensList = lex(source);
    return tokens.filter(isVisible).map((token, key) => ({ key, html: renderBlock(token) }));
  }

  #reset(): void {
    this.#source = '';
    this.#finalLength = 0;
    this.#final = [];
    this.#tail = new Map();
  }
}

/**
 * Index of the first block that may still change. That is the last block, and the one before it: a list takes in
 * what follows it once that turns out to be an item (`3` becomes `3. …`).
 */
function firstOpenBlock(tokens: Token[]): number {
  let open = 2;
  for (let index = tokens.length - 1; index >= 0; index -= 1) {
    if (tokens[index]?.type !== 'space') open -= 1;
    if (open === 0) return index;
  }
  return 0;
}
