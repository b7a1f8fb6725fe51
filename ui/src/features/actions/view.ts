/** Actions that change how the window looks, and those that tell what there is. */
import type { DesktopPatch, Theme } from '../../backend/types';
import type { LanternApp } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';

/** Sizes in percent that zooming goes through. */
export const ZOOMS = [50, 67, 75, 80, 90, 100, 110, 125, 150, 175, 200, 250, 300];

export function zoomed(now: number, by: 1 | -1): number {
  const next = by > 0 ? ZOOMS.find((zoom) => zoom > now) : ZOOMS.findLast((zoom) => zoom < now);
  return next ?? now;
}

export function viewActions(app: LanternApp, ui: WindowUi): Action[] {
  const desktop = app.settings.current?.desktop;
  const set = (patch: DesktopPatch) =>
    void app.attempt(() => app.settings.patch({ desktop: patch }));
  const theme = (value: Theme) => void app.attempt(() => app.settings.patch({ theme: value }));
  const zoom = desktop?.zoom ?? 100;
  const dense = desktop?.density === 'compact';
  const calm = desktop?.reduceMotion === true;
  const view = (
    id: string,
    label: string,
    run: () => void,
    keys?: string[],
    words?: string,
  ): Action => ({
    id,
    group: 'View',
    label,
    run,
    ...(keys ? { keys } : {}),
    ...(words ? { words } : {}),
  });
  const actions = [
    view('zoom-in', 'Larger', () => set({ zoom: zoomed(zoom, 1) }), ['Mod++', 'Mod+='], 'zoom in'),
    view('zoom-out', 'Smaller', () => set({ zoom: zoomed(zoom, -1) }), ['Mod+-'], 'zoom out'),
    view('zoom-reset', 'Usual size', () => set({ zoom: 100 }), ['Mod+0'], 'zoom reset'),
    view('theme-system', 'Theme: as the system', () => theme('system')),
    view('theme-light', 'Theme: light', () => theme('light')),
    view('theme-dark', 'Theme: dark', () => theme('dark')),
    view(
      'density',
      dense ? 'More room between things' : 'Less room between things',
      () => set({ density: dense ? 'comfortable' : 'compact' }),
      undefined,
      'density compact comfortable',
    ),
    view(
      'motion',
      calm ? 'Move things again' : 'Move nothing',
      () => set({ reduceMotion: !calm }),
      undefined,
      'reduce motion animation',
    ),
    {
      id: 'palette',
      group: 'Help',
      label: 'Do anything',
      keys: ['Mod+K'],
      words: 'command palette',
      run: () => ui.showPalette(),
    },
    {
      id: 'shortcuts',
      group: 'Help',
      label: 'Keyboard shortcuts',
      keys: ['Mod+/', '?'],
      run: () => ui.showShortcuts(),
    },
  ] satisfies Action[];
  if (app.solo) return actions;
  return [
    view('sidebar', 'Show or hide the sidebar', () => ui.toggleSidebar(), ['Mod+B']),
    ...actions,
  ];
}
