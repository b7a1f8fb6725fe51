/** Actions about assistants and prompts. */
import type { LanternApp } from '../../lantern.svelte';
import { t } from '../../shared/i18n';
import type { Action, WindowUi } from './actions';

export function assistantActions(app: LanternApp, ui: WindowUi): Action[] {
  const choose: Action = {
    id: 'pick-assistant',
    group: 'Chat',
    label: t('assistants.action.choose'),
    keys: ['Mod+Shift+A'],
    run: () => ui.pickAssistant(),
  };
  const chosen = app.assistants.all.length > 0 || app.assistant !== null ? [choose] : [];
  if (app.solo) return chosen;
  return [
    ...chosen,
    {
      id: 'go-assistants',
      group: 'Go to',
      label: t('assistants.action.go'),
      keys: ['Mod+4'],
      run: () => app.showAssistants('assistants'),
    },
    {
      id: 'go-prompts',
      group: 'Go to',
      label: t('assistants.action.prompts'),
      words: 'library templates slash variables',
      run: () => app.showAssistants('prompts'),
    },
    {
      id: 'new-assistant',
      group: 'Chat',
      label: t('assistants.action.new'),
      words: 'persona character system prompt',
      run: () => {
        app.showAssistants('assistants');
        app.assistants.edit(null);
      },
    },
    {
      id: 'new-prompt',
      group: 'Chat',
      label: t('assistants.action.newPrompt'),
      run: () => {
        app.showAssistants('prompts');
        app.prompts.edit(null);
      },
    },
  ];
}

/** Actions that come and go: a chat with each assistant. */
export function chatWithActions(app: LanternApp): Action[] {
  if (app.solo) return [];
  return app.assistants.all.map(({ id, setup }) => ({
    id: `chat-with-${id}`,
    group: 'Chat',
    label: t('assistants.action.chat', { name: setup.name }),
    words: 'assistant new',
    run: () => app.chatWith(id),
  }));
}
