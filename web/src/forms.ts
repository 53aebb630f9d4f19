/* SPDX-License-Identifier: Apache-2.0 */
// A form is sent once: a second click while the first is under way does nothing. Selects marked for it submit themselves.

export function startForms(): void {
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.dataset["sent"] === "yes") {
      event.preventDefault();
      return;
    }
    if (form.method === "post" && !form.hasAttribute("data-repeatable")) {
      form.dataset["sent"] = "yes";
      const button = (event as SubmitEvent).submitter;
      button?.setAttribute("aria-busy", "true");
    }
  });
  // A page that comes back from the browser's history may be sent again.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll<HTMLFormElement>("form[data-sent]")) {
      delete form.dataset["sent"];
      for (const button of form.querySelectorAll("[aria-busy]")) button.removeAttribute("aria-busy");
    }
  });
  document.addEventListener("change", (event) => {
    const field = event.target as HTMLElement;
    if (field.matches("select[data-submits]")) (field as HTMLSelectElement).form?.requestSubmit();
  });
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }
}
