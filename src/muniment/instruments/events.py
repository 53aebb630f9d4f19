# SPDX-License-Identifier: Apache-2.0
"""Facts that instruments tells the contexts above through the outbox. Ids and addresses only: no personal data."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class AssetRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """An asset record was stored; its id is the hash of its canonical JSON."""

    kind: ClassVar[str] = "instruments.asset_recorded"

    asset_record_id: str
    asset_id: str
    asset_kind: str


class SecurityDrafted(msgspec.Struct, frozen=True, kw_only=True):
    """A security has terms, but no token yet."""

    kind: ClassVar[str] = "instruments.security_drafted"

    security_id: str
    asset_record_id: str
    symbol: str


class SecurityDeployed(msgspec.Struct, frozen=True, kw_only=True):
    """A security's token stands on the chain, paused; its deployment is final."""

    kind: ClassVar[str] = "instruments.security_deployed"

    security_id: str
    token_address: str
    block_number: int


class TitleMinted(msgspec.Struct, frozen=True, kw_only=True):
    """The deed of a unique asset is in its owner's wallet; final."""

    kind: ClassVar[str] = "instruments.title_minted"

    asset_record_id: str
    asset_id: str
    deed_address: str
    token_id: str
    owner: str


class PersonalValueErased(msgspec.Struct, frozen=True, kw_only=True):
    """The key of one personal value was destroyed; its commitment stays in the record."""

    kind: ClassVar[str] = "instruments.personal_value_erased"

    asset_record_id: str
    name: str
