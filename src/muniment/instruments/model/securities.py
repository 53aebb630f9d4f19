# SPDX-License-Identifier: Apache-2.0
"""A security from draft to close, one frozen type per state. Who may hold it and who holds it is decided above."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from muniment.instruments.errors import SecurityTermsInvalid, SymbolInvalid, WrongState
from muniment.units.errors import Place
from muniment.units.ids import Address, AssetRecordId, SecurityId
from muniment.units.money import MINOR_DIGITS, UnknownCurrency

NAME_BYTES_MAX = 64
"""The token keeps its name in a String[64], which counts bytes of UTF-8."""
SUPPLY_MAX = 2**96 - 1
"""The token keeps its supply in 96 bits."""
DECIMALS_MAX = 18
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,10}")

SecurityState: TypeAlias = Literal["drafted", "deploying", "deployed", "open", "closed"]


@dataclass(frozen=True, slots=True)
class SecurityTerms:
    """What does not change from draft to close. `shares_authorized` in base units; None where there is no limit."""

    security_id: SecurityId
    asset_record_id: AssetRecordId
    kind: str
    name: str
    symbol: str
    decimals: int
    currency: str | None
    shares_authorized: int | None
    share_class: str | None
    """The id of the class in the company's cap table, where the security is one."""
    drafted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DraftedSecurity:
    """Described; nothing on the chain."""

    terms: SecurityTerms
    state: Literal["drafted"] = "drafted"


@dataclass(frozen=True, slots=True)
class DeployingSecurity:
    """Its deployment is signed; the address is known before the block."""

    terms: SecurityTerms
    token_address: Address
    state: Literal["deploying"] = "deploying"


@dataclass(frozen=True, slots=True)
class DeployedSecurity:
    """On the chain and paused: it has no rules yet, so nobody can hold it."""

    terms: SecurityTerms
    token_address: Address
    deployed_block: int
    state: Literal["deployed"] = "deployed"


@dataclass(frozen=True, slots=True)
class OpenSecurity:
    """Its rules are on the chain and transfers run."""

    terms: SecurityTerms
    token_address: Address
    deployed_block: int
    state: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class ClosedSecurity:
    """Paused for good: kept for its history."""

    terms: SecurityTerms
    token_address: Address
    deployed_block: int
    state: Literal["closed"] = "closed"


Security: TypeAlias = DraftedSecurity | DeployingSecurity | DeployedSecurity | OpenSecurity | ClosedSecurity
TokenisedSecurity: TypeAlias = DeployedSecurity | OpenSecurity | ClosedSecurity
"""A security whose token stands on the chain."""


def token_purpose(security_id: SecurityId) -> str:
    """Return the name of the transaction that puts a security's token on the chain."""
    return f"instruments.deploy_token:{security_id}"


def check_terms(terms: SecurityTerms) -> SecurityTerms:
    """Return the terms; refuse a name, symbol, number of decimals, currency or authorisation that a token cannot have."""
    if not terms.name.strip() or len(terms.name.encode()) > NAME_BYTES_MAX or not terms.name.isprintable():
        raise SecurityTermsInvalid(problem=f"a name has 1 to {NAME_BYTES_MAX} printable characters", place=Place(field="name"))
    if not _SYMBOL.fullmatch(terms.symbol):
        raise SymbolInvalid(symbol=terms.symbol, place=Place(field="symbol"))
    if not 0 <= terms.decimals <= DECIMALS_MAX:
        raise SecurityTermsInvalid(problem=f"decimals are 0 to {DECIMALS_MAX}", place=Place(field="decimals"))
    if terms.currency is not None and terms.currency not in MINOR_DIGITS:
        raise UnknownCurrency(currency=terms.currency, place=Place(field="currency"))
    if terms.shares_authorized is not None and not 0 < terms.shares_authorized <= SUPPLY_MAX:
        raise SecurityTermsInvalid(
            problem="authorised shares are more than zero and fit 96 bits of base units", place=Place(field="shares_authorized")
        )
    return terms


def symbol_from(text: str) -> str:
    """Return a symbol made of what a certificate prefix or a name offers: capitals and digits, at most eleven."""
    letters = re.sub(r"[^A-Z0-9]+", "-", text.upper()).strip("-")
    return letters[:11].strip("-") or "SHARE"


def begin_deployment(security: Security, token_address: Address) -> DeployingSecurity:
    """Return the security with its address foretold; only a draft can begin."""
    if not isinstance(security, DraftedSecurity):
        raise WrongState(state=security.state, step="deployment", needed="drafted")
    return DeployingSecurity(security.terms, token_address)


def finish_deployment(security: Security, deployed_block: int) -> DeployedSecurity:
    """Return the security as it stands once its deployment is final."""
    if not isinstance(security, DeployingSecurity):
        raise WrongState(state=security.state, step="the end of deployment", needed="deploying")
    return DeployedSecurity(security.terms, security.token_address, deployed_block)


def open_security(security: Security) -> OpenSecurity:
    """Return the security with transfers running; only a deployed one can open."""
    if not isinstance(security, DeployedSecurity):
        raise WrongState(state=security.state, step="opening", needed="deployed")
    return OpenSecurity(security.terms, security.token_address, security.deployed_block)


def close_security(security: Security) -> ClosedSecurity:
    """Return the security closed for good; only an open one can close."""
    if not isinstance(security, OpenSecurity):
        raise WrongState(state=security.state, step="closing", needed="open")
    return ClosedSecurity(security.terms, security.token_address, security.deployed_block)


def tokenised(security: Security, *, step: str) -> TokenisedSecurity:
    """Return the security as one that has a token; refuse where it has none yet."""
    match security:
        case DeployedSecurity() | OpenSecurity() | ClosedSecurity():
            return security
        case DraftedSecurity() | DeployingSecurity():
            raise WrongState(state=security.state, step=step, needed="on the chain")
        case _:
            assert_never(security)
