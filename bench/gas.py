# SPDX-License-Identifier: Apache-2.0
"""What does a regulated transfer cost beside the ERC-3643 reference and a plain ERC-20? Defends a sixth of the reference's gas.

All in one run on one node (the pinned anvil, prague): gas used of whole transactions, as their receipts say, refunds taken off. What is
called `_each` or `_per_...` is a fiftieth (or the like) of one batch. Goals: bench/gas_goals.json, the figures that we have promised.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
# A script's own folder is on the path, its parent is not; the scenarios are the tests' too.
sys.path.insert(0, str(ROOT))

from bench.scenarios import identity_contracts, muniment, openzeppelin, ours, trex  # noqa: E402 - needs the line above
from bench.scenarios.nodes import anvil_chain  # noqa: E402 - needs the line above

HOME = ROOT / "build" / "bench"
SNAPSHOT = ROOT / "bench" / "gas_snapshot.json"
GOALS = ROOT / "bench" / "gas_goals.json"
WIDTH = 130
PEERS = {
    "trex_1_topic": "T-REX",
    "trex_1_topic_country_maxbalance": "T-REX with rules",
    "openzeppelin_erc20": "plain ERC-20",
}


def measure_ours() -> dict[str, int]:
    """Return our figures alone."""
    with anvil_chain(HOME) as chain:
        return ours.measure(chain)


def measure_all() -> dict[str, Any]:
    """Return ours and the peers', measured one after the other on one node."""
    with anvil_chain(HOME) as chain:
        platform = trex.build_platform(chain)
        figures = ours.measure(chain)
        figures |= identity_contracts.measure(platform, muniment.build_factory(chain))
        return {
            "bench": "gas",
            "evm": chain.name,
            "conditions": {
                "muniment": f"{ours.CONDITIONS}; {identity_contracts.CONDITIONS}",
                "trex_1_topic": trex.conditions(with_modules=False),
                "trex_1_topic_country_maxbalance": trex.conditions(with_modules=True),
                "openzeppelin_erc20": openzeppelin.conditions(),
            },
            "muniment": figures,
            "trex_1_topic": trex.measure(platform, "claims", with_modules=False),
            "trex_1_topic_country_maxbalance": trex.measure(platform, "rules", with_modules=True),
            "openzeppelin_erc20": openzeppelin.measure(chain),
        }


def write_snapshot(figures: dict[str, int]) -> None:
    """Keep our figures as what the test compares with."""
    SNAPSHOT.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def show(result: dict[str, Any]) -> None:
    """Print ours beside each peer: its gas, and how many times ours that is."""
    ours: dict[str, int] = result["muniment"]
    goals: dict[str, int] = json.loads(GOALS.read_text(encoding="utf-8"))
    table = Table(title=f"gas, {result['evm']}", caption="in brackets: times ours")
    table.add_column("act", no_wrap=True)
    for column in ("muniment", "goal", *PEERS.values()):
        table.add_column(column, justify="right", no_wrap=True)
    for act, gas in ours.items():
        goal = goals.get(act)
        row = [act, f"{gas:,}", "" if goal is None else f"{goal:,}{'' if gas <= goal else ' missed'}"]
        for peer in PEERS:
            theirs = result[peer].get(act)
            row.append("" if theirs is None else f"{theirs:,} ({theirs / gas:.2f})")
        table.add_row(*row)
    console = Console(width=max(WIDTH, Console().width))
    console.print(table)
    for name, conditions in result["conditions"].items():
        console.print(f"[bold]{name}[/bold]: {conditions}")


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true")
    arguments.add_argument("--snapshot", action="store_true", help="measure ours only and write bench/gas_snapshot.json")
    options = arguments.parse_args()
    if options.snapshot:
        write_snapshot(measure_ours())
        return
    result = measure_all()
    if options.json:
        print(json.dumps(result))
        return
    show(result)


if __name__ == "__main__":
    main()
