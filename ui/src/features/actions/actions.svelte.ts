/** The palette and the sheet of shortcuts: which of them is open, and what the keys of the window do. */
import { isMac, isPressed, isWriting, parseChord, type Chord } from './chords';
import { allActions, fixedActions, GROUPS, type Action, type WindowUi } from './actions';
import { fuzzy } from './fuzzy';
import type { LanternApp } from '../../lantern.svelte';
import { t } from '../../shared/i18n';

/** As many as anybody reads. */
const MOST = 50;

export interface Found {
  action: Action;
  /** Which letters of the label fit. */
  at: number[];
}

export class ActionsController {
  open = $state<'palette' | 'shortcuts' | null>(null);
  readonly #app: LanternApp;
  readonly #ui: WindowUi;

  constructor(app: LanternApp, ui: Omit<WindowUi, 'showPalette' | 'showShortcuts'>) {
    this.#app = app;
    this.#ui = {
      ...ui,
      showPalette: () => (this.open = 'palette'),
      showShortcuts: () => (this.open = 'shortcuts'),
    };
  }

  /** What has keys, as things are now. */
  withKeys(): Action[] {
    return fixedActions(this.#app, this.#ui).filter(({ keys }) => keys !== undefined);
  }

  /** What fits these letters, the best first; without letters, what can be done most often first. */
  find(search: string): Found[] {
    const found = allActions(this.#app, this.#ui)
      .filter(({ id }) => id !== 'palette')
      .map((action) => scored(search.trim(), action))
      .filter((one) => one !== null);
    const group = ({ action }: Found) => GROUPS.indexOf(action.group);
    found.sort((a, b) => b.score - a.score || group(a) - group(b));
    return found.slice(0, MOST);
  }

  run(action: Action): void {
    this.open = null;
    action.run();
  }

  /** Does what these keys are for, if they are for something. */
  onkeydown(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.isComposing || document.querySelector('dialog[open]'))
      return;
    const writing = isWriting(event);
    const fits = (chord: Chord) =>
      // Without Ctrl or ⌘ keys belong to the text; so do those with ⌥ on a Mac.
      (!writing || chord.mod || (chord.alt && !isMac())) && isPressed(chord, event);
    const action = this.withKeys().find(({ keys }) => keys?.some((key) => fits(parseChord(key))));
    if (!action) return;
    event.preventDefault();
    action.run();
  }
}

function scored(search: string, action: Action): (Found & { score: number }) | null {
  const label = fuzzy(search, action.label);
  // Other words and the group find it too, but less surely.
  const other = label
    ? null
    : fuzzy(search, `${t(`actions.group.${action.group}`)} ${action.label} ${action.words ?? ''}`);
  if (!label && !other) return null;
  const score = label ? label.score : (other?.score ?? 0) - 20;
  return { action, at: label?.at ?? [], score };
}
