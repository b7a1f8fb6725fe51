/** Actions about assistants and prompts. */
import type { LanternApp } from '../../lantern.svelte';
import { t } from '../../shared/i18n';
import type { Action, WindowUi } from './actions';

export function assistantActions(app: LanternApp, ui: WindowUi): Action[] {
  const choose: Action = {
    id: 'pick-assistant',
    group: 'chat',
    label: t('assistants.action.choose'),
    keys: ['Mod+Shift+A'],
    run: () => ui.pickAssistant(),
  };
  const chosen = app.assistants.all.length > 0 || app.answering.assistant !== null ? [choose] : [];
  if (app.solo) return chosen;
  return [
    ...chosen,
    {
      id: 'go-assistants',
      group: 'goTo',
      label: t('assistants.action.go'),
      keys: ['Mod+4'],
      run: () => app.showAssistants('assistants'),
    },
    {
      id: 'go-prompts',
      group: 'goTo',
      label: t('assistants.action.prompts'),
      words: t('assistants.words.prompts'),
      run: () => app.showAssistants('prompts'),
    },
    {
      id: 'new-assistant',
      group: 'chat',
      label: t('assistants.action.new'),
      words: t('assistants.words.new'),
      run: () => {
        app.showAssistants('assistants');
        app.assistants.edit(null);
      },
    },
    {
      id: 'new-prompt',
      group: 'chat',
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
    group: 'chat',
    label: t('assistants.action.chat', { name: setup.name }),
    words: t('assistants.words.chat'),
    run: () => app.chatWith(id),
  }));
}
