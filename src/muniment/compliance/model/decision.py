# SPDX-License-Identifier: Apache-2.0
"""May these shares move from here to there? One decision with every reason, in the order in which the chain would name them.

The order and the codes are those of `check_transfer` in contracts/token/security_token.vy and of `_judge` in
contracts/compliance/joint_compliance.vy, published in contracts/reasons.json; tests/compliance holds the two against each other. What the
contract of further rules says comes last, from `further`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from muniment.compliance.model.compiled import compile_rules
from muniment.compliance.model.facts import Move, TokenFacts, WalletFacts
from muniment.compliance.model.further import further_reasons
from muniment.compliance.model.rules import (
    CountryAllowed,
    CountryBlocked,
    HolderCap,
    MaximumBalancePerInvestor,
    Rule,
    SupplyCap,
)
from muniment.parties.model import country_name, country_of_number
from muniment.units.decisions import Allowed, Decision, Reason, Refused
from muniment.units.errors import MunimentError
from muniment.units.instants import instant_text, unix_seconds
from muniment.units.shares import show_shares

SUPPLY_MAX = 2**96 - 1
"""The token keeps its supply in 96 bits."""
NO_EXPIRY = 2**40 - 1
"""What the identity registry keeps for an eligibility that does not end; Unix seconds."""


def decide(move: Move, token: TokenFacts, rules: Sequence[Rule], *, at: dt.datetime) -> Decision:
    """Return whether the move is allowed at `at`, or every reason against it, the chain's first."""
    reasons = (
        *_token_reasons(move, token, at),
        *_identity_reasons(move, at),
        *_rule_reasons(move, token, rules),
        *further_reasons(move, token, rules, at=at),
    )
    if not token.is_bound:
        # Without its rules the chain asks nothing else of compliance.
        reasons = (*_token_reasons(move, token, at), _not_bound())
    return Refused(reasons) if reasons else Allowed()


def _token_reasons(move: Move, token: TokenFacts, at: dt.datetime) -> Iterator[Reason]:
    """Yield what the token itself says no to: pause, freezes, balance, lockups, and for an issue the size of the supply."""
    if move.sender is None:
        if move.shares > SUPPLY_MAX - token.supply:
            yield Reason(
                "settlement.supply_too_large",
                "The supply would not fit the token.",
                facts={"shares": str(move.shares), "supply": str(token.supply), "supply_max": str(SUPPLY_MAX)},
                cure="Issue less.",
            )
        return
    if token.is_paused:
        yield Reason("settlement.paused", "Transfers of this security are paused.", cure="Wait until the transfer agent opens it.")
    if move.sender.is_frozen:
        yield Reason(
            "settlement.sender_frozen",
            "The sender's wallet is frozen.",
            facts={"address": move.sender.address},
            cure="The transfer agent can lift the freeze.",
        )
    if move.receiver.is_frozen:
        yield Reason(
            "settlement.receiver_frozen",
            "The recipient's wallet is frozen.",
            facts={"address": move.receiver.address},
            cure="The transfer agent can lift the freeze.",
        )
    if move.shares > move.sender.free:
        free = show_shares(move.sender.free, decimals=token.decimals)
        frozen = f"; {show_shares(move.sender.frozen_shares, decimals=token.decimals)} more are frozen" if move.sender.frozen_shares else ""
        yield Reason(
            "settlement.insufficient_balance",
            f"The sender has {free} shares to give, not {show_shares(move.shares, decimals=token.decimals)}{frozen}.",
            facts={
                "shares": str(move.shares),
                "balance": str(move.sender.balance),
                "frozen": str(move.sender.frozen_shares),
                "free": str(move.sender.free),
            },
            cure=f"Transfer at most {free} shares.",
        )
    else:
        yield from _lockup_reasons(move.sender, move.shares, token, unix_seconds(at))


def _lockup_reasons(sender: WalletFacts, shares: int, token: TokenFacts, at_seconds: int) -> Iterator[Reason]:
    """Yield the lockup against parting with `shares`, which are held and not frozen. Locked and frozen shares do not overlap."""
    spare = sender.free - shares
    if shares == 0 or sender.locked(at_seconds) <= spare:
        return
    unlocks_at = min(lockup.unlocks_at for lockup in sender.lockups if sender.locked(lockup.unlocks_at) <= spare)
    unlocks_at_text = instant_text(dt.datetime.fromtimestamp(unlocks_at, tz=dt.UTC))
    unlocked = show_shares(max(0, sender.free - sender.locked(at_seconds)), decimals=token.decimals)
    yield Reason(
        "compliance.lockup_active",
        f"The sender has {unlocked} shares that are not locked;"
        f" {show_shares(shares, decimals=token.decimals)} will be at {unlocks_at_text}.",
        rule="lockup",
        facts={"shares": str(shares), "locked": str(sender.locked(at_seconds)), "unlocks_at": unlocks_at_text},
        cure=f"Transfer at most {unlocked} shares, or wait.",
    )


