import { describe, expect, it } from 'vitest';
import { MODEL } from '../../../demo/data';
import { DETAILS } from '../../../demo/models';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo, ModelDefaults, ModelDetails, ModelNotes } from '../../backend/types';
import { defaultsOf, draftOf } from './defaults';
import { DetailsController } from './details.svelte';

const REFUSED: ErrorInfo = { code: 'invalid_settings', message: 'Too hot.', nextStep: 'Cool.' };

async function opened(overrides = {}) {
  const details = new DetailsController(
    fakeBackend({ modelDetails: () => Promise.resolve(DETAILS), ...overrides }),
  );
  await details.open(MODEL);
  return details;
}

describe('a model’s page', () => {
  it('keeps changes that come at once, each on top of the one before', async () => {
    const kept: ModelNotes[] = [];
    const details = await opened({
      setModelNotes: (_id: string, notes: ModelNotes) => {
        kept.push(notes);
        return Promise.resolve(notes);
      },
    });
    await Promise.all([details.setNote('New.'), details.setFavourite(false)]);
    expect(kept.at(-1)).toMatchObject({ note: 'New.', favourite: false });
    expect(details.details?.notes).toEqual(kept.at(-1));
  });

  it('says what was not kept, and shows what is', async () => {
    const details = await opened({ setModelNotes: () => Promise.reject(REFUSED) });
    expect(await details.setDefaults({ sampling: { temperature: 9 } })).toBe(false);
    expect(details.keepError).toEqual(REFUSED);
    expect(details.details?.notes).toEqual(DETAILS.notes);
  });

  it('shows the model that was opened last', async () => {
    const answers: ((details: ModelDetails) => void)[] = [];
    const details = new DetailsController(
      fakeBackend({ modelDetails: () => new Promise((resolve) => answers.push(resolve)) }),
    );
    const [early, late] = [details.open('a'), details.open('b')];
    answers[1]!({ ...DETAILS, problems: [REFUSED] });
    answers[0]!(DETAILS);
    await Promise.all([early, late]);
    expect(details.details?.problems).toEqual([REFUSED]);
  });

  it('tells how far the check of its bytes is, and what came of it', async () => {
    let answer: () => void = () => {};
    const details = await opened({
      verifyModel: () => new Promise((resolve) => (answer = () => resolve([]))),
    });
    const checked = details.verify();
    details.moved('another', 1, 2);
    expect(details.checked).toBeNull();
    details.moved(MODEL, 1, 4);
    expect(details.checked).toBe(0.25);
    answer();
    await checked;
    expect(details.checks).toEqual({ busy: false, value: [], error: null });
  });

  it('asks the Hub only about its own model', async () => {
    const asked: (string[] | null)[] = [];
    const details = await opened({
      checkUpdates: (ids: string[] | null) => {
        asked.push(ids);
        return Promise.reject(REFUSED);
      },
    });
    await details.lookForUpdates();
    expect(asked).toEqual([[MODEL]]);
    expect(details.updates.error).toEqual(REFUSED);
  });
});

describe('defaults', () => {
  it('come back from the form as they went into it', () => {
    const defaults: ModelDefaults = {
      sampling: { temperature: 0.1, seed: 7 },
      contextLength: 4096,
      systemPrompt: '',
      kvType: 'q8_0',
      expertMemory: 5,
    };
    expect(defaultsOf(draftOf(defaults), defaults)).toEqual(defaults);
  });

  it('that are empty leave everything to the settings', () => {
    const nothing = { sampling: {} };
    // The store writes what is absent as null.
    const stored = { sampling: { temperature: null }, systemPrompt: null, template: null };
    expect(defaultsOf(draftOf(stored as unknown as ModelDefaults), nothing)).toEqual(nothing);
  });
});
