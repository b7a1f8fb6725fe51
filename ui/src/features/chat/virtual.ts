/**
 * Which messages of a long conversation are drawn: those in sight and some around them. Heights are measured where a
 * message was drawn and guessed where not yet; what is not drawn is an empty space as high as that.
 */

/** What of a message its height can be guessed from. */
export interface Item {
  readonly id: string;
  readonly role: string;
  readonly content: string;
}

export interface Range {
  /** First message that is drawn, and the one behind the last. */
  start: number;
  end: number;
}

/** Drawn beyond what is in sight, in pixels: enough for a fast turn of the wheel. */
const MARGIN = 900;
const LETTERS_IN_LINE = 88;
const LINE = 25;

export class Heights {
  readonly #measured = new Map<string, number>();
  #offsets = new Float64Array(1);
  #items: readonly Item[] = [];
  /** The first message below which offsets no longer hold. */
  #stale = 0;

  /** The messages, from the first to the last. Those that are the same as before, up to the first new one, are not added up again. */
  set items(items: readonly Item[]) {
    const offsets = new Float64Array(items.length + 1);
    let same = 0;
    const most = Math.min(items.length, this.#stale);
    while (same < most && items[same] === this.#items[same]) same += 1;
    offsets.set(this.#offsets.subarray(0, same + 1));
    this.#items = items;
    this.#stale = same;
    this.#offsets = offsets;
  }

  /** The name of the message at this place. */
  id(index: number): string | undefined {
    return this.#items[index]?.id;
  }

  of(item: Item): number {
    const measured = this.#measured.get(item.id);
    if (measured !== undefined) return measured;
    const lines = Math.max(1, Math.ceil(item.content.length / LETTERS_IN_LINE));
    return (item.role === 'user' ? 64 : 56) + lines * LINE;
  }

  /** Notes a height; gives by how much it differs from what was taken for it before. */
  measure(index: number, height: number): number {
    const item = this.#items[index];
    if (!item) return 0;
    const difference = height - this.of(item);
    if (this.#measured.get(item.id) !== height) {
      this.#measured.set(item.id, height);
      if (difference !== 0) this.#stale = Math.min(this.#stale, index);
    }
    return difference;
  }

  /** Pixels above this message; of the number of messages, the height of all. */
  above(index: number): number {
    this.#settle();
    return this.#offsets[Math.min(index, this.#items.length)] ?? 0;
  }

  /** The message that lies at this height. */
  at(top: number): number {
    this.#settle();
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle + 1] ?? 0) <= top) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What to draw when this part of the list is in sight. */
  around(top: number, height: number): Range {
    const start = this.at(Math.max(0, top - MARGIN));
    const end = this.at(top + height + MARGIN) + 1;
    return { start, end: Math.min(end, this.#items.length) };
  }

  #settle(): void {
    const items = this.#items;
    let sum = this.#offsets[this.#stale] ?? 0;
    for (let index = this.#stale; index < items.length; index += 1) {
      sum += this.of(items[index] as Item);
      this.#offsets[index + 1] = sum;
    }
    this.#stale = items.length;
  }
}
