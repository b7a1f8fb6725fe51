/** Actions that come and go: one for each model, conversation and setting. */
import type { LanternApp } from '../../lantern.svelte';
import { SETTINGS } from '../settings/registry';
import type { Action } from './actions';
import { t } from '../../shared/i18n';

export function modelActions(app: LanternApp): Action[] {
  if (app.solo) return useActions(app);
  return [
    ...useActions(app),
    ...memoryActions(app),
    ...conversationActions(app),
    ...settingActions(app),
  ];
}

function useActions(app: LanternApp): Action[] {
  const ids = [...app.models.usable.map(({ id }) => id), ...app.remotes.modelIds];
  return ids
    .filter((id) => id !== app.answering.model)
    .map((id) => ({
      id: `use-${id}`,
      group: 'models',
      label: t('chat.answer.with', { model: id }),
      words: t('actions.words.use'),
      run: () => app.answering.pickModel(id),
    }));
}

function memoryActions(app: LanternApp): Action[] {
  const actions: Action[] = [];
  if (app.models.state.state === 'loaded') {
    actions.push({
      id: 'unload',
      group: 'models',
      label: t('actions.unload'),
      words: t('actions.words.unload'),
      run: () => void app.attempt(() => app.models.unload()),
    });
  }
  if (app.downloads.underWay.length > 0) {
    actions.push({
      id: 'pause-downloads',
      group: 'models',
      label: t('actions.pauseDownloads'),
      run: () => void app.attempt(() => app.downloads.pauseAll()),
    });
  }
  return actions;
}

function conversationActions(app: LanternApp): Action[] {
  return app.conversations.rows
    .filter(({ conversation }) => conversation.id !== app.chat.openId)
    .map(({ conversation: { id, title } }) => ({
      id: `open-${id}`,
      group: 'conversations',
      label: title,
      run: () => void app.openConversation(id),
    }));
}

function settingActions(app: LanternApp): Action[] {
  return SETTINGS.map(({ id, label, section }) => ({
    id: `setting-${id}`,
    group: 'settings',
    label,
    words: `${t(`settings.sections.${section}.title`)} ${t('actions.words.setting')}`,
    run: () => app.showSetting(id),
  }));
}
