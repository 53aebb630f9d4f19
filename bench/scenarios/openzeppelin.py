# SPDX-License-Identifier: Apache-2.0
"""What the acts of a plain ERC-20 cost: the floor that a regulated token is held against."""

from __future__ import annotations

from bench.peers.packages import EVM_VERSION, OPTIMIZER_RUNS, plain_token, version_of
from bench.scenarios.chains import Chain, account, deploy

CONDITIONS = (
    f"@openzeppelin/contracts {{version}}, solc {{solc}}, optimizer {OPTIMIZER_RUNS} runs, evmVersion {EVM_VERSION}; "
    "no rule at all, anybody may mint"
)


def measure(chain: Chain) -> dict[str, int]:
    """Return the gas of each act that it has."""
    ann, bob, new, spender = (account(f"plain {name}") for name in ("ann", "bob", "new", "spender"))
    token = deploy(chain, plain_token(), sender=ann)
    figures = {"deploy_suite": token.deployment_gas}
    for holder in (ann, bob):
        token.fn("mint", holder, 1_000, sender=ann)
    figures["transfer"] = token.gas("transfer", bob, 10, sender=ann)
    figures["mint_new_holder"] = token.gas("mint", new, 10, sender=ann)
    figures["transfer_new_holder"] = token.gas("transfer", account("plain newer"), 10, sender=ann)
    token.fn("approve", spender, 100, sender=ann)
    figures["transfer_from"] = token.gas("transferFrom", ann, bob, 10, sender=spender)
    return figures


def conditions() -> str:
    """Return what it was measured with."""
    return CONDITIONS.format(version=version_of("@openzeppelin/contracts"), solc=version_of("solc"))
