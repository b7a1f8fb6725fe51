/** What a comparison does, and its figures, in words. */
import type { ComparedModel, Comparison, CompareStage, Measurement } from '../../backend/types';
import { formatBytes, formatSeconds } from '../../shared/format';

export const STAGES: Record<CompareStage, string> = {
  loading: 'coming into memory…',
  speed: 'measuring its speed…',
  reading: 'reading the text…',
};

export function formatMeasurement({ value, error }: Measurement, digits: number): string {
  const shown = value.toFixed(digits);
  return error > 0 ? `${shown} ± ${error.toFixed(digits)}` : shown;
}

export interface Row {
  name: string;
  help: string;
  a: string;
  b: string;
}

/** What was measured of each of the two. */
export function rowsOf({ a, b }: Comparison): Row[] {
  const row = (name: string, help: string, of: (model: ComparedModel) => string) => ({
    name,
    help,
    a: of(a),
    b: of(b),
  });
  return [
    row('Type', 'Of most weights', (model) => model.quantisation),
    row('File', 'On the disk', (model) => formatBytes(model.fileBytes)),
    row('Memory', 'With a full conversation of 8192 tokens', (model) =>
      formatBytes(model.memoryBytes),
    ),
    row('Loading', 'From nothing to the first question', (model) =>
      formatSeconds(model.loadSeconds),
    ),
    row('Reading', 'Tokens a second', (model) => model.readingTokensPerSecond.toFixed(0)),
    row('Writing', 'Tokens a second', (model) => model.writingTokensPerSecond.toFixed(1)),
    row('Perplexity', 'The lower, the better it foresees the text', (model) =>
      formatMeasurement(model.perplexity, 2),
    ),
  ];
}
