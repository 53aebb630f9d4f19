/* SPDX-License-Identifier: Apache-2.0 */
// Listens to the organisation's event stream: writes the block height and tells the page's parts that something of theirs has changed.

interface BlockNews {
  number: number;
  final: number;
}

const GROUPED = new Intl.NumberFormat("en");

export function startLive(): void {
  const address = document.body.dataset["events"];
  if (!address) return;
  const stream = new EventSource(address);
  const network = document.getElementById("network");

  stream.addEventListener("open", () => network?.setAttribute("data-state", "live"));
  stream.addEventListener("error", () => network?.setAttribute("data-state", "stale"));
  stream.addEventListener("block", (message) => {
    const news = JSON.parse((message as MessageEvent<string>).data) as BlockNews;
    const height = document.getElementById("block-height");
    if (height) height.textContent = GROUPED.format(news.number);
  });
  for (const kind of ["transactions", "register", "approvals", "dividends"]) {
    // Parts of the page say hx-trigger="live-transactions from:body" and fetch themselves again.
    stream.addEventListener(kind, () => document.body.dispatchEvent(new CustomEvent(`live-${kind}`)));
  }
  stream.addEventListener("end", () => {
    stream.close();
    window.location.assign("/sign-in");
  });
  window.addEventListener("pagehide", () => stream.close());
}
