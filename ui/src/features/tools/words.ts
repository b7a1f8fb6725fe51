/** How a server is doing, in words. */
import type { ToolServerState } from '../../backend/types';
import { t } from '../../shared/i18n';

export function stateWords(state: ToolServerState): string {
  switch (state.state) {
    case 'off':
      return t('tools.state.off');
    case 'starting':
      return t('tools.state.starting');
    case 'ready':
      return t('tools.state.ready');
    case 'sign_in':
      return t('tools.state.signIn');
    case 'failed':
      return state.retrying ? t('tools.state.retrying') : t('tools.state.failed');
  }
}
