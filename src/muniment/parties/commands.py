# SPDX-License-Identifier: Apache-2.0
"""The use cases of parties, one transaction each: onboard, verify, review, add a wallet, look up, export, erase."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never

from muniment.access.model import Action, Actor, authorize, permits
from muniment.access.ports import Page
from muniment.parties.errors import DuplicateWallet, NotInStatus, OwnSubmission, PersonErased, ReferenceTaken
from muniment.parties.events import InvestorErased, InvestorExpired, InvestorOnboarded, InvestorRejected, InvestorVerified, WalletAdded
from muniment.parties.model import (
    ERASED_NAME,
    Claim,
    Cleared,
    Draft,
    Failed,
    InReview,
    Investor,
    InvestorDraft,
    OnboardingReport,
    PersonalData,
    Referred,
    RefusedRow,
    StoredRow,
    Verdict,
    Wallet,
)
from muniment.parties.model.investors import accept, expire, refuse, submit
from muniment.parties.model.onboarding import (
    COLUMNS,
    ByteSource,
    ValidRow,
    csv_line,
    parse_draft,
    read_rows,
    refuse_repeats,
)
from muniment.parties.ports import KnownReference, NewInvestor, PartiesUnit
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import Address, InvestorId, WalletId, new_id

EXPORT_PAGE_ROWS: Final = 500
EXPIRY_BATCH_ROWS: Final = 500


# Onboarding


@dataclass(frozen=True, slots=True)
class OnboardedInvestor:
    """A new investor and the first wallet, their identity on chain."""

    investor: Investor
    wallet: Wallet


def onboard_investor(actor: Actor, fields: Mapping[str, str], *, unit: PartiesUnit) -> OnboardedInvestor:
    """Make an investor of named texts (the columns of the CSV); the first thing wrong is refused with its field.

    Without a wallet address the keystore makes a managed wallet.
    """
    authorize(actor, Action.PARTIES_ONBOARD, tenant_id=unit.tenant_id)
    draft = parse_draft(fields, today=unit.clock.now().date())
    if not isinstance(draft, InvestorDraft):
        raise draft[0]
    unit.investors.lock_onboarding()
    if draft.external_reference in unit.investors.known([draft]):
        raise ReferenceTaken(external_reference=draft.external_reference, place=Place(field="external_reference"))
    _refuse_taken_wallet(draft.wallet_address, unit=unit)
    (onboarded,) = _store([draft], unit=unit)
    unit.audit.record(actor, Action.PARTIES_ONBOARD, f"investor:{onboarded.investor.investor_id}", {})
    return onboarded


def onboard_csv(actor: Actor, file: ByteSource, *, file_name: str, unit: PartiesUnit) -> OnboardingReport:
    """Onboard every valid row of a CSV file and say of each row what became of it: accepted, refused with its reasons, or unchanged.

    A row whose external reference is known with the same data is unchanged, so the same file twice makes nobody twice; with other data it
    is refused. A file that cannot be read as a whole (more than 5 MB or 10,000 rows, a wrong header) is refused and nothing is stored.
    """
    authorize(actor, Action.PARTIES_ONBOARD, tenant_id=unit.tenant_id)
    digest = _DigestingFile(file)
    rows = list(refuse_repeats(read_rows(digest, file_name=file_name, today=unit.clock.now().date()), file_name=file_name))
    unit.investors.lock_onboarding()
    valid = [row for row in rows if isinstance(row, ValidRow)]
    refused = [row for row in rows if isinstance(row, RefusedRow)]
    known = unit.investors.known([row.draft for row in valid])
    taken = unit.wallets.taken([row.draft.wallet_address for row in valid if row.draft.wallet_address is not None])
    unchanged: list[StoredRow] = []
    fresh: list[ValidRow] = []
    for row in valid:
        reference = known.get(row.draft.external_reference)
        if reference is not None and reference.same:
            unchanged.append(StoredRow(row.line, row.draft.external_reference, reference.investor_id))
            continue
        reasons = _conflicts(row, reference, taken, file_name=file_name)
        if reasons:
            refused.append(RefusedRow(line=row.line, reasons=reasons))
        else:
            fresh.append(row)
    stored = _store([row.draft for row in fresh], unit=unit)
    accepted = tuple(
        StoredRow(row.line, row.draft.external_reference, onboarded.investor.investor_id)
        for row, onboarded in zip(fresh, stored, strict=True)
    )
    refused.sort(key=lambda row: row.line)
    report = OnboardingReport(accepted=accepted, refused=tuple(refused), unchanged=tuple(unchanged))
    facts = {
        "file_sha256": digest.hexdigest(),
        "accepted": len(report.accepted),
        "refused": len(report.refused),
        "unchanged": len(report.unchanged),
    }
    unit.audit.record(actor, Action.PARTIES_ONBOARD, "investors", facts)
    return report


def _conflicts(row: ValidRow, reference: KnownReference | None, taken: frozenset[Address], *, file_name: str) -> tuple[MunimentError, ...]:
    reasons: list[MunimentError] = []
    if reference is not None:
        place = Place(file=file_name, line=row.line, field="external_reference")
        if reference.erased:
            reasons.append(PersonErased(place=place))
        else:
            reasons.append(ReferenceTaken(external_reference=row.draft.external_reference, place=place))
    if row.draft.wallet_address in taken:
        place = Place(file=file_name, line=row.line, field="wallet_address")
        reasons.append(DuplicateWallet(address=row.draft.wallet_address, by=" by another investor", place=place))
    return tuple(reasons)


def _store(drafts: Sequence[InvestorDraft], *, unit: PartiesUnit) -> list[OnboardedInvestor]:
    at = unit.clock.now()
    onboarded = []
    for draft in drafts:
        investor = Investor(
            investor_id=InvestorId(new_id(at)),
            tenant_id=unit.tenant_id,
            external_reference=draft.external_reference,
            kind=draft.kind,
            country=draft.country,
            standing=Draft(since=at),
            created_at=at,
        )
        wallet = _new_wallet(investor.investor_id, draft.wallet_address, position=1, unit=unit)
        onboarded.append(OnboardedInvestor(investor=investor, wallet=wallet))
    unit.investors.add([NewInvestor(investor=one.investor, draft=draft) for one, draft in zip(onboarded, drafts, strict=True)])
    unit.wallets.add([one.wallet for one in onboarded])
    for one in onboarded:
        investor_id = one.investor.investor_id
        unit.outbox.record(InvestorOnboarded(tenant_id=unit.tenant_id, investor_id=investor_id))
        unit.outbox.record(WalletAdded(tenant_id=unit.tenant_id, investor_id=investor_id, wallet_id=one.wallet.wallet_id))
    return onboarded


class _DigestingFile:
    """Passes a file on and hashes what goes by, so that the log can name the file without its name."""

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, hashed."""
        chunk = self._file.read(size)
        self._digest.update(chunk)
        return chunk

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self._digest.hexdigest()


