# SPDX-License-Identifier: Apache-2.0
"""What the further rules say no to, in the order of `_judge` in contracts/compliance/transfer_rules.vy.

An issue is bound by the recipient's minimum and the caps alone; a move between an investor's own wallets, or of nothing, by no rule.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from muniment.compliance.model.facts import InvestorFacts, Move, TokenFacts, WalletFacts
from muniment.compliance.model.rule_texts import period_text
from muniment.compliance.model.rules import (
    DAY_SECONDS,
    WEEKDAYS,
    CategoryHolderCap,
    CountryHolderCap,
    HoldingPeriod,
    MinimumHolding,
    Rule,
    TransferApproval,
    TransferHours,
    TransferWindows,
    VenuesOnly,
    VolumeLimit,
    WholePosition,
    clock_text,
)
from muniment.parties.model import numeric_country
from muniment.units.decisions import Reason
from muniment.units.instants import instant_text, unix_seconds
from muniment.units.shares import show_shares


def further_reasons(move: Move, token: TokenFacts, rules: Sequence[Rule], *, at: dt.datetime) -> Iterator[Reason]:
    """Yield every broken rule, the chain's first one first."""
    if move.shares == 0 or move.is_own:
        return
    of_kind: Mapping[str, Rule] = {rule.kind: rule for rule in rules}
    if move.sender is not None:
        yield from _time_reasons(of_kind, at)
        yield from _way_reasons(of_kind, move, move.sender, token, at)
        yield from _sender_reasons(of_kind, move.sender, move.shares, token, at)
    yield from _receiver_reasons(of_kind, move, token)
    if move.joins:
        yield from (reason for rule in rules if isinstance(rule, CountryHolderCap) for reason in _country_cap_reasons(rule, move, token))
        yield from (reason for rule in rules if isinstance(rule, CategoryHolderCap) for reason in _category_cap_reasons(rule, move, token))


def _time_reasons(rules: Mapping[str, Rule], at: dt.datetime) -> Iterator[Reason]:
    windows, hours = rules.get(TransferWindows.kind), rules.get(TransferHours.kind)
    if isinstance(windows, TransferWindows):
        present_or_next = next((window for window in windows.windows if unix_seconds(at) < unix_seconds(window.closes_at)), None)
        if present_or_next is None or unix_seconds(at) < unix_seconds(present_or_next.opens_at):
            opens_at = None if present_or_next is None else instant_text(present_or_next.opens_at)
            yield Reason(
                "compliance.transfer_window_closed",
                "No transfer window of this security is open; "
                + ("none is to come." if opens_at is None else f"the next one opens at {opens_at}."),
                rule=windows.rule_id,
                citation=windows.citation,
                facts={"at": instant_text(at), "opens_at": opens_at},
                cure="Ask the issuer for a new window." if opens_at is None else f"Wait until {opens_at}.",
            )
    if isinstance(hours, TransferHours):
        opens = _hours_open_at(hours, unix_seconds(at))
        if opens > unix_seconds(at):
            opens_at = instant_text(dt.datetime.fromtimestamp(opens, tz=dt.UTC))
            yield Reason(
                "compliance.transfer_hours_closed",
                f"This security moves from {clock_text(hours.opens_second)} to {clock_text(hours.closes_second)} UTC"
                f" on {', '.join(hours.weekdays)}.",
                rule=hours.rule_id,
                citation=hours.citation,
                facts={"at": instant_text(at), "opens_at": opens_at},
                cure=f"Wait until {opens_at}.",
            )


def _hours_open_at(hours: TransferHours, at_seconds: int) -> int:
    """Return the opening of the present hours, else of the next, in Unix seconds."""
    today = at_seconds // DAY_SECONDS
    # The first day of Unix time was a Thursday. A week from today at the latest there is an opening.
    days = (day for day in range(today, today + 8) if WEEKDAYS[(day + 3) % 7] in hours.weekdays)
    return next(day * DAY_SECONDS + hours.opens_second for day in days if at_seconds < day * DAY_SECONDS + hours.closes_second)


