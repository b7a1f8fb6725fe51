/** Actions that go somewhere. */
import type { LanternApp, ModelsTab } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';
import { t } from '../../shared/i18n';

const TABS: [ModelsTab, string?][] = [
  ['library', 'Mod+2'],
  ['find', 'Mod+3'],
  ['downloads', 'Mod+J'],
  ['disk'],
  ['compare'],
];

export function placeActions(app: LanternApp, ui: WindowUi): Action[] {
  if (app.solo) return [];
  return [
    {
      id: 'go-chat',
      group: 'goTo',
      label: t('actions.goChat'),
      keys: ['Mod+1'],
      run: () => (app.view = 'chat'),
    },
    ...TABS.map(([tab, key]): Action => ({
      id: `go-${tab}`,
      group: 'goTo',
      label: t(`actions.tab.${tab}`),
      ...(key === undefined ? {} : { keys: [key] }),
      run: () => app.showModels(tab),
    })),
    {
      id: 'go-settings',
      group: 'goTo',
      label: t('actions.goSettings'),
      keys: ['Mod+,'],
      words: t('actions.words.settings'),
      run: () => (app.view = 'settings'),
    },
    {
      id: 'search',
      group: 'conversations',
      label: t('actions.search'),
      keys: ['Mod+Shift+F'],
      run: () => ui.focusSearch(),
    },
    {
      id: 'older',
      group: 'conversations',
      label: t('actions.older'),
      keys: ['Alt+ArrowDown'],
      run: () => neighbour(app, 1),
    },
    {
      id: 'newer',
      group: 'conversations',
      label: t('actions.newer'),
      keys: ['Alt+ArrowUp'],
      run: () => neighbour(app, -1),
    },
  ];
}

/** Opens the conversation that stands this many places further down. */
function neighbour(app: LanternApp, by: number): void {
  const ids = app.conversations.rows.map(({ conversation }) => conversation.id);
  const { openId } = app.chat;
  const at = openId === null ? (by > 0 ? -1 : 0) : ids.indexOf(openId);
  const id = ids[at + by];
  if (id !== undefined) void app.openConversation(id);
}
