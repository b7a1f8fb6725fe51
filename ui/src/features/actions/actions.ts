/** What can be done in the window, each thing once. The palette, the shortcuts and their sheet are made from this. */
import type { LanternApp } from '../../lantern.svelte';
import { chatActions } from './chat';
import { modelActions } from './models';
import { placeActions } from './places';
import { viewActions } from './view';

export const GROUPS = [
  'chat',
  'goTo',
  'conversations',
  'models',
  'view',
  'settings',
  'help',
] as const;
export type Group = (typeof GROUPS)[number];

export interface Action {
  id: string;
  group: Group;
  label: string;
  /** Keys that do it anywhere in the window, the first of which is shown. See `chords.ts`. */
  keys?: string[];
  /** More words that it is found by. */
  words?: string;
  run: () => void;
}

/** What the window itself can do for an action. */
export interface WindowUi {
  toggleSidebar(): void;
  focusSearch(): void;
  focusComposer(): void;
  pickModel(): void;
  showPalette(): void;
  showShortcuts(): void;
}

/** The actions that have a place of their own, whatever is in the library or among the conversations. */
export function fixedActions(app: LanternApp, ui: WindowUi): Action[] {
  return [...chatActions(app, ui), ...placeActions(app, ui), ...viewActions(app, ui)];
}

/** All actions as things are now, also those that come and go with models, conversations and settings. */
export function allActions(app: LanternApp, ui: WindowUi): Action[] {
  return [...fixedActions(app, ui), ...modelActions(app)];
}
