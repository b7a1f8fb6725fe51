/** Keys for a shortcut that works everywhere, in the words that the shell understands: `Ctrl+Shift+Space`. */
const HELD = ['Control', 'Shift', 'Alt', 'Meta', 'AltGraph', 'OS'];

/** What was pressed; `null` while only Ctrl, Shift and the like are held. */
export function pressedKeys(event: KeyboardEvent): string | null {
  if (HELD.includes(event.key) || event.code === '') return null;
  const held = [
    event.ctrlKey && 'Ctrl',
    event.altKey && 'Alt',
    event.shiftKey && 'Shift',
    event.metaKey && 'Super',
  ].filter((name) => name !== false);
  return [...held, event.code.replace(/^(Key|Digit)/, '')].join('+');
}