# Wallets


def add_wallet(actor: Actor, investor_id: InvestorId, address: Address | None, *, unit: PartiesUnit) -> Wallet:
    """Give an investor one more wallet: `address` as read by `parse_address`, or None for a managed one."""
    authorize(actor, Action.PARTIES_ADD_WALLET, tenant_id=unit.tenant_id)
    investor = unit.investors.get(investor_id, lock=True)
    if investor.is_erased:
        raise PersonErased
    _refuse_taken_wallet(address, unit=unit)
    wallet = _new_wallet(investor_id, address, position=len(unit.wallets.of_investor(investor_id)) + 1, unit=unit)
    unit.wallets.add([wallet])
    unit.outbox.record(WalletAdded(tenant_id=unit.tenant_id, investor_id=investor_id, wallet_id=wallet.wallet_id))
    facts = {"wallet_id": str(wallet.wallet_id), "managed": wallet.managed}
    unit.audit.record(actor, Action.PARTIES_ADD_WALLET, f"investor:{investor_id}", facts)
    return wallet


def _new_wallet(investor_id: InvestorId, address: Address | None, *, position: int, unit: PartiesUnit) -> Wallet:
    at = unit.clock.now()
    return Wallet(
        wallet_id=WalletId(new_id(at)),
        tenant_id=unit.tenant_id,
        investor_id=investor_id,
        position=position,
        address=unit.keys.create(unit.tenant_id) if address is None else address,
        managed=address is None,
        added_at=at,
    )


