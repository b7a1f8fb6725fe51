/** Actions about the open conversation. */
import type { LanternApp } from '../../lantern.svelte';
import type { Action, WindowUi } from './actions';

export function chatActions(app: LanternApp, ui: WindowUi): Action[] {
  const { session } = app.chat;
  const { conversation } = session;
  const last = session.branch.findLast(({ message }) => message.role === 'assistant')?.message;
  const here = app.view === 'chat' && conversation !== null;
  const answered = here && last !== undefined && !session.busy;
  const actions: Action[] = [
    {
      id: 'write',
      group: 'Chat',
      label: 'Write a message',
      keys: ['Mod+L'],
      words: 'composer focus field',
      run: () => ui.focusComposer(),
    },
    {
      id: 'pick-model',
      group: 'Chat',
      label: 'Choose the model that answers',
      keys: ['Mod+Shift+M'],
      run: () => ui.pickModel(),
    },
  ];
  if (!app.solo) {
    actions.unshift({
      id: 'new-chat',
      group: 'Chat',
      label: 'New chat',
      keys: ['Mod+N'],
      run: () => app.newChat(),
    });
  }
  if (session.busy || session.foreignStreamId !== null) {
    actions.push({
      id: 'stop',
      group: 'Chat',
      label: 'Stop the answer',
      keys: ['Mod+.'],
      run: () => void session.stop(),
    });
  }
  if (answered) {
    const id = last.id;
    actions.push({
      id: 'regenerate',
      group: 'Chat',
      label: 'Answer again',
      keys: ['Mod+Shift+R'],
      words: 'regenerate retry',
      run: () => session.regenerate(id),
    });
    const branches = session.branch.findLast(({ alternatives }) => alternatives.length > 1);
    if (branches) actions.push(...branchActions(app, branches.message.id, branches.alternatives));
  }
  if (here && !app.solo) {
    const id = conversation.id;
    actions.push({
      id: 'own-window',
      group: 'Chat',
      label: 'Open this conversation in a window of its own',
      keys: ['Mod+Shift+O'],
      run: () => void app.attempt(() => app.backend.openChatWindow(id)),
    });
  }
  if (here && app.solo) {
    const id = conversation.id;
    actions.push({
      id: 'in-main',
      group: 'Chat',
      label: 'Show this conversation in the main window',
      keys: ['Mod+Shift+O'],
      run: () => void app.attempt(() => app.backend.showInMain(id)),
    });
  }
  actions.push({
    id: 'quick',
    group: 'Chat',
    label: 'Ask something in the quick window',
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
  return [
    {
      id: 'branch-previous',
      group: 'Chat',
      label: 'Previous branch',
      keys: ['Alt+ArrowLeft'],
      words: 'version answer',
      run: () => step(-1),
    },
    {
      id: 'branch-next',
      group: 'Chat',
      label: 'Next branch',
      keys: ['Alt+ArrowRight'],
      words: 'version answer',
      run: () => step(1),
    },
  ];
}
