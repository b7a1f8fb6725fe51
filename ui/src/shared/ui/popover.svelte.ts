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

/** A menu: opens at the item that is checked, arrows move, Escape and Tab leave. */
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
    else if (!this.element || !moveByArrows(event, this.element)) super.onkeydown(event);
  }
}

/** Moves the focus among the items of a menu. Whether the key was one that moves it. */
export function moveByArrows(event: KeyboardEvent, menu: HTMLElement): boolean {
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