def _refuse_taken_wallet(address: Address | None, *, unit: PartiesUnit) -> None:
    if address is not None and unit.wallets.taken([address]):
        raise DuplicateWallet(address=address, by=" by an investor", place=Place(field="wallet_address"))


# Verification


def verify_investor(actor: Actor, investor_id: InvestorId, *, unit: PartiesUnit) -> tuple[Investor, Verdict]:
    """Have the identity provider check an investor, and return the investor after it with the provider's verdict.

    Cleared makes them verified with claims; failed makes them rejected with the codes; referred leaves them in review for a second person.
    """
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor, person = _with_person(investor_id, unit=unit)
    in_review = replace(investor, standing=submit(investor.standing, by=actor.user_id, at=at))
    verdict = unit.identity_provider.check(in_review, person, at=at)
    match verdict:
        case Cleared():
            decided = _accept(actor, in_review, verdict, at=at, unit=unit)
        case Failed():
            decided = _refuse(actor, in_review, tuple(reason.code for reason in verdict.reasons), at=at, unit=unit)
        case Referred():
            decided = in_review
            unit.investors.save_standing(in_review)
            codes = [reason.code for reason in verdict.reasons]
            unit.audit.record(actor, Action.PARTIES_VERIFY, f"investor:{investor_id}", {"status": "in_review", "codes": codes})
        case _:
            assert_never(verdict)
    return decided, verdict


def decide_review(actor: Actor, investor_id: InvestorId, *, accepted: bool, unit: PartiesUnit) -> Investor:
    """Decide about an investor whom the provider referred, as a second person; the provider's checks are run once more before a yes."""
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor, person = _with_person(investor_id, unit=unit)
    if not isinstance(investor.standing, InReview):
        raise NotInStatus(status=investor.status, needed="in_review")
    if investor.standing.submitted_by == actor.user_id:
        raise OwnSubmission
    if not accepted:
        return _refuse(actor, investor, ("parties.review_declined",), at=at, unit=unit)
    verdict = unit.identity_provider.check(investor, person, at=at)
    match verdict:
        case Cleared():
            return _accept(actor, investor, verdict, at=at, unit=unit)
        case Referred():
            return _accept(actor, investor, verdict.cleared, at=at, unit=unit)
        case Failed():
            return _refuse(actor, investor, tuple(reason.code for reason in verdict.reasons), at=at, unit=unit)
        case _:
            assert_never(verdict)


def expire_verifications(actor: Actor, *, unit: PartiesUnit) -> int:
    """End the verifications of the organisation that have run out, at most 500 at a time; return how many.

    For the worker's schedule, with `system_actor`; nobody's permission is asked because only time decides.
    """
    at = unit.clock.now()
    overdue = unit.investors.overdue(at, limit=EXPIRY_BATCH_ROWS)
    for investor in overdue:
        unit.investors.save_standing(replace(investor, standing=expire(investor.standing, at=at)))
        unit.outbox.record(InvestorExpired(tenant_id=unit.tenant_id, investor_id=investor.investor_id))
        unit.audit.record(actor, "parties.expire", f"investor:{investor.investor_id}", {"status": "expired"})
    return len(overdue)


def _with_person(investor_id: InvestorId, *, unit: PartiesUnit) -> tuple[Investor, PersonalData]:
    investor = unit.investors.get(investor_id, lock=True)
    person = unit.investors.persons([investor_id]).get(investor_id)
    if person is None:
        raise PersonErased
    return investor, person


