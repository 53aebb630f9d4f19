/* SPDX-License-Identifier: Apache-2.0 */
// Keyboard: `/` or Ctrl-K goes to the search, Escape closes an open menu and gives the focus back.

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return element !== null && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));
}

function closeMenus(except: Node | null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details[data-menu][open]")) {
    if (except === null || !menu.contains(except)) menu.open = false;
  }
}

export function startKeys(): void {
  document.addEventListener("keydown", (event) => {
    const wantsSearch = (event.key === "/" && !isTyping(event.target)) || (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey));
    if (wantsSearch) {
      const search = document.querySelector<HTMLInputElement>("#search");
      if (search) {
        event.preventDefault();
        search.focus();
        search.select();
      }
    }
    if (event.key === "Escape") {
      const menu = (event.target as Element | null)?.closest<HTMLDetailsElement>("details[data-menu][open]");
      closeMenus(null);
      menu?.querySelector("summary")?.focus();
    }
  });
  document.addEventListener("click", (event) => closeMenus(event.target as Node));
  document.addEventListener("focusin", (event) => closeMenus(event.target as Node));
}
