/* SPDX-License-Identifier: Apache-2.0 */
// Copies a shortened id in full and says so, also to a screen reader.

export function startCopyButtons(): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element | null)?.closest<HTMLButtonElement>("button[data-copy]");
    const text = button?.dataset["copy"];
    if (!button || !text) return;
    void navigator.clipboard.writeText(text).then(
      () => announce(button, "Copied"),
      () => announce(button, "Not copied: the browser forbids it"),
    );
  });
}

function announce(button: HTMLButtonElement, words: string): void {
  const region = document.getElementById("announcements");
  if (region) region.textContent = words;
  button.dataset["said"] = words;
  window.setTimeout(() => delete button.dataset["said"], 1600);
}
