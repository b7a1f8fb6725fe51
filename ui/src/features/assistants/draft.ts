/** An assistant between what is kept and what stands in the fields of its form. */
import type { AssistantSetup, ChosenTool, SamplingDefaults, ToolInfo } from '../../backend/types';

export type SamplingField = keyof SamplingDefaults;

/** Fields for how tokens are chosen, and the steps in which they move. */
export const SAMPLING: [SamplingField, number][] = [
  ['temperature', 0.05],
  ['topK', 1],
  ['topP', 0.01],
  ['minP', 0.01],
  ['repeatPenalty', 0.01],
  ['presencePenalty', 0.05],
  ['frequencyPenalty', 0.05],
  ['seed', 1],
  ['maxTokens', 1],
];

export const COLOURS = ['amber', 'red', 'pink', 'violet', 'blue', 'green', 'grey'] as const;

export interface Draft {
  name: string;
  mark: string;
  colour: AssistantSetup['colour'];
  description: string;
  /** Whether its system prompt takes the place of the others; an empty one says nothing. */
  ownPrompt: boolean;
  systemPrompt: string;
  /** Empty for whichever is chosen. */
  model: string;
  sampling: Record<SamplingField, number | null>;
  /** Whether it has tools of its own choice. */
  ownTools: boolean;
  tools: ChosenTool[];
  required: boolean;
  unasked: ChosenTool[];
  folders: string[];
  /** One in each paragraph. */
  starters: string;
}

export function draftOf(setup: AssistantSetup): Draft {
  const { name, mark, colour, description, unasked, folders } = setup;
  return {
    ...{ name, mark, colour, description, unasked, folders },
    ownPrompt: setup.systemPrompt !== null,
    systemPrompt: setup.systemPrompt ?? '',
    model: setup.model ?? '',
    sampling: Object.fromEntries(
      SAMPLING.map(([field]) => [field, setup.sampling[field] ?? null]),
    ) as Draft['sampling'],
    ownTools: setup.tools !== null,
    tools: setup.tools?.tools ?? [],
    required: setup.tools?.required ?? false,
    starters: setup.starters.join('\n\n'),
  };
}

export function setupOf(draft: Draft): AssistantSetup {
  const { name, mark, colour, description, unasked, folders } = draft;
  const sampling: SamplingDefaults = {};
  for (const [field] of SAMPLING) {
    const value = draft.sampling[field];
    if (value !== null) sampling[field] = value;
  }
  return {
    ...{ name, mark, colour, description, folders, sampling },
    systemPrompt: draft.ownPrompt ? draft.systemPrompt : null,
    model: draft.model === '' ? null : draft.model,
    tools: draft.ownTools ? { tools: draft.tools, required: draft.required } : null,
    unasked: draft.ownTools ? unasked : [],
    starters: draft.starters
      .split(/\n\s*\n/)
      .map((text) => text.trim())
      .filter((text) => text !== ''),
  };
}

export function isSame(tool: ChosenTool, server: string, name: string): boolean {
  return tool.server === server && tool.tool === name;
}

/** The list with a tool in it as it is now, or without it. */
export function withTool(
  list: readonly ChosenTool[],
  server: string,
  { name, hash }: ToolInfo,
  on: boolean,
): ChosenTool[] {
  const others = list.filter((tool) => !isSame(tool, server, name));
  return on ? [...others, { server, tool: name, hash }] : others;
}
