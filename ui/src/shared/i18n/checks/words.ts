/** For tests: words for people that stand in a source instead of among the texts. */
import { textOf, walk, type Node } from './sources';

/** Names, which are the same in every language, and examples of what machines read. */
const NAMES = new Set([
  'Lantern',
  'GGUF',
  'GGUF ${}',
  'model-Q4_K_M.gguf',
  'hf_…',
  'npx -y @modelcontextprotocol/server-everything',
  'https://example.org/mcp',
  'Authorization=Bearer …',
]);

/** Attributes and properties whose values people read or hear. */
const READ =
  /^(?:aria-(?:label|description|roledescription|valuetext)|title|alt|label|placeholder|help|lead|accept|empty|words|text|message|nextStep)$/;

/** A sentence, or the beginning of one: two words, the first of which begins large. */
const SENTENCE = /^\s*\p{Lu}[\p{L}’']*[\s,:]+\S*\p{L}/u;

const hasWords = (text: string) => /\p{L}{2,}/u.test(text.replaceAll('${}', ' '));
const isCapital = (text: string) => /^\s*\p{Lu}\p{Ll}+/u.test(text) || /\p{L}\s+\p{L}/u.test(text);

/** Where a literal is a name to compare, to look up or to call something by, and not words. */
function isCode([parent, ...further]: Node[], node: Node): boolean {
  if (!parent) return false;
  switch (parent.type) {
    case 'BinaryExpression':
    case 'ImportDeclaration':
    case 'SwitchCase':
    case 'TSLiteralType':
      return true;
    case 'MemberExpression':
      return parent.property === node;
    case 'Property':
      return parent.key === node;
    case 'CallExpression':
      // What is said to a function is words only where it makes an error of it.
      return true;
    case 'NewExpression':
      return (parent.callee as Node & { name?: string }).name !== 'Error';
    case 'ConditionalExpression':
    case 'LogicalExpression':
    case 'ArrayExpression':
      return isCode(further, parent);
    default:
      return false;
  }
}

/** The property or attribute that a value is of. */
function nameOf(parents: Node[]): string | null {
  for (const parent of parents) {
    if (parent.type === 'Attribute') return String(parent.name);
    if (parent.type === 'Property') return String((parent.key as Node & { name?: string }).name);
    const passed = [
      'ConditionalExpression',
      'LogicalExpression',
      'ExpressionTag',
      'TSAsExpression',
    ];
    if (!passed.includes(parent.type)) return null;
  }
  return null;
}

/** Whether an expression stands where its value is drawn as text. */
function isDrawn(parents: Node[]): boolean {
  const at = parents.findIndex(({ type }) => type === 'ExpressionTag');
  const between = parents.slice(0, Math.max(at, 0));
  return (
    at >= 0 &&
    parents[at + 1]?.type === 'Fragment' &&
    between.every(({ type }) => /^(?:Conditional|Logical)Expression$/.test(type))
  );
}

function isWords(node: Node, parents: Node[]): boolean {
  if (node.type === 'Text') {
    const inAttribute = parents[0]?.type === 'Attribute';
    return !inAttribute || READ.test(String(parents[0]?.name));
  }
  const text = textOf(node);
  if (text === null || isCode(parents, node)) return false;
  if (isDrawn(parents)) return true;
  const name = nameOf(parents);
  if (name !== null && READ.test(name)) return isCapital(text);
  return name !== 'class' && SENTENCE.test(text.replaceAll('${}', 'value'));
}

/** The words in a tree. Styles, tags and names of tests are none. */
export function wordsIn(root: Node): string[] {
  const found: string[] = [];
  walk(root, (node, parents) => {
    if (/^(?:Comment|StyleDirective|StyleSheet)$/.test(node.type)) return false;
    const text = node.type === 'Text' ? String(node.data) : textOf(node);
    if (text === null || !hasWords(text) || NAMES.has(text.trim())) return;
    if (isWords(node, parents)) found.push(text.trim());
  });
  return found;
}
