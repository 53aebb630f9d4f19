/* SPDX-License-Identifier: Apache-2.0 */
// Hashes a chosen or dropped file on the page that verifies, and asks for its hash. The file itself is sent nowhere.
import { keccak256 } from "./keccak";

const FILE_BYTES_MAX = 200_000_000;

export function startVerify(): void {
  const form = document.querySelector<HTMLFormElement>("form[data-verify]");
  const place = form?.querySelector<HTMLElement>("[data-verify-file]");
  const chooser = place?.querySelector<HTMLInputElement>("input[type=file]");
  const field = form?.querySelector<HTMLInputElement>("input[name=hash]");
  if (!form || !place || !chooser || !field) return;
  place.hidden = false;
  chooser.addEventListener("change", () => void hash(chooser.files?.[0]));
  form.addEventListener("dragover", (event) => event.preventDefault());
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    void hash(event.dataTransfer?.files[0]);
  });

  async function hash(file: File | undefined): Promise<void> {
    if (!form || !field || !file) return;
    if (file.size > FILE_BYTES_MAX) {
      announce("The file is too large to be hashed here.");
      return;
    }
    announce("Hashing …");
    field.value = keccak256(new Uint8Array(await file.arrayBuffer()));
    // Without a name of its own the chooser is no part of the form: only the hash is asked for.
    form.requestSubmit();
  }
}

function announce(words: string): void {
  const region = document.getElementById("announcements");
  if (region) region.textContent = words;
}
