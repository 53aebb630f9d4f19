# SPDX-License-Identifier: Apache-2.0
"""Wallets of investors and the reading of addresses. Keys of managed wallets are the keystore's."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final

from eth_utils.address import to_checksum_address

from muniment.parties.errors import BadChecksum, NotAnAddress
from muniment.units.errors import Place
from muniment.units.ids import Address, InvestorId, TenantId, WalletId

ZERO_ADDRESS: Final = Address("0x" + "0" * 40)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Wallet:
    """An address of an investor. `position` counts an investor's wallets from 1; the first is their identity on chain.

    `managed` says that Muniment's keystore signs for it; else only the investor can, and `proved_at` says since when that is proved.
    """

    wallet_id: WalletId
    tenant_id: TenantId
    investor_id: InvestorId
    position: int
    address: Address
    managed: bool
    added_at: dt.datetime
    proved_at: dt.datetime | None = None


def parse_address(text: str, *, field: str = "address") -> Address:
    """Return the address that `text` spells with its EIP-55 checksum; refuse one without or with a wrong one, and the zero address.

    An address in small letters only carries no checksum, and a mistyped digit would send shares to nobody: it is refused as well.
    """
    if not _ADDRESS.fullmatch(text) or int(text, 16) == 0:
        raise NotAnAddress(address=text, place=Place(field=field))
    if text != to_checksum_address(text):
        raise BadChecksum(address=text, place=Place(field=field))
    return Address(text)


def checksummed(raw: bytes) -> Address:
    """Return 20 bytes as an address with its EIP-55 checksum."""
    assert len(raw) == 20, "an address has 20 bytes"
    return Address(to_checksum_address(raw))