def _way_reasons(rules: Mapping[str, Rule], move: Move, sender: WalletFacts, token: TokenFacts, at: dt.datetime) -> Iterator[Reason]:
    venues, approval = rules.get(VenuesOnly.kind), rules.get(TransferApproval.kind)
    if isinstance(venues, VenuesOnly) and not {sender.address, move.receiver.address} & set(venues.venues):
        yield Reason(
            "compliance.venue_not_listed",
            "This security moves only through listed venues; neither wallet is one.",
            rule=venues.rule_id,
            citation=venues.citation,
            facts={"venues": len(venues.venues)},
            cure="Trade it on a listed venue.",
        )
    if isinstance(approval, TransferApproval) and move.approved_until <= unix_seconds(at):
        ended_at = None if move.approved_until == 0 else instant_text(dt.datetime.fromtimestamp(move.approved_until, tz=dt.UTC))
        shown = show_shares(move.shares, decimals=token.decimals)
        yield Reason(
            "compliance.transfer_not_approved",
            f"The transfer agent has not approved a transfer of exactly {shown} shares between these wallets."
            if ended_at is None
            else f"The approval of this transfer ended at {ended_at}.",
            rule=approval.rule_id,
            citation=approval.citation,
            facts={"shares": str(move.shares), "approved_until": ended_at},
            cure="Ask the transfer agent to approve this transfer.",
        )


