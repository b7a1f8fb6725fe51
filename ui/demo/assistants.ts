/** Made-up assistants and prompts for the quick loop (`?demo=assistants`; otherwise there are none). */
import type {
  Assistant,
  AssistantSetup,
  ConversationAssistant,
  SavedPrompt,
} from '../src/backend/types';
import { BLANK } from '../src/backend/assistants';
import * as data from './data';

function assistant(id: string, version: number, setup: Partial<AssistantSetup>): Assistant {
  const times = { createdAt: data.NOW - data.DAY, updatedAt: data.NOW - data.HOUR };
  return { id, version, setup: { ...BLANK, ...setup }, ...times };
}

const CALCULATOR = { server: 'lantern', tool: 'calculator', hash: 'calculator' };

const ALL: Assistant[] = [
  assistant('as1', 3, {
    name: 'Editor',
    mark: '✍️',
    colour: 'violet',
    description: 'Finds the shorter sentence, and says why it is better.',
    systemPrompt: 'You are an editor. Keep the author’s voice. Name each change and its reason.',
    sampling: { temperature: 0.3, maxTokens: 800 },
    starters: [
      'Make this shorter without losing anything.',
      'Which sentence is the weakest, and how would you mend it?',
    ],
  }),
  assistant('as2', 1, {
    name: 'Household accounts',
    mark: '🧾',
    colour: 'green',
    description: 'Adds up, splits and checks receipts with the calculator.',
    systemPrompt: 'Always calculate with the tool.',
    model: data.MODEL,
    tools: { tools: [CALCULATOR], required: true },
    unasked: [CALCULATOR],
  }),
  assistant('as3', 12, {
    name: 'Marie',
    colour: 'blue',
    description: 'Parle français, doucement, et corrige une chose à la fois.',
  }),
];

function prompt(id: string, name: string, text: string): SavedPrompt {
  return { id, name, text, createdAt: data.NOW, updatedAt: data.NOW };
}

const PROMPTS: SavedPrompt[] = [
  prompt('p1', 'Minutes', 'Write minutes of the meeting on {{date}} from these notes:\n{{notes}}'),
  prompt('p2', 'Reply politely', 'Write a reply that is {{tone|polite and short}}:\n{{clipboard}}'),
  prompt('p3', 'Translate', 'Translate into {{language|German}}:\n\n{{text}}'),
];

export function commands(scene: string | null): Record<string, (args: never) => unknown> {
  const some = scene === 'assistants';
  const of: ConversationAssistant = {
    assistant: ALL[0]!,
    isHere: true,
    answers: [
      { messageId: 'm2', assistantId: 'as1', name: 'Editor', version: 2 },
      { messageId: 'm6', assistantId: 'as1', name: 'Editor', version: 3 },
    ],
  };
  return {
    assistants: () => (some ? ALL : []),
    conversation_assistant: () => (some ? of : null),
    choose_assistant: () => (some ? of : null),
    save_assistant: () => ALL[0],
    prompts: () => (some ? PROMPTS : []),
    save_prompt: () => PROMPTS[0],
  };
}
