# SPDX-License-Identifier: Apache-2.0
"""Rules about the register as a whole: how many holders section 12(g), 3(c)(1) and 3(c)(7) allow, and the DLT Pilot's sizes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from muniment.compliance.model.law import investors as classes
from muniment.compliance.model.law.book import LawRule
from muniment.compliance.model.law.case import Case
from muniment.compliance.model.law.reasons import cents, exact, missing, reason
from muniment.units.decisions import Reason

WARN_PERCENT = 80
"""From this part of a limit on there is a warning."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a move would do to the counts; nothing where the register is only looked at."""

    comes: str | None = None
    """An investor who would become a holder."""
    goes: str | None = None
    """An investor who would cease to be one."""
    sender: str | None = None
    receiver: str | None = None
    quantity: int = 0
    issued: bool = False
    """Whether the quantity is new, so that there is more of the security after it."""

    @property
    def is_none(self) -> bool:
        """Whether the register is looked at as it stands."""
        return self.receiver is None and self.sender is None


NO_CHANGE = Change()


@dataclass(frozen=True, slots=True)
class SnapshotQuestion:
    """The register on a day, perhaps after a move."""

    case: Case
    on: dt.date
    change: Change = NO_CHANGE

    def counted(self, now: int, weight: Callable[[str], int]) -> int:
        """Return a count after the move; `weight` is as how many an investor counts."""
        comes = 0 if self.change.comes is None else weight(self.change.comes)
        goes = 0 if self.change.goes is None else weight(self.change.goes)
        return now + comes - goes


@dataclass(frozen=True, slots=True)
class Count:
    """A count against its limit: what the register shows, what it would show, and from which number on it is too many."""

    name: str
    now: int
    then: int
    too_many: int

    @property
    def breaks(self) -> bool:
        """Whether it is too many and the move, if there is one, makes it more."""
        return self.then >= self.too_many

    def as_json(self) -> dict[str, int]:
        """Return the wire shape."""
        return {self.name: self.then, f"{self.name}_less_than": self.too_many}


def counts_12g(rule: LawRule, ask: SnapshotQuestion) -> tuple[Count, ...]:
    """Return the counts of section 12(g): all holders of record and those not accredited; none where the issuer is too small.

    Holders of crowdfunded shares alone, or of shares of a tier 2 offering of Regulation A, are left out as `_left_out` says; for a
    foreign private issuer only holders in the United States count, against their own limit.
    """
    params, terms, case = rule.params, ask.case.terms, ask.case
    if terms.total_assets_usd is not None and terms.total_assets_usd <= params["total_assets_usd_gt"] * classes.CENTS:
        return ()
    left_out = _left_out(case)
    exempt, exempt_non_accredited = case.holders_only_under(left_out) if left_out else (frozenset[str](), 0)
    comes = ask.change.comes
    spared = comes if comes is not None and ask.change.issued and case.exemption_of(comes, None) in left_out else None
    if terms.foreign_private_issuer and case.us_holders + _is_american(case, comes) < params["fpi_us_holders_lt"]:
        return ()  # 17 CFR 240.12g3-2(a)
    holders = len(case.counted_holders - exempt) if exempt else len(case.counted_holders)
    weigh = _weight(ask, lambda investor_id: _is_counted(case, investor_id) and investor_id not in exempt and investor_id != spared)
    counts = [Count("holders", holders, ask.counted(holders, weigh), params["holders_of_record_ge"])]
    if not terms.is_bank:
        others = case.non_accredited_holders - exempt_non_accredited
        weigh_others = _weight(
            ask,
            lambda investor_id: (
                _is_counted(case, investor_id)
                and investor_id not in exempt
                and investor_id != spared
                and not case.is_accredited(investor_id)
            ),
        )
        counts.append(Count("non_accredited_holders", others, ask.counted(others, weigh_others), params["non_accredited_holders_ge"]))
    return tuple(counts)


CROWDFUNDING_ASSETS_USD_MAX = 25_000_000
"""17 CFR 240.12g-6(a)(3): above these total assets holders of crowdfunded shares count."""


