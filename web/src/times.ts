/* SPDX-License-Identifier: Apache-2.0 */
// Shows every <time> in the viewer's zone; UTC stays in its title. Without this the server's UTC text stands.

const DATE_AND_TIME = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});

function localise(time: HTMLTimeElement): void {
  const instant = new Date(time.dateTime);
  if (Number.isNaN(instant.getTime())) return;
  const text = DATE_AND_TIME.format(instant);
  if (time.textContent !== text) time.textContent = text;
}

function localiseAll(root: ParentNode): void {
  for (const time of root.querySelectorAll<HTMLTimeElement>("time[data-instant]")) localise(time);
}

export function startTimes(): void {
  localiseAll(document);
  // Swaps bring the server's text back; writing only where it differs ends the observer's own echo.
  new MutationObserver(() => localiseAll(document)).observe(document.body, { childList: true, subtree: true, characterData: true });
}
