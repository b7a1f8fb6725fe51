/** How a server is doing, in words. */
import type { ToolServerState } from '../../backend/types';

export function stateWords(state: ToolServerState): string {
  switch (state.state) {
    case 'off':
      return 'Off';
    case 'starting':
      return 'Starting…';
    case 'ready':
      return 'Ready';
    case 'sign_in':
      return 'Wants you to sign in';
    case 'failed':
      return state.retrying ? 'Ended; it is started again' : 'Does not work';
  }
}
