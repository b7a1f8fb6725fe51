/**
 * Markdown that is still being written. Text only ever grows at its end, so blocks before the last one are final:
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

    const settled = lastBlock(tail);
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

/** Index of the last block that is not blank space: it, and what follows it, may still change. */
function lastBlock(tokens: Token[]): number {
  let index = tokens.length - 1;
  while (index > 0 && tokens[index]?.type === 'space') index -= 1;
  return Math.max(index, 0);
}