def _left_out(case: Case) -> frozenset[str]:
    """Return the exemptions whose holders section 12(g) does not count, on the facts that are known.

    Both need a registered transfer agent and current reports. Regulation Crowdfunding: total assets of at most 25 million dollars (17 CFR
    240.12g-6). Tier 2 of Regulation A: a public float below 75 million dollars or, without any, revenue below 50 (240.12g5-1(a)(7)).
    """
    terms = case.terms
    if not terms.transfer_agent_registered or terms.current_public_information is False:
        return frozenset()
    found: set[str] = set()
    if terms.total_assets_usd is not None and terms.total_assets_usd <= CROWDFUNDING_ASSETS_USD_MAX * classes.CENTS:
        found.add("us.regcf")
    params = case.book.rules["us.rega"].params
    if terms.rega_tier == 2 and terms.public_float_usd is not None:
        if terms.public_float_usd > 0:
            is_small = terms.public_float_usd < params["t2_12g_float_usd_lt"] * classes.CENTS
        else:
            is_small = terms.annual_revenue_usd is not None and terms.annual_revenue_usd < params["t2_12g_revenue_usd_lt"] * classes.CENTS
        if is_small:
            found.add("us.rega")
    return frozenset(found)


def _is_american(case: Case, investor_id: str | None) -> bool:
    investor = None if investor_id is None else case.investors.get(investor_id)
    return investor is not None and investor.is_us_person


def _is_counted(case: Case, investor_id: str) -> bool:
    investor = case.investors.get(investor_id)
    return investor is None or not investor.compensation_plan


def _weight(_ask: SnapshotQuestion, counts: Callable[[str], bool]) -> Callable[[str], int]:
    return lambda investor_id: int(counts(investor_id))


def section_12g(rule: LawRule, ask: SnapshotQuestion) -> Iterator[Reason]:
    """Fewer than 2,000 holders of record, and fewer than 500 who are not accredited, or the issuer must register the class."""
    for count in counts_12g(rule, ask):
        if count.breaks and (ask.change.is_none or count.then > count.now):
            name = count.name.replace("_", " ")
            yield reason(
                rule,
                "holders_of_record",
                f"{count.then} {name} of record reach the {count.too_many} from which the issuer must register under section 12(g).",
                cure=(
                    "Transfer to a present holder."
                    if count.name == "holders"
                    else "Transfer to a present holder or an accredited investor."
                )
                if not ask.change.is_none
                else f"Register within {rule.params['register_within_days']} days of the fiscal year's end, or reduce the holders.",
                **count.as_json(),
            )


def section_3c1(rule: LawRule, ask: SnapshotQuestion) -> Iterator[Reason]:
    """At most 100 beneficial owners (250 of a qualifying venture fund); a fund that holds a tenth counts as its own owners."""
    unknown = ask.case.funds_of_unknown_owners
    if unknown:
        yield missing(rule, "beneficial_owners", of=unknown[0])
    count = count_3c1(rule, ask)
    if count.breaks and (ask.change.is_none or count.then > count.now):
        limit = count.too_many - 1
        yield reason(
            rule,
            "beneficial_owners",
            f"The fund would have {count.then} beneficial owners; {limit} keep it out of the Investment Company Act.",
            cure="Transfer to a present owner." if not ask.change.is_none else "Reduce the owners, or rely on section 3(c)(7).",
            beneficial_owners=count.then,
            beneficial_owners_max=limit,
            room=max(0, limit - count.now),
        )


def count_3c1(rule: LawRule, ask: SnapshotQuestion) -> Count:
    """Return the count of section 3(c)(1)."""
    params, terms, case = rule.params, ask.case.terms, ask.case
    small = terms.fund_capital_usd is not None and terms.fund_capital_usd <= params["qvcf_capital_usd_max"] * classes.CENTS
    limit = params["qvcf_owners_max"] if terms.is_qualifying_venture_fund and small else params["beneficial_owners_max"]
    then, change = case.beneficial_owners, ask.change
    total = case.total + (change.quantity if change.issued else 0)
    for investor_id, moved in ((change.sender, -change.quantity), (change.receiver, change.quantity)):
        if investor_id is not None and change.sender != change.receiver:
            held = case.position(investor_id)
            then += case.owners_of(investor_id, max(0, held + moved), total) - case.owners_of(investor_id, held, case.total)
    return Count("beneficial_owners", case.beneficial_owners, then, limit + 1)


