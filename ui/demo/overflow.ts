/** A conversation that has outgrown its context (`?demo=outgrown`; `?demo=refused`: it stops then). */
import type { ConversationContext, Message, Overflow, Summary } from '../src/backend/types';
import { LONG_ANSWER, MESSAGES } from './data';

const WORDS: [string, string][] = [
  ['How far is a first-order light seen?', 'About 20 nautical miles in clear air.'],
  ['And a sixth-order one?', 'Five or six: it is made for piers.'],
  ['Who keeps the lamp at Cordouan?', 'Two keepers, who take turns every two weeks.'],
  ['What do they eat?', 'What the tide lets them fetch, and what was brought at the last change.'],
  ['Explain the lens once more, please.', LONG_ANSWER.slice(0, 330)],
];

export const OUTGROWN: Message[] = WORDS.flatMap(([question, answer], turn): Message[] => {
  const stats = { ...MESSAGES[2]!.stats!, promptTokens: 6900, cachedTokens: 6100 };
  const seen = turn === 4 ? { summarisedMessages: 2 } : turn === 3 ? { droppedMessages: 2 } : {};
  const last = turn === WORDS.length - 1 ? 'm6' : `oa${turn}`;
  return [
    {
      ...MESSAGES[0]!,
      id: `oq${turn}`,
      parentId: turn === 0 ? null : `oa${turn - 1}`,
      content: question,
    },
    {
      ...MESSAGES[2]!,
      id: last,
      parentId: `oq${turn}`,
      content: answer,
      stats: { ...stats, ...seen },
    },
  ];
});

let summary: Summary | null = {
  messageId: 'oa0',
  text: 'Ada wants to know how far lights of the first order are seen: about 20 nautical miles in clear air. She plans a visit to Cordouan in May.',
  edited: true,
};
let own: Overflow | null = 'summarise';

export function summaries(scene: string): Summary[] {
  return scene === 'outgrown' && summary ? [summary] : [];
}

export function messagesOf(scene: string): Message[] | null {
  return scene === 'outgrown' ? OUTGROWN : null;
}

function context(scene: string): ConversationContext {
  if (scene !== 'outgrown') return { overflow: null, sights: [], next: null };
  const summarised = own === 'summarise' ? 'oa1' : null;
  return {
    overflow: own,
    sights: [
      { messageId: 'oa3', summarisedTo: null, summary: null, droppedTo: 'oa0' },
      {
        messageId: 'm6',
        summarisedTo: 'oa0',
        summary: 'The user asked how far a light is seen.',
        droppedTo: null,
      },
    ],
    next: {
      summarisedTo: summarised,
      droppedTo: own === 'drop_oldest' ? 'oa1' : null,
      summaryDue: summarised !== null,
      refused: own === 'error',
      context: 8192,
    },
  };
}

export function commands(
  scene: string,
): Record<string, (args: Record<string, unknown>) => unknown> {
  return {
    conversation_context: () => context(scene),
    set_overflow: (args) => void (own = args.overflow as Overflow | null),
    edit_summary: (args) =>
      (summary = { messageId: String(args.messageId), text: String(args.text), edited: true }),
    rewrite_summary: (args) =>
      (summary = { messageId: String(args.messageId), text: 'Written anew.', edited: false }),
    remove_summary: () => void (summary = null),
  };
}
