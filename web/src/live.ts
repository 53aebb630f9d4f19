/* SPDX-License-Identifier: Apache-2.0 */
// Listens to the organisation's event stream: writes the block height and tells the page's parts that something of theirs has changed.

interface BlockNews {
  number: number;
  final: number;
}

const GROUPED = new Intl.NumberFormat("en");
const KINDS = ["transactions", "instructions", "register", "approvals", "dividends"];

export function startLive(): void {
  const address = document.body.dataset["events"];
  if (!address) return;
  const stream = new EventSource(address);
  const network = document.getElementById("network");
  let isFresh = true;

  stream.addEventListener("open", () => {
    isFresh = true;
    network?.setAttribute("data-state", "live");
  });
  stream.addEventListener("error", () => network?.setAttribute("data-state", "stale"));
  stream.addEventListener("block", (message) => {
    const news = JSON.parse((message as MessageEvent<string>).data) as BlockNews;
    const height = document.getElementById("block-height");
    if (height) height.textContent = GROUPED.format(news.number);
    // The first message of a stream stands for the state from which it tells news: what came between the page and it was told to nobody.
    if (isFresh) KINDS.forEach(tell);
    isFresh = false;
  });
  for (const kind of KINDS) stream.addEventListener(kind, () => tell(kind));
  stream.addEventListener("end", () => {
    stream.close();
    window.location.assign("/sign-in");
  });
  window.addEventListener("pagehide", () => stream.close());
}

/** Parts of the page say hx-trigger="live-transactions from:body" and fetch themselves again. */
function tell(kind: string): void {
  document.body.dispatchEvent(new CustomEvent(`live-${kind}`));
}