def _accept(actor: Actor, investor: Investor, cleared: Cleared, *, at: dt.datetime, unit: PartiesUnit) -> Investor:
    verified = replace(investor, standing=accept(investor.standing, at=at, until=cleared.until))
    unit.investors.save_standing(verified)
    unit.claims.revoke_all(investor.investor_id, at=at)
    unit.claims.add(
        [
            Claim(
                claim_id=new_id(at),
                tenant_id=unit.tenant_id,
                investor_id=investor.investor_id,
                topic=topic,
                issuer=cleared.provider,
                evidence_sha256=cleared.evidence_sha256,
                issued_at=at,
                expires_at=cleared.until,
            )
            for topic in cleared.topics
        ]
    )
    unit.outbox.record(
        InvestorVerified(
            tenant_id=unit.tenant_id,
            investor_id=investor.investor_id,
            country=investor.country,
            verified_until=instant_text(cleared.until),
        )
    )
    facts = {"status": "verified", "provider": cleared.provider, "topics": [int(topic) for topic in cleared.topics]}
    unit.audit.record(actor, Action.PARTIES_VERIFY, f"investor:{investor.investor_id}", facts)
    return verified


def _refuse(actor: Actor, investor: Investor, codes: tuple[str, ...], *, at: dt.datetime, unit: PartiesUnit) -> Investor:
    rejected = replace(investor, standing=refuse(investor.standing, at=at, codes=codes))
    unit.investors.save_standing(rejected)
    unit.claims.revoke_all(investor.investor_id, at=at)
    unit.outbox.record(InvestorRejected(tenant_id=unit.tenant_id, investor_id=investor.investor_id, codes=codes))
    facts = {"status": "rejected", "codes": list(codes)}
    unit.audit.record(actor, Action.PARTIES_VERIFY, f"investor:{investor.investor_id}", facts)
    return rejected


# Looking up


@dataclass(frozen=True, slots=True)
class InvestorView:
    """An investor as the actor may see them. `person` is None without the permission and after erasure; `name` tells which."""

    investor: Investor
    name: str | None
    person: PersonalData | None
    wallets: tuple[Wallet, ...]
    claims: tuple[Claim, ...] = ()


def list_investors(
    actor: Actor, page: Page, *, unit: PartiesUnit, text: str | None = None, status: str | None = None
) -> Sequence[InvestorView]:
    """Return investors, newest first, with names where the actor may see personal data; seeing them is written into the log.

    A search may be for an e-mail address or a name, and so asks for that permission as well.
    """
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    if text:
        authorize(actor, Action.PARTIES_VIEW_PERSONAL_DATA, tenant_id=unit.tenant_id)
    investors = unit.investors.page(page, text=text or None, status=status)
    investor_ids = [investor.investor_id for investor in investors]
    wallets = unit.wallets.of_investors(investor_ids)
    names = names_of(actor, investor_ids, unit=unit) if permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA) else {}
    return [
        InvestorView(
            investor=investor,
            name=names.get(investor.investor_id, ERASED_NAME if investor.is_erased else None),
            person=None,
            wallets=tuple(wallets.get(investor.investor_id, ())),
        )
        for investor in investors
    ]


def view_investor(actor: Actor, investor_id: InvestorId, *, unit: PartiesUnit) -> InvestorView:
    """Return one investor with wallets and claims, and with the personal data where the actor may see it, which is written into the log."""
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    investor = unit.investors.get(investor_id)
    person = None
    if permits(actor, Action.PARTIES_VIEW_PERSONAL_DATA) and not investor.is_erased:
        person = unit.investors.persons([investor_id])[investor_id]
    view = InvestorView(
        investor=investor,
        name=ERASED_NAME if investor.is_erased else None if person is None else person.name,
        person=person,
        wallets=tuple(unit.wallets.of_investor(investor_id)),
        claims=tuple(unit.claims.of_investor(investor_id)),
    )
    if person is not None:
        unit.audit.record(actor, Action.PARTIES_VIEW_PERSONAL_DATA, f"investor:{investor_id}", {})
    return view


