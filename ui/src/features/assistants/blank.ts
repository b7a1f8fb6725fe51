import type { AssistantSetup } from '../../backend/types';

/** An assistant that says nothing yet. */
export const BLANK: AssistantSetup = {
  name: '',
  mark: '',
  colour: 'amber',
  description: '',
  systemPrompt: null,
  model: null,
  sampling: {},
  tools: null,
  unasked: [],
  folders: [],
  starters: [],
};
