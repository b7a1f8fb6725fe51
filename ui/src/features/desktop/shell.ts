/** What the tray, a link or another start of Lantern asks of the main window. A link only proposes: nothing is done. */
import type { ShellEvent } from '../../backend/types';
import type { LanternApp } from '../../lantern.svelte';

export function takeShellEvent(app: LanternApp, event: ShellEvent): void {
  switch (event.type) {
    case 'new_chat':
      app.newChat();
      break;
    case 'open_conversation':
      void app.openConversation(event.id);
      break;
    case 'show_downloads':
      app.showModels('downloads');
      break;
    case 'propose_model':
      app.repository.close();
      app.search.propose(event.repo, event.file);
      app.showModels('find');
      break;
    case 'propose_chat':
      app.view = 'chat';
      app.chat.propose(event.text);
      break;
    case 'notice':
      app.notify(event.notice);
      break;
  }
}