def section_3c7(rule: LawRule, ask: SnapshotQuestion) -> Iterator[Reason]:
    """Every holder a qualified purchaser or a knowledgeable employee; at most 1,999, so that section 12(g) is not reached."""
    case = ask.case
    looked_at = (ask.change.receiver,) if not ask.change.is_none else sorted(case.holders)
    for investor_id in looked_at:
        if investor_id is None:
            continue
        investor = case.investors.get(investor_id)
        if investor is None or not (investor.knowledgeable_employee or classes.qualified_purchaser(investor, case.book)):
            yield reason(
                rule,
                "not_qualified_purchaser",
                f"The investor {investor_id} is not known to be a qualified purchaser; every holder of this fund must be.",
                cure="Show investments of at least 5 million dollars (25 million of an entity), or choose another investor.",
                investor=investor_id,
            )
    count = count_3c7(rule, ask)
    if count.breaks and (ask.change.is_none or count.then > count.now):
        yield reason(
            rule,
            "holders_of_record",
            f"{count.then} holders would be more than the {count.too_many - 1} that keep the fund below section 12(g).",
            cure="Transfer to a present holder.",
            holders=count.then,
            holders_max=count.too_many - 1,
        )


def count_3c7(rule: LawRule, ask: SnapshotQuestion) -> Count:
    """Return the count of section 3(c)(7)'s practical cap."""
    now = len(ask.case.holders)
    return Count("holders", now, ask.counted(now, lambda _: 1), rule.params["practical_holder_cap"] + 1)


def dlt_pilot(rule: LawRule, ask: SnapshotQuestion) -> Iterator[Reason]:
    """The size of the instrument below its limit at admission, then all instruments of the venue together (Art 3)."""
    terms, params = ask.case.terms, rule.params
    figure, name, limit = {
        "debt": (terms.issue_size_eur, "issue_size_eur", params["bond_issue_eur_lt"]),
        "fund_unit": (terms.assets_under_management_eur, "assets_under_management_eur", params["ucits_aum_eur_lt"]),
    }.get(terms.kind, (terms.market_capitalisation_eur, "market_capitalisation_eur", params["share_issuer_mcap_eur_lt"]))
    if figure is None:
        yield missing(rule, f"terms.{name}")
    elif figure >= limit * classes.CENTS:
        yield reason(
            rule,
            "too_large_for_pilot",
            f"The {name.removesuffix('_eur').replace('_', ' ')} of {cents(figure, 'EUR')}"
            f" is not below {cents(limit * classes.CENTS, 'EUR')}.",
            cure="Admit it to a venue outside the pilot.",
            **{name: exact(figure, "EUR")},
            less_than=exact(limit * classes.CENTS, "EUR"),
        )
    aggregate = terms.aggregate_admitted_eur
    if aggregate is not None and aggregate > params["aggregate_admission_eur_le"] * classes.CENTS:
        yield reason(
            rule,
            "pilot_full",
            f"The venue's instruments are worth {cents(aggregate, 'EUR')} together;"
            f" at most {cents(params['aggregate_admission_eur_le'] * classes.CENTS, 'EUR')} may be when a new one is admitted.",
            cure="Wait until the aggregate is below, or admit it to another venue.",
            aggregate_eur=exact(aggregate, "EUR"),
        )


SnapshotRule = Callable[[LawRule, SnapshotQuestion], Iterator[Reason]]

SNAPSHOT_RULES: Mapping[str, SnapshotRule] = {
    "us.12g": section_12g,
    "us.3c1": section_3c1,
    "us.3c7": section_3c7,
    "eu.dlt_pilot": dlt_pilot,
}
"""Rules that are asked of the register, as it stands or after a move, by id."""


def warnings_of(rule: LawRule, ask: SnapshotQuestion) -> Iterator[str]:
    """Yield a warning for each count at four fifths of its limit or more that does not break it yet."""
    counts: tuple[Count, ...] = ()
    match rule.rule_id:
        case "us.12g":
            counts = counts_12g(rule, ask)
        case "us.3c1":
            counts = (count_3c1(rule, ask),)
        case "us.3c7":
            counts = (count_3c7(rule, ask),)
        case _:
            return
    for count in counts:
        if not count.breaks and count.then * 100 >= WARN_PERCENT * count.too_many:
            room = count.too_many - 1 - count.then
            yield f"{rule.rule_id}: {count.then} of {count.too_many - 1} {count.name.replace('_', ' ')}; {room} places are left."
