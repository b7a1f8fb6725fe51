import { describe, expect, it } from 'vitest';
import { LIBRARY } from '../../../demo/data';
import { COMPARISON } from '../../../demo/models';
import { fakeBackend } from '../../backend/fake';
import type { CompareEvent, CompareRequest, ErrorInfo } from '../../backend/types';
import { CompareController } from './compare.svelte';
import { formatMeasurement, rowsOf } from './words';

const REFUSED: ErrorInfo = { code: 'model_too_large', message: 'No room.', nextStep: 'Close.' };

function ready(overrides = {}) {
  const compare = new CompareController(fakeBackend(overrides));
  compare.a = 'big';
  compare.b = 'small';
  return compare;
}

describe('a comparison', () => {
  it('needs two different models, and the text if it is the user’s', () => {
    const compare = ready();
    expect(compare.ready).toBe(true);
    compare.kind = 'given';
    expect(compare.obstacle).toContain('text');
    compare.given = 'Words.';
    compare.b = 'big';
    expect(compare.obstacle).toContain('different');
  });

  it('suggests two files of one model, the larger first', () => {
    const compare = new CompareController(fakeBackend());
    const [one] = LIBRARY;
    const larger = { ...one!, id: 'larger', sizeBytes: one!.sizeBytes * 2 };
    compare.suggest([...LIBRARY, larger]);
    expect([compare.a, compare.b]).toEqual(['larger', one!.id]);
    compare.suggest(LIBRARY);
    expect(compare.a, 'a choice was overwritten').toBe('larger');
  });

  it('shows progress and then the card', async () => {
    let emit: (event: CompareEvent) => void = () => {};
    let asked: CompareRequest | null = null;
    const compare = ready({
      compareModels: (request: CompareRequest, onEvent: typeof emit) => {
        asked = request;
        emit = onEvent;
        return Promise.resolve();
      },
    });
    await compare.start();
    expect(asked).toEqual({ a: 'big', b: 'small', text: { kind: 'built_in' }, seconds: null });
    emit({ type: 'progress', progress: { model: 'big', stage: 'speed', done: 0.2 } });
    expect(compare.progress?.stage).toBe('speed');
    emit({ type: 'done', comparison: COMPARISON });
    expect(compare.running).toBe(false);
    expect(compare.result).toEqual(COMPARISON);
  });

  it('that is stopped hears nothing more, and one that fails says why', async () => {
    const emits: ((event: CompareEvent) => void)[] = [];
    const compare = ready({
      compareModels: (_request: CompareRequest, onEvent: (event: CompareEvent) => void) => {
        emits.push(onEvent);
        return Promise.resolve();
      },
    });
    await compare.start();
    await compare.stop();
    await compare.start();
    emits[0]!({ type: 'failed', error: REFUSED });
    expect(compare.running).toBe(true);
    expect(compare.error).toBeNull();
    emits[1]!({ type: 'failed', error: REFUSED });
    expect(compare.running).toBe(false);
    expect(compare.error).toEqual(REFUSED);
  });
});

it('figures are told with their errors', () => {
  expect(formatMeasurement({ value: 9.214, error: 0.184 }, 2)).toBe('9.21 ± 0.18');
  expect(formatMeasurement({ value: 9.214, error: 0 }, 1)).toBe('9.2');
  expect(rowsOf(COMPARISON).map(({ row }) => row)).toContain('perplexity');
});
