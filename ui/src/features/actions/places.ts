/** Actions that go somewhere. */
import type { LanternApp, ModelsTab } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';

const TABS: [ModelsTab, string, string?][] = [
  ['library', 'Models on this computer', 'Mod+2'],
  ['find', 'Find models', 'Mod+3'],
  ['downloads', 'Downloads', 'Mod+J'],
  ['disk', 'Disk use of models'],
  ['compare', 'Compare two models'],
];

export function placeActions(app: LanternApp, ui: WindowUi): Action[] {
  if (app.solo) return [];
  return [
    {
      id: 'go-chat',
      group: 'Go to',
      label: 'Chat',
      keys: ['Mod+1'],
      run: () => (app.view = 'chat'),
    },
    ...TABS.map(([tab, label, key]): Action => ({
      id: `go-${tab}`,
      group: 'Go to',
      label,
      ...(key === undefined ? {} : { keys: [key] }),
      run: () => app.showModels(tab),
    })),
    {
      id: 'go-settings',
      group: 'Go to',
      label: 'Settings',
      keys: ['Mod+,'],
      words: 'preferences options',
      run: () => (app.view = 'settings'),
    },
    {
      id: 'search',
      group: 'Conversations',
      label: 'Search conversations',
      keys: ['Mod+Shift+F'],
      run: () => ui.focusSearch(),
    },
    {
      id: 'older',
      group: 'Conversations',
      label: 'Conversation below in the list',
      keys: ['Alt+ArrowDown'],
      run: () => neighbour(app, 1),
    },
    {
      id: 'newer',
      group: 'Conversations',
      label: 'Conversation above in the list',
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
