/** The figures of a comparison, in words. */
import type { ComparedModel, Comparison, Measurement } from '../../backend/types';
import { formatBytes, formatDecimal, formatSeconds, formatSpeed } from '../../shared/format';

/** With its error; a change (`signed`) with its sign. */
export function formatMeasurement(
  { value, error }: Measurement,
  digits: number,
  signed = false,
): string {
  const shown = `${signed && value > 0 ? '+' : ''}${formatDecimal(value, digits)}`;
  return error > 0 ? `${shown} ± ${formatDecimal(error, digits)}` : shown;
}

export interface Row {
  /** What it is of, in `compare.rows`. */
  row: 'type' | 'file' | 'memory' | 'loading' | 'reading' | 'writing' | 'perplexity';
  a: string;
  b: string;
}

/** What was measured of each of the two. */
export function rowsOf({ a, b }: Comparison): Row[] {
  const row = (name: Row['row'], of: (model: ComparedModel) => string): Row => ({
    row: name,
    a: of(a),
    b: of(b),
  });
  return [
    row('type', (model) => model.quantisation),
    row('file', (model) => formatBytes(model.fileBytes)),
    row('memory', (model) => formatBytes(model.memoryBytes)),
    row('loading', (model) => formatSeconds(model.loadSeconds)),
    row('reading', (model) => formatSpeed(model.readingTokensPerSecond)),
    row('writing', (model) => formatSpeed(model.writingTokensPerSecond)),
    row('perplexity', (model) => formatMeasurement(model.perplexity, 2)),
  ];
}
