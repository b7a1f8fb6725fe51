/** How a model is to be used, between what is kept and what stands in the fields of its form. */
import type { ModelDefaults, SamplingDefaults, Settings } from '../../backend/types';
import { t } from '../../shared/i18n';

export type SamplingField = keyof SamplingDefaults;
export type NumberField = 'contextLength' | 'gpuLayers' | 'cpuExpertLayers';

/** What stands in the fields; empty fields are as the settings say. */
export interface DefaultsDraft {
  sampling: Record<SamplingField, number | null>;
  contextLength: number | null;
  gpuLayers: number | null;
  cpuExpertLayers: number | null;
  kvType: string;
  systemPrompt: string;
  /** An empty prompt says nothing in place of the settings’ one; without this, it leaves it to them. */
  ownPrompt: boolean;
  template: string;
}

/** The fields of a form; the settings name them. */
export const SAMPLING: { field: SamplingField; step: number }[] = [
  { field: 'temperature', step: 0.05 },
  { field: 'topK', step: 1 },
  { field: 'topP', step: 0.01 },
  { field: 'minP', step: 0.01 },
  { field: 'repeatPenalty', step: 0.01 },
  { field: 'presencePenalty', step: 0.05 },
  { field: 'frequencyPenalty', step: 0.05 },
  { field: 'seed', step: 1 },
  { field: 'maxTokens', step: 1 },
];

/** Absent and `null` are the same to whoever wrote it. */
function known(value: number | null | undefined): number | null {
  return value ?? null;
}

export function draftOf(defaults: ModelDefaults): DefaultsDraft {
  const sampling = Object.fromEntries(
    SAMPLING.map(({ field }) => [field, known(defaults.sampling[field])]),
  ) as DefaultsDraft['sampling'];
  return {
    sampling,
    contextLength: known(defaults.contextLength),
    gpuLayers: known(defaults.gpuLayers),
    cpuExpertLayers: known(defaults.cpuExpertLayers),
    kvType: defaults.kvType ?? '',
    systemPrompt: defaults.systemPrompt ?? '',
    ownPrompt: (defaults.systemPrompt ?? null) !== null,
    template: defaults.template ?? '',
  };
}

/** What is kept of the fields; `before` has what they do not show. */
export function defaultsOf(draft: DefaultsDraft, before: ModelDefaults): ModelDefaults {
  const sampling: SamplingDefaults = {};
  for (const { field } of SAMPLING) {
    const value = draft.sampling[field];
    if (value !== null) sampling[field] = value;
  }
  const defaults: ModelDefaults = { sampling };
  if (draft.contextLength !== null) defaults.contextLength = draft.contextLength;
  if (draft.gpuLayers !== null) defaults.gpuLayers = draft.gpuLayers;
  if (draft.cpuExpertLayers !== null) defaults.cpuExpertLayers = draft.cpuExpertLayers;
  if (draft.kvType !== '') defaults.kvType = draft.kvType;
  if (draft.ownPrompt) defaults.systemPrompt = draft.systemPrompt;
  if (draft.template.trim() !== '') defaults.template = draft.template;
  if (known(before.expertMemory) !== null) defaults.expertMemory = before.expertMemory;
  return defaults;
}

/** What the settings say where a field is empty. */
export function settingOf(settings: Settings | null, field: SamplingField): string {
  const value = settings?.sampling[field];
  return value === null || value === undefined ? t('models.defaults.asSet') : `${value}`;
}
