/** Everything that is translated, as one chunk of the window. */
export default import.meta.glob<object>('./*.json', { eager: true, import: 'default' });
