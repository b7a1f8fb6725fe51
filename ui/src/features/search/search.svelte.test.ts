import { describe, expect, it, vi } from 'vitest';
import { LIBRARY, MODEL } from '../../../demo/data';
import { FOUND, REPOSITORY, REPOSITORY_FIT } from '../../../demo/models';
import { fakeBackend } from '../../backend/fake';
import type { ErrorInfo, FoundRepository, SearchPage, SearchQuery } from '../../backend/types';
import { readableCard } from './card';
import { installedId, RepositoryController } from './repository.svelte';
import { SearchController } from './search.svelte';
import { formatMany } from './words';

const OFFLINE: ErrorInfo = { code: 'hub_unreachable', message: 'Away.', nextStep: 'Wait.' };

function page(repositories: FoundRepository[], next: string | null): SearchPage {
  return { repositories, next, lookedAt: 30, chosenHere: [] };
}

describe('a search', () => {
  it('asks for what was chosen and leaves out what was not', async () => {
    const searchModels = vi.fn<(query: SearchQuery) => Promise<SearchPage>>(() =>
      Promise.resolve(page([], null)),
    );
    const search = new SearchController(fakeBackend({ searchModels }));
    Object.assign(search.filters, { text: ' qwen ', size: 'small', sort: 'likes' });
    search.toggle('vision');
    expect(searchModels, 'nothing was searched for yet').not.toHaveBeenCalled();
    await search.search();
    expect(searchModels).toHaveBeenCalledWith({
      text: 'qwen',
      author: null,
      family: null,
      minParameters: 2e9,
      maxParameters: 5e9,
      quant: null,
      capabilities: ['vision'],
      sort: 'likes',
      limit: null,
      next: null,
    });
  });

  it('goes on where the page ended, and shows nothing twice', async () => {
    const pages = [page(FOUND.slice(0, 2), 'p2'), page(FOUND.slice(1), null)];
    const search = new SearchController(
      fakeBackend({ searchModels: ({ next }) => Promise.resolve(pages[next === 'p2' ? 1 : 0]!) }),
    );
    await search.search();
    expect(search.next).toBe('p2');
    await search.more();
    expect(search.found.map(({ repo }) => repo)).toEqual(FOUND.map(({ repo }) => repo));
    expect(search.next).toBeNull();
    expect(search.lookedAt).toBe(60);
  });

  it('ignores the answer to an earlier one', async () => {
    const answers: ((page: SearchPage) => void)[] = [];
    const search = new SearchController(
      fakeBackend({ searchModels: () => new Promise((resolve) => answers.push(resolve)) }),
    );
    const [early, late] = [search.search(), search.search()];
    answers[1]!(page(FOUND.slice(1, 2), null));
    await late;
    answers[0]!(page(FOUND.slice(0, 1), null));
    await early;
    expect(search.found).toEqual(FOUND.slice(1, 2));
    expect(search.busy).toBe(false);
  });

  it('that fails says why and keeps what was found', async () => {
    let broken = false;
    const search = new SearchController(
      fakeBackend({
        searchModels: () =>
          broken ? Promise.reject(OFFLINE) : Promise.resolve(page(FOUND.slice(0, 1), 'p2')),
      }),
    );
    await search.search();
    broken = true;
    await search.more();
    expect(search.error).toEqual(OFFLINE);
    expect(search.found).toHaveLength(1);
    search.clear();
    expect(search.searched).toBe(false);
    expect(search.error).toBeNull();
  });
});

describe('a repository', () => {
  it('shows its files before it is known whether they fit', async () => {
    let answer: () => void = () => {};
    const repository = new RepositoryController(
      fakeBackend({
        repository: () => Promise.resolve(REPOSITORY),
        repositoryFit: () => new Promise((resolve) => (answer = () => resolve(REPOSITORY_FIT))),
      }),
    );
    const opened = repository.open(REPOSITORY.about.repo);
    await vi.waitFor(() => expect(repository.repository).toEqual(REPOSITORY));
    expect(repository.fit).toBeNull();
    answer();
    await opened;
    expect(repository.fitOf(REPOSITORY_FIT.files[3]!.file)?.fit?.verdict).toBe('too_large');
  });

  it('whose headers cannot be read keeps its files, and that is tried again alone', async () => {
    let broken = true;
    const ask = vi.fn(() => Promise.resolve(REPOSITORY));
    const repository = new RepositoryController(
      fakeBackend({
        repository: ask,
        repositoryFit: () => (broken ? Promise.reject(OFFLINE) : Promise.resolve(REPOSITORY_FIT)),
      }),
    );
    await repository.open(REPOSITORY.about.repo);
    expect(repository.error).toBeNull();
    expect(repository.fitError).toEqual(OFFLINE);
    broken = false;
    await repository.retry();
    expect(repository.fit).toEqual(REPOSITORY_FIT);
    expect(ask).toHaveBeenCalledOnce();
  });

  it('knows which of its files are here', () => {
    const repo = LIBRARY[0]!.repo!;
    expect(installedId(LIBRARY, repo, 'sub/SmolLM2-135M-Instruct.Q4_1.gguf')).toBe(MODEL);
    expect(installedId(LIBRARY, repo, 'SmolLM2-135M-Instruct.Q8_0.gguf')).toBeNull();
    expect(installedId(LIBRARY, 'another/one', 'SmolLM2-135M-Instruct.Q4_1.gguf')).toBeNull();
  });
});

describe('a card', () => {
  it('is read without its HTML, and below the window’s own headings', () => {
    const card =
      '# Title\n<!-- hidden -->\n<p align="center"><img src="x.png"> <b>Words</b></p>\n## Part\n1 < 2 > 0';
    expect(readableCard(card)).toBe('### Title\n\n Words\n\n#### Part\n1 < 2 > 0');
  });

  it('leaves no level of headings out', () => {
    expect(readableCard('### A\n###### B\n# C')).toBe('### A\n#### B\n### C');
  });

  it('keeps code as it is', () => {
    const card = '```html\n# no heading\n<b>x</b>\n```';
    expect(readableCard(card)).toBe(card);
  });
});

it('many are told in a few signs', () => {
  expect([17, 1240, 128_400, 1_240_000].map(formatMany)).toEqual(['17', '1.2k', '128k', '1.2M']);
});
