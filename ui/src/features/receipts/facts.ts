/** What a receipt says, in words. */
import type { Receipt, ReceiptBy, ReceiptSampling } from '../../backend/types';
import { formatBytes, formatCount } from '../../shared/format';
import { locale, t } from '../../shared/i18n';

/** Characters of what two answers have in common that are shown. */
const MOST_COMMON = 160;

export interface Fact {
  name: string;
  value: string;
  /** A hash or another string that is read letter by letter. */
  code?: boolean;
}

export interface Group {
  title: string;
  facts: Fact[];
}

/** What two answers begin with alike, of a long beginning only its end, and how each goes on. */
export function apart(then: string, now: string): { common: string; then: string; now: string } {
  let same = 0;
  while (same < then.length && then[same] === now[same]) same += 1;
  // Not through the middle of a character.
  if (/[\uD800-\uDBFF]/.test(then[same - 1] ?? '')) same -= 1;
  const from = Math.max(0, same - MOST_COMMON);
  const common = (from > 0 ? '…' : '') + then.slice(from, same);
  return { common, then: then.slice(same), now: now.slice(same) };
}

export function groupsOf(receipt: Receipt): Group[] {
  const { by } = receipt;
  return [
    { title: t('receipts.groups.answer'), facts: answer(receipt) },
    { title: t('receipts.groups.model'), facts: model(receipt) },
    ...(by.type === 'local' ? [{ title: t('receipts.groups.engine'), facts: engine(by) }] : []),
    { title: t('receipts.groups.sampling'), facts: sampling(receipt.sampling) },
  ];
}

function answer(receipt: Receipt): Fact[] {
  const { startedAt, finish, dropped, summarised, pictures } = receipt;
  const started = new Date(startedAt).toLocaleString(locale(), {
    dateStyle: 'medium',
    timeStyle: 'medium',
  });
  const facts: Fact[] = [
    { name: t('receipts.started'), value: started },
    { name: t('receipts.ended'), value: t(`receipts.finish.${finish}`) },
  ];
  if (receipt.by.type === 'local') {
    facts.push(
      { name: t('receipts.prompt'), value: t('common.tokens', { count: receipt.prompt.length }) },
      { name: t('receipts.written'), value: t('common.tokens', { count: receipt.answer.length }) },
    );
  }
  if (dropped) {
    const value = t('receipts.messages', { count: dropped.count });
    facts.push({ name: t('receipts.dropped'), value });
  }
  if (summarised) {
    const value = t('receipts.messages', { count: summarised.count });
    facts.push({ name: t('receipts.summarised'), value });
  }
  for (const { sha256 } of pictures) {
    facts.push({ name: t('receipts.picture'), value: sha256, code: true });
  }
  return facts;
}

function model({ model, by }: Receipt): Fact[] {
  if (by.type === 'remote') {
    return [
      { name: t('receipts.model'), value: model },
      { name: t('receipts.server'), value: by.server },
    ];
  }
  const files = by.files.flatMap(({ part, name, bytes, sha256 }): Fact[] => [
    { name: t(`receipts.parts.${part}`), value: `${name}, ${formatBytes(bytes)}` },
    { name: 'SHA-256', value: sha256 ?? t('receipts.unknownYet'), code: sha256 !== null },
  ]);
  const template = by.engine.templateSha256;
  return [
    { name: t('receipts.model'), value: model },
    ...files,
    ...(template === null
      ? []
      : [{ name: t('receipts.parts.template'), value: template, code: true }]),
  ];
}

function engine({ engine }: Extract<ReceiptBy, { type: 'local' }>): Fact[] {
  return [
    { name: 'Lantern', value: engine.version },
    {
      name: t('receipts.parts.commit'),
      value: engine.commit ?? t('receipts.development'),
      code: engine.commit !== null,
    },
    { name: t('receipts.parts.isa'), value: engine.isa },
    { name: t('receipts.parts.threads'), value: formatCount(engine.threads) },
    { name: t('receipts.parts.device'), value: engine.device },
    { name: t('receipts.context'), value: t('common.tokens', { count: engine.contextLength }) },
    { name: t('receipts.parts.kv_type'), value: engine.kvType },
  ];
}

function sampling(given: ReceiptSampling): Fact[] {
  // As the settings have them: 32 bits are not what people typed.
  const number = (value: number) => String(Number(value.toPrecision(6)));
  const fact = (name: string, value: number) => ({ name, value: number(value) });
  return [
    {
      name: t('receipts.seed'),
      value: given.seed ?? t('receipts.unknown'),
      code: given.seed !== null,
    },
    fact(t('receipts.temperature'), given.temperature),
    fact('top_k', given.topK),
    fact('top_p', given.topP),
    fact('min_p', given.minP),
    fact(t('receipts.repeatPenalty'), given.repeatPenalty),
    fact(t('receipts.presencePenalty'), given.presencePenalty),
    fact(t('receipts.frequencyPenalty'), given.frequencyPenalty),
    fact(t('receipts.repeatLastN'), given.repeatLastN),
    {
      name: t('receipts.maxTokens'),
      value: given.maxTokens === null ? t('receipts.none') : formatCount(given.maxTokens),
    },
  ];
}
