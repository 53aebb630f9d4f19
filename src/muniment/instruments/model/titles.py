# SPDX-License-Identifier: Apache-2.0
"""The history of a title: who held the deed, which liens were placed on it and let go. Read from the chain's events, which are given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec
import rfc8785
from eth_hash.auto import keccak

from muniment.instruments.errors import RecordInvalid
from muniment.instruments.model.assets import Lien, check_part
from muniment.units.errors import Place
from muniment.units.ids import Address, TransactionHash

TitleAct: TypeAlias = Literal["minted", "transferred", "burned", "lien_placed", "lien_assigned", "lien_released"]
LIEN_MEDIA_TYPE = "application/vnd.muniment.lien+json"
"""What a lien's own text is kept as, among the documents of its asset."""


@dataclass(frozen=True, slots=True)
class TitleEvent:
    """One thing that happened to a title. `giver` and `receiver` for the deed, `lien_id` and `lienholder` for a lien."""

    act: TitleAct
    block_number: int
    log_index: int
    transaction_hash: TransactionHash
    occurred_at: dt.datetime
    giver: Address | None = None
    receiver: Address | None = None
    lien_id: str | None = None
    lienholder: Address | None = None


@dataclass(frozen=True, slots=True)
class TitleHistory:
    """A title as its events leave it: the holder, the liens in their rank, and the texts of those liens that are known here."""

    events: tuple[TitleEvent, ...]
    owner: Address | None
    open_liens: tuple[str, ...]
    texts: Mapping[str, Lien]


def history_of(events: Sequence[TitleEvent], texts: Mapping[str, Lien]) -> TitleHistory:
    """Return the history that events make, in the chain's order."""
    ordered = sorted(events, key=lambda event: (event.block_number, event.log_index))
    owner: Address | None = None
    liens: list[str] = []
    for event in ordered:
        match event.act:
            case "minted" | "transferred":
                owner = event.receiver
            case "burned":
                owner = None
            case "lien_placed":
                assert event.lien_id is not None, "a lien has an id"
                liens.append(event.lien_id)
            case "lien_released":
                liens = [lien_id for lien_id in liens if lien_id != event.lien_id]
            case "lien_assigned":
                pass
    return TitleHistory(tuple(ordered), owner, tuple(liens), texts)


def parse_lien(described: Mapping[str, Any]) -> Lien:
    """Return the lien that plain JSON describes: reference, holder (an institution), registered_date, amount.

    Raises:
        RecordInvalid, FieldTooLong, NotADate, NotAnAmount: the place names the field.

    """
    try:
        lien = msgspec.convert(dict(described), type=Lien)
    except msgspec.ValidationError as error:
        raise RecordInvalid(problem=str(error), place=Place(field="lien")) from None
    check_part(lien)
    if lien.released_date is not None:
        raise RecordInvalid(problem="a lien that is filed is not released", place=Place(field="released_date"))
    return lien


def lien_text(lien: Lien) -> bytes:
    """Return a lien's canonical JSON (RFC 8785) without absent fields: what its id hashes."""
    told = {name: value for name, value in msgspec.to_builtins(lien).items() if value is not None}
    return rfc8785.dumps(told)


def lien_id_of(text: bytes) -> str:
    """Return a lien's id on the chain: keccak256 of its canonical JSON."""
    return "0x" + keccak(text).hex()