def _identity_reasons(move: Move, at: dt.datetime) -> Iterator[Reason]:
    receiver = move.receiver
    if receiver.is_registered and receiver.verified_until > unix_seconds(at):
        return
    if not receiver.is_registered:
        sentence = "The recipient's wallet belongs to no verified investor of this issuer."
        cure = "Onboard and verify the recipient, or choose a wallet of a verified investor."
        ended_at = None
    else:
        ended_at = None if receiver.verified_until == 0 else instant_text(dt.datetime.fromtimestamp(receiver.verified_until, tz=dt.UTC))
        sentence = (
            "The recipient's verification was withdrawn." if ended_at is None else f"The recipient's verification ended at {ended_at}."
        )
        cure = "Verify the recipient again."
    yield Reason(
        "compliance.receiver_not_verified",
        sentence,
        rule="identity",
        citation="ERC-3643: only a wallet of a verified identity may receive",
        facts={"address": receiver.address, "registered": receiver.is_registered, "verified_until": ended_at},
        cure=cure,
    )


def _rule_reasons(move: Move, token: TokenFacts, rules: Sequence[Rule]) -> Iterator[Reason]:
    """Yield the broken rules: countries, supply, then what is counted per investor."""
    yield from (reason for rule in rules if (reason := _country_reason(rule, move)) is not None)
    if move.sender is None:
        yield from (
            _supply_reason(rule, move, token) for rule in rules if isinstance(rule, SupplyCap) and token.supply + move.shares > rule.shares
        )
    if move.shares == 0 or move.is_own:
        # Between an investor's own wallets nothing changes that is counted.
        return
    held = move.receiver.position
    for rule in rules:
        if isinstance(rule, MaximumBalancePerInvestor) and held + move.shares > rule.shares:
            yield _maximum_reason(rule, move, held, token)
    for rule in rules:
        if isinstance(rule, HolderCap) and held == 0 and not move.leaves and token.holders >= rule.holders:
            yield _holders_reason(rule, token)


def _country_reason(rule: Rule, move: Move) -> Reason | None:
    if not move.receiver.is_registered:
        # Nobody knows where an unregistered wallet's owner lives; that it is unregistered was said already.
        return None
    number = move.receiver.country or 0
    shown = _country_shown(number)
    match rule:
        case CountryAllowed() if number not in compile_rules([rule]).countries:
            return Reason(
                "compliance.country_not_allowed",
                f"The recipient is of {shown}; this security may be held only in {_countries_shown(rule.countries)}.",
                rule=rule.rule_id,
                citation=rule.citation,
                facts={"country": number, "country_name": shown, "countries_allowed": list(rule.countries)},
                cure="Choose a recipient of an allowed country.",
            )
        case CountryBlocked() if number in compile_rules([rule]).countries:
            return Reason(
                "compliance.country_blocked",
                f"The recipient is of {shown}, where this security may not be held.",
                rule=rule.rule_id,
                citation=rule.citation,
                facts={"country": number, "country_name": shown, "countries_blocked": list(rule.countries)},
                cure="Choose a recipient of another country.",
            )
        case _:
            return None


def _country_shown(number: int) -> str:
    try:
        return country_name(country_of_number(number))
    except MunimentError:
        # The registry takes any three digits; the list of countries is shorter.
        return f"a country without a name ({number})"


def _supply_reason(rule: SupplyCap, move: Move, token: TokenFacts) -> Reason:
    room = max(0, rule.shares - token.supply)
    return Reason(
        "compliance.supply_cap",
        f"With this issue {show_shares(token.supply + move.shares, decimals=token.decimals)} shares would be outstanding;"
        f" {show_shares(rule.shares, decimals=token.decimals)} are allowed.",
        rule=rule.rule_id,
        citation=rule.citation,
        facts={"supply": str(token.supply), "shares": str(move.shares), "supply_cap": str(rule.shares)},
        cure=f"Issue at most {show_shares(room, decimals=token.decimals)} shares." if room else "Raise the cap first.",
    )


def _maximum_reason(rule: MaximumBalancePerInvestor, move: Move, held: int, token: TokenFacts) -> Reason:
    room = max(0, rule.shares - held)
    return Reason(
        "compliance.maximum_balance",
        f"The recipient would hold {show_shares(held + move.shares, decimals=token.decimals)} shares;"
        f" an investor may hold at most {show_shares(rule.shares, decimals=token.decimals)}.",
        rule=rule.rule_id,
        citation=rule.citation,
        facts={"balance": str(held), "shares": str(move.shares), "maximum": str(rule.shares)},
        cure=f"Transfer at most {show_shares(room, decimals=token.decimals)} shares." if room else "The recipient holds the maximum.",
    )


def _holders_reason(rule: HolderCap, token: TokenFacts) -> Reason:
    return Reason(
        "compliance.holder_cap",
        f"{token.holders} investors hold this security; {rule.holders} may.",
        rule=rule.rule_id,
        citation=rule.citation,
        facts={"holders": token.holders, "holder_cap": rule.holders},
        cure="Transfer to an investor who holds it already.",
    )


def _not_bound() -> Reason:
    return Reason(
        "compliance.not_bound",
        "The security is not tied to its rules on the chain.",
        cure="Deploy the security through the factory.",
    )


def _countries_shown(countries: Sequence[str]) -> str:
    return ", ".join(countries) if len(countries) <= 8 else f"{', '.join(countries[:8])} and {len(countries) - 8} more"