def names_of(actor: Actor, investor_ids: Sequence[InvestorId], *, unit: PartiesUnit) -> Mapping[InvestorId, str]:
    """Return the names of these investors (`erased` for an erased one), and write into the log that the actor saw them."""
    authorize(actor, Action.PARTIES_VIEW_PERSONAL_DATA, tenant_id=unit.tenant_id)
    persons = unit.investors.persons(investor_ids)
    names = {investor_id: persons[investor_id].name if investor_id in persons else ERASED_NAME for investor_id in investor_ids}
    if persons:
        facts = {"investor_ids": sorted(str(investor_id) for investor_id in persons), "fields": ["name"]}
        unit.audit.record(actor, Action.PARTIES_VIEW_PERSONAL_DATA, "investors", facts)
    return names


def count_investors(actor: Actor, *, unit: PartiesUnit) -> Mapping[str, int]:
    """Return how many investors have each status."""
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    return unit.investors.count()


def export_csv(actor: Actor, *, unit: PartiesUnit) -> Iterator[str]:
    """Give the lines of a CSV file of all investors with their personal data, which is written into the log first.

    The columns are those of onboarding, then status and investor id. A cell that a spreadsheet would run gets an apostrophe before it.
    """
    authorize(actor, Action.PARTIES_EXPORT, tenant_id=unit.tenant_id)
    authorize(actor, Action.PARTIES_VIEW_PERSONAL_DATA, tenant_id=unit.tenant_id)
    unit.audit.record(actor, Action.PARTIES_EXPORT, "investors", {"investors": sum(unit.investors.count().values())})
    return _export_lines(unit)


def _export_lines(unit: PartiesUnit) -> Iterator[str]:
    yield csv_line([*COLUMNS, "status", "investor_id"])
    cursor = None
    while investors := unit.investors.page(Page(limit=EXPORT_PAGE_ROWS, cursor=cursor)):
        investor_ids = [investor.investor_id for investor in investors]
        persons = unit.investors.persons(investor_ids)
        wallets = unit.wallets.of_investors(investor_ids)
        for investor in investors:
            yield csv_line(_export_cells(investor, persons.get(investor.investor_id), wallets.get(investor.investor_id, ())))
        cursor = str(investor_ids[-1])


def _export_cells(investor: Investor, person: PersonalData | None, wallets: Sequence[Wallet]) -> list[str]:
    def day(date: dt.date | None) -> str:
        return "" if date is None else date.isoformat()

    return [
        investor.external_reference,
        investor.kind.value,
        ERASED_NAME if person is None else person.name,
        "" if person is None else person.email,
        investor.country,
        "" if person is None else day(person.date_of_birth),
        "" if person is None else person.tax_id or "",
        "" if person is None else person.document_number or "",
        "" if person is None else day(person.document_expires),
        "yes" if person is not None and person.is_accredited else "no",
        wallets[0].address if wallets else "",
        "" if person is None else person.note or "",
        investor.status,
        str(investor.investor_id),
    ]


# Erasure


def erase_investor(actor: Actor, investor_id: InvestorId, *, unit: PartiesUnit) -> Investor:
    """Destroy the key of an investor's personal data. The row, the wallets and the ledger remain; the name reads `erased` from here on."""
    authorize(actor, Action.PARTIES_ERASE, tenant_id=unit.tenant_id)
    investor = unit.investors.get(investor_id, lock=True)
    if investor.is_erased:
        raise PersonErased
    at = unit.clock.now()
    unit.investors.erase(investor_id, at=at)
    unit.outbox.record(InvestorErased(tenant_id=unit.tenant_id, investor_id=investor_id))
    unit.audit.record(actor, Action.PARTIES_ERASE, f"investor:{investor_id}", {})
    return replace(investor, erased_at=at)
