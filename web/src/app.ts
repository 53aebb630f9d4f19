/* SPDX-License-Identifier: Apache-2.0 */
// Starts the islands of every page. The pages read and submit without any of them.
import "htmx.org";
import { startCopyButtons } from "./copy";
import { startForms } from "./forms";
import { startKeys } from "./keys";
import { startLive } from "./live";
import { startTimes } from "./times";
import { startVerify } from "./verify";

startTimes();
startCopyButtons();
startKeys();
startForms();
startLive();
startVerify();
