/** What the application tells the window of, and which controller looks at what because of it. */
import type { AppEvent } from './backend/types';
import type { LanternApp } from './lantern.svelte';

export function takeEvent(app: LanternApp, event: AppEvent): void {
  switch (event.type) {
    case 'conversations_changed':
      app.conversations.refreshSoon();
      break;
    case 'library_changed':
      void app.models.refresh();
      break;
    case 'model_check':
      app.details.moved(event.model, event.doneBytes, event.totalBytes);
      break;
    case 'download':
      app.downloads.progress(event.progress);
      break;
    case 'model_changed':
      app.models.state = event.model;
      break;
    case 'endpoint_changed':
      if (app.status) app.status = { ...app.status, endpoint: event.endpoint };
      break;
    case 'settings_changed':
      app.settings.replaced(event.settings);
      break;
    case 'remotes_changed':
      void app.remotes.refresh();
      break;
    case 'tool_servers_changed':
      app.tools.changed();
      break;
    case 'api_keys_changed':
    case 'api_requests_changed':
      if (app.access.isShown) void app.access.refresh();
      break;
    case 'knowledge_changed':
      void app.knowledge.refresh();
      break;
    case 'assistants_changed':
      void app.assistants.refresh();
      break;
    case 'prompts_changed':
      void app.prompts.refresh();
      break;
    case 'notice':
      app.notify(event.notice);
      break;
  }
}
