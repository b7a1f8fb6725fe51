/**
 * The English texts. They are in the window from its start: a text that a language lacks is shown in English. A file is
 * a namespace, and its name begins the keys of its texts.
 */
import access from './en/access.json';
import actions from './en/actions.json';
import artifacts from './en/artifacts.json';
import assistants from './en/assistants.json';
import chat from './en/chat.json';
import common from './en/common.json';
import compare from './en/compare.json';
import conversations from './en/conversations.json';
import desktop from './en/desktop.json';
import disk from './en/disk.json';
import downloads from './en/downloads.json';
import firstRun from './en/firstRun.json';
import knowledge from './en/knowledge.json';
import models from './en/models.json';
import overflow from './en/overflow.json';
import prompts from './en/prompts.json';
import quick from './en/quick.json';
import receipts from './en/receipts.json';
import remotes from './en/remotes.json';
import search from './en/search.json';
import settings from './en/settings.json';
import tools from './en/tools.json';

export const ENGLISH = {
  access,
  actions,
  artifacts,
  assistants,
  chat,
  common,
  compare,
  conversations,
  desktop,
  disk,
  downloads,
  firstRun,
  knowledge,
  models,
  overflow,
  prompts,
  quick,
  receipts,
  remotes,
  search,
  settings,
  tools,
};

/** `open_one` and `open_other` are both asked for as `open`. */
type WithoutPlural<Name extends string> = Name extends `${infer Stem}_${Intl.LDMLPluralRule}`
  ? Stem
  : Name;

type Leaves<Texts, Path extends string = ''> = {
  [Name in keyof Texts & string]: Texts[Name] extends string
    ? `${Path}${WithoutPlural<Name>}`
    : Leaves<Texts[Name], `${Path}${Name}.`>;
}[keyof Texts & string];

/** Every text there is, as `NAMESPACE.name` or `NAMESPACE.group.name`. */
export type Key = Leaves<typeof ENGLISH>;
