# SPDX-License-Identifier: Apache-2.0
"""Every way to move a security, with each party to it in every state: who is refused, with which reason, and who is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.contracts.chain import YES, ZERO, Done, refused
from tests.contracts.world import BLOCK_LISTED, IRAN, World

ACTS = ("transfer", "transferFrom", "batch", "forced", "mint", "burn", "recover")
PARTIES = ("from", "to", "spender")
STATES = ("ok", "unverified", "frozen", "part-frozen", "paused", "country", "cap", "lockup")
AMOUNT = 5
HELD = {"from": 100, "to": 10, "spender": 30}
# What an investor may hold, so that this party alone has too much, after the move (to) or before it.
MAXIMUM = {"from": 50, "to": 12, "spender": 20}

PAUSED = "Pausable: paused"
FROZEN = "wallet is frozen"
LOCKED = "lockup: shares are locked"
BALANCE = "Insufficient Balance"
NOT_POSSIBLE = "Transfer not possible"
NOT_VERIFIED = "Identity is not verified."
NOT_COMPLIANT = "Compliance not followed"

# The cells that are refused; in all others the act succeeds. A holder may always sell what is free: only the receiver must be
# eligible. Whoever spends for another is not judged. Nothing of the holder's, nor the pause, stops an agent; an agent's act needs an
# eligible receiver, and an issue obeys the rules too.
_HOLDERS: dict[tuple[str, str], str] = {
    ("from", "frozen"): FROZEN,
    ("from", "part-frozen"): BALANCE,
    ("from", "lockup"): LOCKED,
    ("to", "unverified"): NOT_POSSIBLE,
    ("to", "frozen"): FROZEN,
    ("to", "country"): NOT_POSSIBLE,
    ("to", "cap"): NOT_POSSIBLE,
    **{(party, "paused"): PAUSED for party in PARTIES},
}
REFUSED: dict[tuple[str, str, str], str] = {
    **{(act, party, state): reason for act in ("transfer", "transferFrom", "batch") for (party, state), reason in _HOLDERS.items()},
    ("forced", "to", "unverified"): NOT_POSSIBLE,
    ("mint", "to", "unverified"): NOT_VERIFIED,
    ("mint", "to", "country"): NOT_COMPLIANT,
    ("mint", "to", "cap"): NOT_COMPLIANT,
    # Eligibility is the investor's, and both wallets are one investor's.
    ("recover", "from", "unverified"): NOT_POSSIBLE,
    ("recover", "to", "unverified"): NOT_POSSIBLE,
}

Parties = dict[str, str]


def parties_to(act: str, world: World, *, party: str, state: str) -> Parties:
    """Return who gives, who gets and who calls: a broker with an approval, or an agent where only an agent may."""
    countries = {each: IRAN if state == "country" and each == party else 276 for each in PARTIES}
    giver = world.holder("giver", HELD["from"], country=countries["from"])
    identity = giver if act == "recover" else ZERO
    if act == "recover":
        # A second wallet of the investor, who lives where the party of this cell does.
        countries["to"] = countries["from"]
    getter = world.holder("getter", HELD["to"], country=countries["to"], identity=identity)
    caller = "agent" if act in {"forced", "mint", "burn", "recover"} else "broker"
    world.holder(caller, HELD["spender"], country=countries["spender"])
    found = {"from": giver, "to": getter, "spender": world.person(caller)}
    world.token.fn("approve", found["spender"], AMOUNT, sender=giver)
    return found


def put(world: World, wallet: str, party: str, state: str) -> None:
    """Bring one party into a state, after everything was approved and arranged."""
    token, agent = world.token, world.agent
    match state:
        case "unverified":
            world.registry.fn("invalidate", wallet, sender=agent)
        case "frozen":
            token.fn("setAddressFrozen", wallet, YES, sender=agent)
        case "part-frozen":
            token.fn("freezePartialTokens", wallet, HELD[party], sender=agent)
        case "paused":
            token.fn("pause", sender=agent)
        case "country":
            world.set_countries(BLOCK_LISTED, [IRAN])
        case "cap":
            world.set_rules(maximum_balance=MAXIMUM[party])
        case "lockup":
            token.fn("lock", wallet, HELD[party], world.chain.now + 1, sender=agent)
        case _:
            assert state == "ok"


DO: dict[str, Callable[[World, Parties], Done]] = {
    "transfer": lambda world, who: world.token.fn("transfer", who["to"], AMOUNT, sender=who["from"]),
    "transferFrom": lambda world, who: world.token.fn("transferFrom", who["from"], who["to"], AMOUNT, sender=who["spender"]),
    "batch": lambda world, who: world.token.fn("batchTransfer", [who["to"]] * 2, [AMOUNT - 1, 1], sender=who["from"]),
    "forced": lambda world, who: world.token.fn("forcedTransfer", who["from"], who["to"], AMOUNT, sender=who["spender"]),
    "mint": lambda world, who: world.token.fn("mint", who["to"], AMOUNT, sender=who["spender"]),
    "burn": lambda world, who: world.token.fn("burn", who["from"], AMOUNT, sender=who["spender"]),
    "recover": lambda world, who: world.token.fn("recoveryAddress", who["from"], who["to"], who["from"], sender=who["spender"]),
}
# What giver and getter hold afterwards, and what is in issue.
MOVED = {
    "transfer": (95, 15, 140),
    "transferFrom": (95, 15, 140),
    "batch": (95, 15, 140),
    "forced": (95, 15, 140),
    "mint": (100, 15, 145),
    "burn": (95, 10, 135),
    "recover": (0, 110, 140),
}


def test_no_cell_of_the_table_is_foreign_to_it() -> None:
    assert set(REFUSED) <= set(itertools.product(ACTS, PARTIES, STATES))
    assert set(DO) == set(MOVED) == set(ACTS)


@pytest.mark.parametrize(("act", "party", "state"), list(itertools.product(ACTS, PARTIES, STATES)))
def test_every_act_with_every_party_in_every_state_ends_as_the_table_says(world: World, act: str, party: str, state: str) -> None:
    who = parties_to(act, world, party=party, state=state)
    put(world, who[party], party, state)
    reason = REFUSED.get((act, party, state))
    if act in {"transfer", "transferFrom", "batch"}:
        assert (world.why_not(who["from"], who["to"], AMOUNT) == 0) is (reason is None)
    if act == "mint":
        assert (world.why_not(ZERO, who["to"], AMOUNT) == 0) is (reason is None)
    if reason is None:
        DO[act](world, who)
        giver, getter, supply = MOVED[act]
    else:
        with refused(reason):
            DO[act](world, who)
        giver, getter, supply = HELD["from"], HELD["to"], sum(HELD.values())
    assert (world.balance(who["from"]), world.balance(who["to"]), world.token.view("totalSupply")) == (giver, getter, supply)
    assert world.balance(who["spender"]) == HELD["spender"]
    spent = act == "transferFrom" and reason is None
    assert world.token.view("allowance", who["from"], who["spender"]) == (0 if spent else AMOUNT)
