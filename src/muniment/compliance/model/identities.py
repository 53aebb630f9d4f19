# SPDX-License-Identifier: Apache-2.0
"""What the identity registry's events say of a wallet, added up. Who the investor is lives in parties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from muniment.units.ids import Address


class IdentityEventKind(StrEnum):
    """What happened to a wallet in the registry, or (recovered) in a token that replaced it."""

    REGISTERED = "registered"
    REMOVED = "removed"
    ELIGIBILITY = "eligibility"
    COUNTRY = "country"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class IdentityEvent:
    """One event. `verified_until` in Unix seconds; fields that the kind does not have are None."""

    block_number: int
    log_index: int
    contract: Address
    wallet: Address
    kind: IdentityEventKind
    transaction_hash: str
    identity: Address | None = None
    country: int | None = None
    verified_until: int | None = None


@dataclass(frozen=True, slots=True)
class ChainIdentity:
    """What the identity registry says of a wallet, from its events. `is_registered` False: removed, or lost and replaced."""

    wallet: Address
    identity: Address | None
    country: int | None
    verified_until: int
    is_registered: bool


def fold(wallet: Address, events: Sequence[IdentityEvent]) -> ChainIdentity | None:
    """Return a wallet's state after its events, given in the chain's order; None where there is none of the registry's.

    A wallet removed by a recovery stays with its identity, unregistered: it may still hold other tokens. The registry says
    "removed" for both; the token's own event in the same transaction tells them apart.
    """
    recovered_in = {event.transaction_hash for event in events if event.kind is IdentityEventKind.RECOVERED}
    state: ChainIdentity | None = None
    for event in events:
        match event.kind:
            case IdentityEventKind.REGISTERED:
                state = ChainIdentity(wallet, event.identity, event.country, 0, is_registered=True)
            case IdentityEventKind.ELIGIBILITY if state is not None:
                state = replace(state, verified_until=event.verified_until or 0)
            case IdentityEventKind.COUNTRY if state is not None:
                state = replace(state, country=event.country)
            case IdentityEventKind.REMOVED if state is not None:
                identity = state.identity if event.transaction_hash in recovered_in else None
                state = replace(state, identity=identity, verified_until=0, is_registered=False)
            case _:
                pass
    return state
