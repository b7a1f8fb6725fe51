/** Makes a `<dialog>` modal while it is in the page; Escape and a click beside it ask for its end. */
import type { Attachment } from 'svelte/attachments';

export function modal(onclose: () => void): Attachment<HTMLDialogElement> {
  return (dialog) => {
    const before = document.activeElement;
    const cancel = (event: Event) => {
      event.preventDefault();
      onclose();
    };
    const click = (event: MouseEvent) => {
      if (event.target === dialog) onclose();
    };
    const closed = () => {
      // A second Escape closes it past `cancel`.
      if (dialog.isConnected) onclose();
    };
    dialog.addEventListener('cancel', cancel);
    dialog.addEventListener('click', click);
    dialog.addEventListener('close', closed);
    dialog.showModal();
    return () => {
      dialog.removeEventListener('close', closed);
      dialog.close();
      // The browser gives the focus back only while the dialog is in the page, and it may be gone by now.
      if (before instanceof HTMLElement) before.focus({ preventScroll: true });
    };
  };
}
