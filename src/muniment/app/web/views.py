# SPDX-License-Identifier: Apache-2.0
"""What the pages show, as frozen values in words and figures; templates draw them. Reading them is the pages' work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Mark:
    """A state as a word, an icon and a tone; never a colour alone."""

    word: str
    icon: str = "dot"
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A line of a select."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class Area:
    """A place of the left rail."""

    name: str
    href: str
    icon: str
    is_current: bool = False
    count: int = 0


@dataclass(frozen=True, slots=True)
class OrganisationChoice:
    """An organisation that the person may work for."""

    tenant_id: str
    name: str
    role_names: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Network:
    """The chain as the top bar shows it: its name, the height that the register has read, whether that is fresh."""

    name: str
    height: str
    state: str


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame round a page: whose it is, where it is, which colours."""

    theme: str
    csrf_token: str
    path: str = "/"
    search: str = ""
    person_name: str = ""
    role_names: str = ""
    organisation_name: str = ""
    organisations: Sequence[OrganisationChoice] = ()
    areas: Sequence[Area] = ()
    network: Network = Network(name="chain", height="–", state="stale")


@dataclass(frozen=True, slots=True)
class FormState:
    """What a person typed and what is wrong with it, so that nothing valid is lost."""

    values: Mapping[str, str] = field(default_factory=dict)
    wrong_field: str = ""
    wrong_sentence: str = ""
    wrong_cure: str = ""


@dataclass(frozen=True, slots=True)
class ReasonView:
    """One reason of a refusal: what, which rule, the values compared, the cure."""

    code: str
    sentence: str
    rule: str = ""
    citation: str = ""
    citation_href: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One station of a pipeline."""

    word: str
    tone: str = ""
    icon: str = ""
    is_now: bool = False
    block: str = ""


@dataclass(frozen=True, slots=True)
class SecurityRow:
    """A security in the list."""

    href: str
    name: str
    symbol: str
    kind: str
    state: Mark
    shares: str
    holders: str


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of a detail page; it has an address of its own."""

    name: str
    href: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class SecurityHead:
    """What every tab of a security shows above its own matter."""

    security_id: str
    name: str
    symbol: str
    kind: str
    state: Mark
    token_address: str
    asset_id: str
    shares: str
    holders: str
    authorized: str
    frozen: str
    block: str
    is_paused: bool
    may: frozenset[str] = frozenset()
    tabs: Sequence[Tab] = ()
    step: str = ""
    stations: Sequence[Step] = ()


@dataclass(frozen=True, slots=True)
class HolderRow:
    """A holder in the register."""

    name: str
    href: str
    country: str
    wallets: Sequence[str]
    shares: str
    percent: str
    width: str
    frozen: str = ""
    freeze_href: str = ""
    locked: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the ownership chart."""

    name: str
    href: str
    percent: str
    width: str
    shares: str
    is_rest: bool = False


@dataclass(frozen=True, slots=True)
class OwnershipChart:
    """Who owns how much: the finding in words, then bars on one scale that ends at the largest."""

    finding: str
    bars: Sequence[Bar]
    scale_end: str


@dataclass(frozen=True, slots=True)
class MovementRow:
    """A line of the transfers tab."""

    at: dt.datetime
    kind: str
    from_name: str
    from_href: str
    to_name: str
    to_href: str
    shares: str
    block: str
    transaction_hash: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot: how much, since when, on which terms, and from when on it may be resold."""

    shares: str
    of: str
    acquired_on: dt.date
    acquired_from: str
    consideration: str
    held_since: dt.date
    exemption: str
    is_stated: bool
    buyer_category: str
    paid: str
    paid_for: str
    standing: Mark
    americans_from: str
    is_control: bool
    annotate_href: str


@dataclass(frozen=True, slots=True)
class LotHolderRow:
    """A holder with the lots that a page shows; shares and lock are of all lots."""

    name: str
    href: str
    shares: str
    locked: str
    lots: Sequence[LotRow]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule of a security with its source."""

    name: str
    sentence: str
    citation: str
    citation_href: str
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document of the asset with its hash."""

    document_id: str
    name: str
    media_type: str
    size: str
    sha256: str
    stored_at: dt.datetime
    in_record: bool


@dataclass(frozen=True, slots=True)
class DividendRow:
    """A dividend in a security's history."""

    href: str
    rate: str
    total: str
    record_date: dt.date
    payment_date: dt.date | None
    state: Mark
    paid: str
    holders: str


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """What one holder is owed or was paid."""

    name: str
    href: str
    wallet: str
    shares: str
    gross: str
    withheld: str
    net: str
    state: Mark


@dataclass(frozen=True, slots=True)
class InvestorRow:
    """An investor in the list."""

    href: str
    investor_id: str
    name: str
    kind: str
    country: str
    status: Mark
    wallets: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction of the chain with its state."""

    href: str
    purpose: str
    hash: str
    signed_at: dt.datetime
    block: str
    gas: str
    steps: Sequence[Step]
    failure: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """Something that waits for, or got, a second pair of eyes."""

    href: str
    approval_id: str
    action: str
    summary: str
    requested_by: str
    requested_at: dt.datetime
    expires_at: dt.datetime
    state: Mark
    can_decide: bool
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry of the audit log."""

    sequence: str
    at: dt.datetime
    who: str
    action: str
    resource: str
    resource_href: str
    facts: Mapping[str, str]
    entry_hash: str


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """A line of a preview: what will be, before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What pressing the button will do, word for word; or why it cannot be done."""

    button: str = ""
    title: str = ""
    lines: Sequence[tuple[str, str]] = ()
    reasons: Sequence[ReasonView] = ()
    notes: Sequence[str] = ()
    fingerprint: str = ""

    @property
    def is_allowed(self) -> bool:
        """Whether nothing stands against it."""
        return not self.reasons and bool(self.button)