def _sender_reasons(rules: Mapping[str, Rule], sender: WalletFacts, shares: int, token: TokenFacts, at: dt.datetime) -> Iterator[Reason]:
    position = sender.position
    rest = position - min(shares, position)
    whole, minimum = rules.get(WholePosition.kind), rules.get(MinimumHolding.kind)
    period, volume = rules.get(HoldingPeriod.kind), rules.get(VolumeLimit.kind)
    if isinstance(whole, WholePosition) and whole.sends and rest > 0:
        shown = show_shares(position, decimals=token.decimals)
        yield Reason(
            "compliance.whole_position_only",
            f"The sender holds {shown} shares, and an investor parts with all of them or none.",
            rule=whole.rule_id,
            citation=whole.citation,
            facts={"shares": str(shares), "position": str(position)},
            cure=f"Transfer all {shown} shares.",
        )
    if isinstance(minimum, MinimumHolding) and 0 < rest < minimum.shares:
        most = max(0, position - minimum.shares)
        all_of_it = f"all {show_shares(position, decimals=token.decimals)} shares"
        yield Reason(
            "compliance.sender_below_minimum",
            f"The sender would keep {show_shares(rest, decimals=token.decimals)} shares;"
            f" an investor holds none or at least {show_shares(minimum.shares, decimals=token.decimals)}.",
            rule=minimum.rule_id,
            citation=minimum.citation,
            facts={"shares": str(shares), "rest": str(rest), "minimum": str(minimum.shares)},
            cure=f"Transfer {all_of_it}."
            if most == 0
            else f"Transfer {all_of_it}, or at most {show_shares(most, decimals=token.decimals)}.",
        )
    # The chain remembers lots of its own; once the last one has been held long enough, none is held back.
    held_back = sender.remembered.held_back if sender.remembered.free_at > unix_seconds(at) else 0
    if isinstance(period, HoldingPeriod) and rest < held_back:
        free_at = instant_text(dt.datetime.fromtimestamp(sender.remembered.free_at, tz=dt.UTC))
        most = max(0, position - held_back)
        yield Reason(
            "compliance.holding_period",
            f"The sender acquired {show_shares(held_back, decimals=token.decimals)} shares within the holding period of"
            f" {period_text(period.period_seconds)}; the last of them are locked until {free_at}.",
            rule=period.rule_id,
            citation=period.citation,
            facts={"shares": str(shares), "position": str(position), "held_back": str(held_back), "free_at": free_at},
            cure=f"Transfer at most {show_shares(most, decimals=token.decimals)} shares, or wait until {free_at}.",
        )
    room = 0 if not isinstance(volume, VolumeLimit) else max(0, volume.shares - sender.remembered.sent)
    if isinstance(volume, VolumeLimit) and shares > room:
        begins_anew = (unix_seconds(at) // volume.period_seconds + 1) * volume.period_seconds
        anew_at = instant_text(dt.datetime.fromtimestamp(begins_anew, tz=dt.UTC))
        yield Reason(
            "compliance.volume_limit",
            f"An investor sends at most {show_shares(volume.shares, decimals=token.decimals)} shares in"
            f" {period_text(volume.period_seconds)}; the sender has sent"
            f" {show_shares(sender.remembered.sent, decimals=token.decimals)}.",
            rule=volume.rule_id,
            citation=volume.citation,
            facts={"shares": str(shares), "sent": str(sender.remembered.sent), "volume_max": str(volume.shares), "begins_anew_at": anew_at},
            cure=f"Transfer at most {show_shares(room, decimals=token.decimals)} shares, or wait until {anew_at}.",
        )


def _receiver_reasons(rules: Mapping[str, Rule], move: Move, token: TokenFacts) -> Iterator[Reason]:
    held = move.receiver.position
    whole, minimum = rules.get(WholePosition.kind), rules.get(MinimumHolding.kind)
    if isinstance(whole, WholePosition) and whole.receives and move.sender is not None and held > 0:
        yield Reason(
            "compliance.receiver_holds_already",
            f"The recipient holds {show_shares(held, decimals=token.decimals)} shares; only who holds none may receive from a holder.",
            rule=whole.rule_id,
            citation=whole.citation,
            facts={"balance": str(held)},
            cure="Choose a recipient who holds none.",
        )
    if isinstance(minimum, MinimumHolding) and held + move.shares < minimum.shares:
        least = show_shares(minimum.shares - held, decimals=token.decimals)
        yield Reason(
            "compliance.receiver_below_minimum",
            f"The recipient would hold {show_shares(held + move.shares, decimals=token.decimals)} shares;"
            f" an investor holds none or at least {show_shares(minimum.shares, decimals=token.decimals)}.",
            rule=minimum.rule_id,
            citation=minimum.citation,
            facts={"balance": str(held), "shares": str(move.shares), "minimum": str(minimum.shares)},
            cure=f"Transfer at least {least} shares.",
        )


def _country_cap_reasons(rule: CountryHolderCap, move: Move, token: TokenFacts) -> Iterator[Reason]:
    country = numeric_country(rule.country)
    if move.receiver.country != country or move.receiver.remembered.country_place is not None:
        return
    leaver = _leaver(move)
    vacates = leaver is not None and leaver.country_place == country
    if _is_full(token.country_holders, rule.holders, vacates=vacates):
        yield Reason(
            "compliance.country_holder_cap",
            f"{token.country_holders} investors of {rule.country} hold this security; {rule.holders} may.",
            rule=rule.rule_id,
            citation=rule.citation,
            facts={"country": rule.country, "holders": token.country_holders, "holder_cap": rule.holders},
            cure=f"{_places_left(token.country_holders, rule.holders)}; transfer to a present holder, or to another country.",
        )


def _category_cap_reasons(rule: CategoryHolderCap, move: Move, token: TokenFacts) -> Iterator[Reason]:
    receiver = move.receiver.remembered
    if receiver.category != rule.category or receiver.is_counted_by_category:
        return
    leaver = _leaver(move)
    vacates = leaver is not None and leaver.is_counted_by_category and leaver.category == rule.category
    if _is_full(token.category_holders, rule.holders, vacates=vacates):
        yield Reason(
            "compliance.category_holder_cap",
            f"{token.category_holders} investors of category {rule.category} hold this security; {rule.holders} may.",
            rule=rule.rule_id,
            citation=rule.citation,
            facts={"category": rule.category, "holders": token.category_holders, "holder_cap": rule.holders},
            cure=f"{_places_left(token.category_holders, rule.holders)}; transfer to a present holder.",
        )


def _leaver(move: Move) -> InvestorFacts | None:
    """Return who gives up a place in the same move; a wallet that the registry does not know has none, whatever its address stood for."""
    return move.sender.remembered if move.leaves and move.sender is not None and move.sender.identity is not None else None


def _is_full(holders: int, cap: int, *, vacates: bool) -> bool:
    return holders > cap or (holders == cap and not vacates)


def _places_left(holders: int, cap: int) -> str:
    return f"{max(0, cap - holders)} of {cap} places left"
