/** Actions that change how the window looks, and those that tell what there is. */
import type { DesktopPatch, Theme } from '../../backend/types';
import type { LanternApp } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';
import { t } from '../../shared/i18n';

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
    group: 'view',
    label,
    run,
    ...(keys ? { keys } : {}),
    ...(words ? { words } : {}),
  });
  const actions = [
    view(
      'zoom-in',
      t('actions.zoomIn'),
      () => set({ zoom: zoomed(zoom, 1) }),
      ['Mod++', 'Mod+='],
      t('actions.words.zoomIn'),
    ),
    view(
      'zoom-out',
      t('actions.zoomOut'),
      () => set({ zoom: zoomed(zoom, -1) }),
      ['Mod+-'],
      t('actions.words.zoomOut'),
    ),
    view(
      'zoom-reset',
      t('actions.zoomReset'),
      () => set({ zoom: 100 }),
      ['Mod+0'],
      t('actions.words.zoomReset'),
    ),
    view('theme-system', t('actions.theme.system'), () => theme('system')),
    view('theme-light', t('actions.theme.light'), () => theme('light')),
    view('theme-dark', t('actions.theme.dark'), () => theme('dark')),
    view(
      'density',
      dense ? t('actions.comfortable') : t('actions.compact'),
      () => set({ density: dense ? 'comfortable' : 'compact' }),
      undefined,
      t('actions.words.density'),
    ),
    view(
      'motion',
      calm ? t('actions.moving') : t('actions.still'),
      () => set({ reduceMotion: !calm }),
      undefined,
      t('actions.words.motion'),
    ),
    {
      id: 'palette',
      group: 'help',
      label: t('actions.palette'),
      keys: ['Mod+K'],
      words: t('actions.words.palette'),
      run: () => ui.showPalette(),
    },
    {
      id: 'shortcuts',
      group: 'help',
      label: t('actions.shortcuts'),
      keys: ['Mod+/', '?'],
      run: () => ui.showShortcuts(),
    },
  ] satisfies Action[];
  if (app.solo) return actions;
  return [view('sidebar', t('actions.sidebar'), () => ui.toggleSidebar(), ['Mod+B']), ...actions];
}
