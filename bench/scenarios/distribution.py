# SPDX-License-Identifier: Apache-2.0
"""What paying holders and letting them vote costs: batches pushed, claims and votes by Merkle proof in a list of a million."""

from __future__ import annotations

import eth_abi
from eth_hash.auto import keccak

from bench.scenarios.chains import ZERO, Chain, account, accounts, deploy
from bench.scenarios.muniment import OWNER, YEAR
from muniment.infra.evm.contract_artifacts import load

RECIPIENTS = 200
LEVELS = 20
DUE = 1_000
PAYER = account("payer")
DISTRIBUTION = b"dividends".ljust(32, b"\0")
CONDITIONS = (
    f"{RECIPIENTS} recipients a push, all with money before; proofs of {LEVELS} levels; the claim is not the account's first, "
    "and one of the 256 neighbours in the ballot has voted before, unless the name says first"
)


def hashed(*pairs: tuple[str, object]) -> bytes:
    """Return the leaf of a statement: encoded and hashed twice."""
    return keccak(keccak(eth_abi.encode([kind for kind, _ in pairs], [value for _, value in pairs])))


def paired(one: bytes, other: bytes) -> bytes:
    """Return the node above two others."""
    return keccak(min(one, other) + max(one, other))


def proofs_of(first: bytes, second: bytes) -> tuple[bytes, list[bytes], list[bytes]]:
    """Return the root of a list whose neighbours are these two, and the proofs of both; nobody needs to know the rest."""
    above = [keccak(f"sibling {level}".encode()) for level in range(LEVELS - 1)]
    root = paired(first, second)
    for sibling in above:
        root = paired(root, sibling)
    return root, [second, *above], [first, *above]


def measure_payout(chain: Chain) -> dict[str, int]:
    """Return what a push costs a recipient, and what a claim costs."""
    money = deploy(chain, load("payment_token"), sender=OWNER)
    payout = deploy(chain, load("payout"), sender=OWNER)
    money.fn("initialize", "Trial Euro", "EURT", 2, sender=OWNER)
    recipients = accounts("recipient", RECIPIENTS)
    ann, bob = account("claiming ann"), account("claiming bob")
    for holder in (PAYER, ann, bob, *recipients):
        money.fn("mint", holder, 10**9, sender=OWNER)
    money.fn("approve", payout.address, 2**256 - 1, sender=PAYER)
    run, batch = b"\1" * 32, 0
    pushed = payout.gas("push", run, batch, money.address, recipients, [DUE] * RECIPIENTS, sender=PAYER)

    until = chain.now + YEAR
    payout.fn("open_distribution", DISTRIBUTION, money.address, until, sender=PAYER)
    payout.fn("fund", DISTRIBUTION, 10**6, sender=PAYER)
    key = payout.view("distribution_key", PAYER, DISTRIBUTION)

    def claim(number: int) -> tuple[int, int]:
        due = number * DUE
        leaves = [hashed(("address", holder), ("uint256", due)) for holder in (ann, bob)]
        root, of_ann, _ = proofs_of(*leaves)
        published = payout.gas("publish_run", DISTRIBUTION, bytes([10 + number]) * 32, root, until, sender=PAYER)
        return published, payout.gas("claim", key, ann, due, of_ann, sender=ann)

    _, first = claim(1)
    published, later = claim(2)
    return {"push_per_recipient": pushed // RECIPIENTS, "claim_first": first, "claim": later, "publish_run": published}


def measure_ballot(chain: Chain) -> dict[str, int]:
    """Return what a vote on one motion costs."""
    ballot = deploy(chain, load("ballot"), sender=OWNER)
    ballot.fn("initialize", sender=OWNER)
    ballot.fn("addAgent", PAYER, sender=OWNER)
    ann, bob, weight = account("voting ann"), account("voting bob"), 250 * 10**18
    leaves = [hashed(("uint256", index), ("address", holder), ("uint256", weight)) for index, holder in ((7, ann), (8, bob))]
    root, of_ann, of_bob = proofs_of(*leaves)
    quorum_bps, thresholds_bps = 2_500, [5_000]
    terms = (ZERO, b"\1" * 32, 0, root, 1_000 * weight, chain.now + YEAR, quorum_bps, thresholds_bps)
    opened = ballot.fn("open_ballot", *terms, sender=PAYER, answers=True)
    first = ballot.gas("vote", opened.answer, 7, ann, weight, [1], of_ann, sender=ann)
    later = ballot.gas("vote", opened.answer, 8, bob, weight, [2], of_bob, sender=bob)
    return {"vote_first_of_256": first, "vote": later}
