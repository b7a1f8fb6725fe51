/** What opens beside its button and lies above the page: a panel, or a menu. */
import { tick } from 'svelte';
import type { Attachment } from 'svelte/attachments';
import { on } from 'svelte/events';

/** A panel: Escape closes it and gives the focus back to its button, a press elsewhere closes it. */
export class Popover {
  open = $state(false);
  protected element: HTMLElement | null = null;

  /** Belongs on the element that holds the button and what it opens. */
  readonly frame: Attachment<HTMLElement> = (element) => {
    this.element = element;
    const ends = [
      on(element, 'keydown', (event) => {
        if (this.open) this.onkeydown(event);
      }),
      on(window, 'pointerdown', ({ target }) => {
        if (target instanceof Node && !element.contains(target)) this.close();
      }),
    ];
    return () => ends.forEach((end) => end());
  };

  close(refocus = false): void {
    this.open = false;
    if (refocus) this.element?.querySelector<HTMLElement>('summary, [aria-expanded]')?.focus();
  }

  protected onkeydown(event: KeyboardEvent): void {
    if (event.key !== 'Escape') return;
    // It is for what is open alone: below it, Escape stops an answer.
    event.preventDefault();
    event.stopPropagation();
    this.close(true);
  }
}

/** A menu: opens at the item that is checked, arrows and letters move, Escape and Tab leave. */
export class MenuPopover extends Popover {
  toggle(): void {
    if (this.open) this.close(true);
    else void this.#show();
  }

  /** Closes it and does what an item says. */
  choose(action: () => void): void {
    this.close(true);
    action();
  }

  async #show(): Promise<void> {
    this.open = true;
    await tick();
    if (!this.element) return;
    const items = itemsOf(this.element);
    const first = items.find((item) => item.ariaChecked === 'true') ?? items[0];
    first?.focus();
    first?.scrollIntoView({ block: 'nearest' });
  }

  protected override onkeydown(event: KeyboardEvent): void {
    if (event.key === 'Tab') this.close();
    else if (!this.element || !moveInMenu(event, this.element)) super.onkeydown(event);
  }
}

/** Moves the focus among the items of a menu. Whether the key was one that moves it. */
export function moveInMenu(event: KeyboardEvent, menu: HTMLElement): boolean {
  return moveByArrows(event, menu) || moveByLetters(event, menu);
}

/** Letters that follow each other within so many milliseconds are one word. */
const WORD_ENDS_AFTER = 800;
let typed = '';
let typedAt = -Infinity;

/** As in menus of the system: the next item that begins with what is typed. The same letter again goes on to the next. */
function moveByLetters(event: KeyboardEvent, menu: HTMLElement): boolean {
  const { key, ctrlKey, altKey, metaKey, timeStamp } = event;
  const goesOn = timeStamp - typedAt < WORD_ENDS_AFTER;
  const items = itemsOf(menu);
  const begins = (item: HTMLElement, words: string) =>
    item.textContent.trim().toLowerCase().startsWith(words);
  // A space presses the item, unless a word that is being typed goes on with it.
  const isLetter =
    [...key].length === 1 &&
    (key !== ' ' || (goesOn && items.some((item) => begins(item, `${typed} `))));
  if (!isLetter || ctrlKey || altKey || metaKey) return false;
  if (event.target instanceof HTMLInputElement) return false;
  const letter = key.toLowerCase();
  typed = goesOn && typed !== letter ? typed + letter : letter;
  typedAt = timeStamp;
  const at = items.indexOf(document.activeElement as HTMLElement);
  const from = typed.length > 1 ? Math.max(at, 0) : at + 1;
  const inTurn = [...items.slice(from), ...items.slice(0, from)];
  inTurn.find((item) => begins(item, typed))?.focus();
  event.preventDefault();
  return true;
}

function moveByArrows(event: KeyboardEvent, menu: HTMLElement): boolean {
  const items = itemsOf(menu);
  const at = items.indexOf(document.activeElement as HTMLElement);
  const last = items.length - 1;
  const to = {
    ArrowDown: at === last ? 0 : at + 1,
    ArrowUp: at <= 0 ? last : at - 1,
    Home: 0,
    End: last,
  }[event.key];
  if (to === undefined) return false;
  event.preventDefault();
  items[to]?.focus();
  return true;
}

/** What cannot be chosen takes no focus, so arrows pass over it. */
function itemsOf(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('[role^="menuitem"]:not(:disabled)')];
}
