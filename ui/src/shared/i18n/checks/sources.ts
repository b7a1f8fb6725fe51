/** For tests: what the sources of the window say of its texts. Read as the compiler reads them, not by their looks. */
import { parse } from 'svelte/compiler';

/** Of the trees of the compiler no more than is looked at here. */
export interface Node {
  type: string;
  start: number;
  [property: string]: unknown;
}

const FILES = import.meta.glob<string>(['/src/**/*.{svelte,ts}', '!/src/**/*.test.ts'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** The files that are the window's own: neither types that are made from Rust nor helps of tests. */
export const SOURCES = Object.entries(FILES)
  .filter(([path]) => !/\/backend\/(types\/|fake|knowledge)|\/i18n\/checks\//.test(path))
  .map(([path, text]) => ({ path, tree: treeOf(path, text) }));

/** The trees of a component's scripts and of its template, or of a module. */
export function treeOf(path: string, text: string): Node[] {
  const source = path.endsWith('.svelte')
    ? text
    : `<script lang="ts">${text.replaceAll('</script', '<\\/script')}</script>`;
  const { fragment, instance, module } = parse(source, { modern: true });
  return [instance, module, fragment].filter((one) => Boolean(one)) as unknown as Node[];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}

/** Calls `visit` with every node and its parents, the nearest first; where it gives `false`, not with what is inside. */
export function walk(
  node: Node,
  visit: (node: Node, parents: Node[]) => boolean | void,
  parents: Node[] = [],
): void {
  if (visit(node, parents) === false) return;
  const within = [node, ...parents];
  for (const [name, value] of Object.entries(node)) {
    if (name === 'metadata' || name === 'loc') continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      if (isNode(one)) walk(one, visit, within);
    }
  }
}

/** The text of a literal; of a template, with `${}` where a value stands. */
export function textOf(node: unknown): string | null {
  if (!isNode(node)) return null;
  if (node.type === 'Literal') return typeof node.value === 'string' ? node.value : null;
  if (node.type !== 'TemplateLiteral') return null;
  const pieces = node.quasis as { value: { cooked: string } }[];
  return pieces.map(({ value }) => value.cooked).join('${}');
}

/** A call of `t` whose key stands there: its key and the names of its values, `null` where these cannot be seen. */
export interface Call {
  key: string;
  values: string[] | null;
}

export function callOf(node: Node): Call | null {
  if (node.type !== 'CallExpression' || (node.callee as Node & { name?: string }).name !== 't') {
    return null;
  }
  const [first, second] = node.arguments as Node[];
  const key = textOf(first);
  if (key === null) return null;
  if (second === undefined) return { key, values: [] };
  if (second.type !== 'ObjectExpression') return { key, values: null };
  const properties = second.properties as (Node & { key?: { name: string } })[];
  if (properties.some(({ type }) => type !== 'Property')) return { key, values: null };
  return { key, values: properties.map((one) => one.key?.name ?? '') };
}
