/** Whether long lines of code are broken: one choice for all code, kept. */
const KEY = 'lantern.wrapCode';

class CodeWrap {
  on = $state(globalThis.localStorage?.getItem(KEY) === 'true');

  toggle(): void {
    this.on = !this.on;
    try {
      localStorage.setItem(KEY, String(this.on));
    } catch {
      // Without storage the choice lasts as long as the window.
    }
  }
}

export const codeWrap = new CodeWrap();
