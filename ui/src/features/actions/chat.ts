/** Actions about the open conversation. */
import type { LanternApp } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';
import { direction, t } from '../../shared/i18n';

export function chatActions(app: LanternApp, ui: WindowUi): Action[] {
  const { session } = app.chat;
  const { conversation } = session;
  const last = session.branch.findLast(({ message }) => message.role === 'assistant')?.message;
  const here = app.view === 'chat' && conversation !== null;
  const answered = here && last !== undefined && !session.busy;
  const actions: Action[] = [
    {
      id: 'write',
      group: 'chat',
      label: t('actions.write'),
      keys: ['Mod+L'],
      words: t('actions.words.write'),
      run: () => ui.focusComposer(),
    },
    {
      id: 'pick-model',
      group: 'chat',
      label: t('actions.pickModel'),
      keys: ['Mod+Shift+M'],
      run: () => ui.pickModel(),
    },
  ];
  if (!app.solo) {
    actions.unshift({
      id: 'new-chat',
      group: 'chat',
      label: t('actions.newChat'),
      keys: ['Mod+N'],
      run: () => app.newChat(),
    });
  }
  if (session.busy || session.foreignStreamId !== null) {
    actions.push({
      id: 'stop',
      group: 'chat',
      label: t('actions.stop'),
      keys: ['Mod+.'],
      run: () => void session.stop(),
    });
  }
  if (answered) {
    const id = last.id;
    actions.push({
      id: 'regenerate',
      group: 'chat',
      label: t('actions.regenerate'),
      keys: ['Mod+Shift+R'],
      words: t('actions.words.regenerate'),
      run: () => session.regenerate(id),
    });
    const branches = session.branch.findLast(({ alternatives }) => alternatives.length > 1);
    if (branches) actions.push(...branchActions(app, branches.message.id, branches.alternatives));
  }
  if (here && !app.solo) {
    const id = conversation.id;
    actions.push({
      id: 'own-window',
      group: 'chat',
      label: t('actions.ownWindow'),
      keys: ['Mod+Shift+O'],
      run: () => void app.attempt(() => app.backend.openChatWindow(id)),
    });
  }
  if (here && app.solo) {
    const id = conversation.id;
    actions.push({
      id: 'in-main',
      group: 'chat',
      label: t('actions.inMain'),
      keys: ['Mod+Shift+O'],
      run: () => void app.attempt(() => app.backend.showInMain(id)),
    });
  }
  actions.push({
    id: 'quick',
    group: 'chat',
    label: t('actions.quick'),
    keys: ['Mod+Shift+N'],
    run: () => void app.attempt(() => app.backend.quickShow()),
  });
  return actions;
}

/** Going to and fro between answers to the same question, or wordings of it. */
function branchActions(app: LanternApp, shown: string, alternatives: string[]): Action[] {
  const { session } = app.chat;
  const step = (by: number) => {
    const other = alternatives[alternatives.indexOf(shown) + by];
    if (other !== undefined) void session.selectBranch(other);
  };
  // What comes before lies where the words begin.
  const [back, on] = direction() === 'rtl' ? ['Right', 'Left'] : ['Left', 'Right'];
  return [
    {
      id: 'branch-previous',
      group: 'chat',
      label: t('actions.branchPrevious'),
      keys: [`Alt+Arrow${back}`],
      words: t('actions.words.branch'),
      run: () => step(-1),
    },
    {
      id: 'branch-next',
      group: 'chat',
      label: t('actions.branchNext'),
      keys: [`Alt+Arrow${on}`],
      words: t('actions.words.branch'),
      run: () => step(1),
    },
  ];
}
