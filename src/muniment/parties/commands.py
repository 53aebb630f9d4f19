# SPDX-License-Identifier: Apache-2.0
"""The use cases of parties, one transaction each: onboard, verify, review, claim, screen, prove a wallet, look up, export, erase."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, assert_never
from uuid import UUID

from muniment.access.commands import require_approval
from muniment.access.model import Action, Actor, Pending, authorize, permits, system_actor
from muniment.access.model.approvals import requested_part
from muniment.access.ports import Page
from muniment.parties.errors import (
    BadQueueFilter,
    BadValue,
    BadWalletProof,
    CheckNotFound,
    ClaimNotFound,
    DuplicateWallet,
    HitNotFound,
    HitReasonMissing,
    HitsOpen,
    NotInStatus,
    OwnClearance,
    OwnSubmission,
    PersonErased,
    ProviderNotAnswered,
    ReferenceTaken,
    TooManyWebhooks,
    WebhookReused,
    WrongWalletSignature,
)
from muniment.parties.events import (
    ClaimAdded,
    ClaimRevoked,
    InvestorErased,
    InvestorExpired,
    InvestorOnboarded,
    InvestorRejected,
    InvestorSuspended,
    InvestorVerified,
    SanctionsListImported,
    WalletAdded,
    WalletProved,
)
from muniment.parties.model import (
    CLASSIFYING,
    ERASED_NAME,
    QUEUE_KINDS,
    AddClaim,
    Answer,
    Asked,
    Claim,
    Cleared,
    Draft,
    Failed,
    InReview,
    Investor,
    InvestorDraft,
    OnboardingReport,
    PersonalData,
    QueueItem,
    Referred,
    RefusedRow,
    SanctionsHit,
    SanctionsList,
    SandboxIdentityProvider,
    Standing,
    StoredRow,
    Verdict,
    Verified,
    Wallet,
    WalletChallenge,
)
from muniment.parties.model.claims import check_revocation, parse_topic, read_claim
from muniment.parties.model.investors import accept, expire, refuse, resubmit, submit
from muniment.parties.model.onboarding import (
    COLUMNS,
    ByteSource,
    ValidRow,
    csv_line,
    fields_of,
    parse_draft,
    read_rows,
    refuse_repeats,
)
from muniment.parties.model.queue import DUE_DAYS, DUE_DAYS_MAX, merged, parse_queue_cursor
from muniment.parties.model.sanctions import check_source, matches, read_list, words_of
from muniment.parties.model.wallet_proofs import (
    CHALLENGE_SECONDS,
    check_message,
    message_of,
    parse_signature,
    personal_digest,
    read_message,
)
from muniment.parties.model.webhooks import EVENTS_PER_MINUTE_MAX, SECRET_BYTES, check_signature, read_body
from muniment.parties.ports import IdentityCheck, KnownReference, NewInvestor, PartiesUnit
from muniment.units.decisions import Reason
from muniment.units.errors import MunimentError, Place, instant_text
from muniment.units.ids import Address, InvestorId, WalletId, new_id

EXPORT_PAGE_ROWS: Final = 500
EXPIRY_BATCH_ROWS: Final = 500
APPROVAL_PAGE_ROWS: Final = 200
HIT_REASON_CHARACTERS_MAX: Final = 500

SCREEN_JOB: Final = "parties.screen_investors"
SANDBOX_JOB: Final = "parties.answer_as_sandbox"

CHANGEABLE: Final = frozenset(
    {"name", "email", "country", "date_of_birth", "tax_id", "document_number", "document_expires", "accredited", "note"}
)
"""What a re-verification may correct; reference, kind and wallets stay."""


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


def verify_investor(actor: Actor, investor_id: InvestorId, *, unit: PartiesUnit) -> tuple[Investor, Answer]:
    """Have the identity provider check an investor, and return the investor after it with the provider's answer.

    Cleared makes them verified with claims; failed makes them rejected with the codes; referred, and a hit on a sanctions list, leaves
    them in review for a second person; asked leaves them in review until the provider's webhook tells.
    """
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor, person = _with_person(investor_id, unit=unit)
    in_review = replace(investor, standing=submit(investor.standing, by=actor.user_id, at=at))
    return _check(actor, in_review, person, before=investor.standing, at=at, unit=unit)


def reverify_investor(actor: Actor, investor_id: InvestorId, changes: Mapping[str, str], *, unit: PartiesUnit) -> tuple[Investor, Answer]:
    """Check an investor anew, before or after the verification has ended, with what has changed since (`CHANGEABLE`, as in the CSV).

    Whoever is cleared stays verified without a gap, under the new country where it has changed; the registry on the chain follows.
    """
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor, person = _with_person(investor_id, unit=unit)
    for field in sorted(set(changes) - CHANGEABLE):
        raise BadValue(value=field, why="it cannot be changed here", expected=", ".join(sorted(CHANGEABLE)), place=Place(field=field))
    first = unit.wallets.of_investor(investor_id)[0]
    fields = fields_of(investor, person, wallet_address=None if first.managed else first.address)
    draft = parse_draft({**fields, **changes}, today=at.date())
    if not isinstance(draft, InvestorDraft):
        raise draft[0]
    in_review = replace(investor, country=draft.country, standing=resubmit(investor.standing, by=actor.user_id, at=at))
    if draft.person != person or draft.country != investor.country:
        unit.investors.save_person(in_review, draft)
        changed = sorted(field for field in changes if changes[field] != fields[field])
        unit.audit.record(actor, "parties.change", f"investor:{investor_id}", {"fields": changed})
    return _check(actor, in_review, draft.person, before=investor.standing, at=at, unit=unit)


def decide_review(actor: Actor, investor_id: InvestorId, *, accepted: bool, unit: PartiesUnit) -> Investor:
    """Decide about an investor in review, as a second person; the provider's checks are run once more before a yes.

    Raises:
        HitsOpen: a hit on a sanctions list has not been cleared.
        OwnSubmission: the actor submitted the investor.
        OwnClearance: the actor cleared a hit in this review; a no is not refused for that.
        ProviderNotAnswered: the provider was asked and has not told its verdict.

    """
    authorize(actor, Action.PARTIES_VERIFY, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor, person = _with_person(investor_id, unit=unit)
    if not isinstance(investor.standing, InReview):
        raise NotInStatus(status=investor.status, needed="in_review")
    if investor.standing.submitted_by == actor.user_id:
        raise OwnSubmission
    if not accepted:
        return _refuse(actor, investor, ("parties.review_declined",), at=at, unit=unit)
    if unit.identity_checks.waiting_of(investor_id) is not None:
        raise ProviderNotAnswered
    hits = screen(investor, person, at=at, unit=unit)
    if hits:
        raise HitsOpen(hits=_count_hits(hits))
    for hit in unit.sanctions.hits_of(investor_id):
        if hit.decided_by == actor.user_id and hit.decided_at is not None and hit.decided_at >= investor.standing.since:
            raise OwnClearance
    verdict = unit.identity_provider.verdict(investor, person, at=at)
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


def _check(
    actor: Actor, in_review: Investor, person: PersonalData, *, before: Standing, at: dt.datetime, unit: PartiesUnit
) -> tuple[Investor, Answer]:
    answer = unit.identity_provider.check(in_review, person, at=at)
    if not isinstance(answer, Asked):
        return _follow(actor, in_review, person, answer, before=before, at=at, unit=unit)
    screen(in_review, person, at=at, unit=unit)
    _keep_in_review(actor, in_review, ("parties.asked",), before=before, unit=unit)
    check_id: UUID = new_id(at)
    unit.identity_checks.ask(IdentityCheck(check_id, in_review.investor_id, answer.provider, actor.user_id, at))
    if answer.provider == SandboxIdentityProvider.name:
        unit.jobs.defer(SANDBOX_JOB, {"check_id": str(check_id)})
    return in_review, answer


def _follow(
    actor: Actor, in_review: Investor, person: PersonalData, verdict: Verdict, *, before: Standing, at: dt.datetime, unit: PartiesUnit
) -> tuple[Investor, Verdict]:
    """Do what a verdict means; a hit on a sanctions list turns a yes into a referral, never into a no."""
    hits = screen(in_review, person, at=at, unit=unit)
    if hits and isinstance(verdict, Cleared):
        verdict = Referred(provider=verdict.provider, reasons=(_hits_reason(hits),), cleared=verdict)
    elif hits and isinstance(verdict, Referred):
        verdict = replace(verdict, reasons=(*verdict.reasons, _hits_reason(hits)))
    match verdict:
        case Cleared():
            return _accept(actor, in_review, verdict, at=at, unit=unit), verdict
        case Failed():
            return _refuse(actor, in_review, tuple(reason.code for reason in verdict.reasons), at=at, unit=unit), verdict
        case Referred():
            _keep_in_review(actor, in_review, tuple(reason.code for reason in verdict.reasons), before=before, unit=unit)
            return in_review, verdict
        case _:
            assert_never(verdict)


def _keep_in_review(actor: Actor, investor: Investor, codes: tuple[str, ...], *, before: Standing, unit: PartiesUnit) -> None:
    unit.investors.save_standing(investor)
    if isinstance(before, Verified):
        unit.outbox.record(InvestorSuspended(tenant_id=unit.tenant_id, investor_id=investor.investor_id, codes=codes))
    unit.audit.record(actor, Action.PARTIES_VERIFY, f"investor:{investor.investor_id}", {"status": "in_review", "codes": list(codes)})


def _end_check(investor_id: InvestorId, *, at: dt.datetime, unit: PartiesUnit) -> None:
    waiting = unit.identity_checks.waiting_of(investor_id)
    if waiting is not None:
        unit.identity_checks.close(waiting.check_id, answered=False, at=at)


def _accept(actor: Actor, investor: Investor, cleared: Cleared, *, at: dt.datetime, unit: PartiesUnit) -> Investor:
    verified = replace(investor, standing=accept(investor.standing, at=at, until=cleared.until))
    unit.investors.save_standing(verified)
    _end_check(investor.investor_id, at=at, unit=unit)
    unit.claims.revoke_provided(investor.investor_id, at=at)
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
    _end_check(investor.investor_id, at=at, unit=unit)
    unit.claims.revoke_provided(investor.investor_id, at=at)
    unit.outbox.record(InvestorRejected(tenant_id=unit.tenant_id, investor_id=investor.investor_id, codes=codes))
    facts = {"status": "rejected", "codes": list(codes)}
    unit.audit.record(actor, Action.PARTIES_VERIFY, f"investor:{investor.investor_id}", facts)
    return rejected


# The provider's webhook


def set_webhook_secret(actor: Actor, provider: str, *, unit: PartiesUnit) -> bytes:
    """Make the secret by which a provider signs its messages to this organisation, and return it this once; the one before is void."""
    authorize(actor, Action.PARTIES_SET_PROVIDER, tenant_id=unit.tenant_id)
    if provider != unit.identity_provider.name:
        raise BadValue(
            value=provider, why="no such provider is used here", expected=unit.identity_provider.name, place=Place(field="provider")
        )
    secret = secrets.token_bytes(SECRET_BYTES)
    unit.identity_checks.set_secret(provider, secret, at=unit.clock.now())
    unit.audit.record(actor, Action.PARTIES_SET_PROVIDER, f"provider:{provider}", {})
    return secret


def receive_webhook(provider: str, body: bytes, signature: str, *, unit: PartiesUnit) -> Investor:
    """Take a provider's signed answer and do what it says; return the investor after it.

    Nobody is signed in: the signature alone counts (HMAC-SHA256 over time and body, five minutes), and each event once.

    Raises:
        WebhookSignature: it does not count here.
        WebhookReused: the event was received before.
        CheckNotFound: nobody waits for this answer.

    """
    at = unit.clock.now()
    check_signature(unit.identity_checks.secret(provider), body, signature, at=at)
    if unit.identity_checks.received_since(at - dt.timedelta(minutes=1)) >= EVENTS_PER_MINUTE_MAX:
        raise TooManyWebhooks(events_max=EVENTS_PER_MINUTE_MAX)
    answer = read_body(body, provider=provider, at=at)
    if not unit.identity_checks.receive(provider, answer.event_id, at=at):
        raise WebhookReused(event_id=answer.event_id)
    check = unit.identity_checks.waiting(answer.check_id)
    if check is None or check.provider != provider:
        raise CheckNotFound
    investor, person = _with_person(check.investor_id, unit=unit)
    if not isinstance(investor.standing, InReview):
        raise CheckNotFound
    unit.identity_checks.close(check.check_id, answered=True, at=at)
    decided, _ = _follow(system_actor(unit.tenant_id), investor, person, answer.verdict, before=investor.standing, at=at, unit=unit)
    return decided


# Sanctions


def import_sanctions(actor: Actor, raw: bytes, *, source: str, file_name: str, unit: PartiesUnit) -> SanctionsList:
    """Keep a sanctions list in place of the one of the same source, and have every investor held against it by the worker."""
    authorize(actor, Action.PARTIES_SCREEN, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    named = check_source(source)
    entries = read_list(raw, file_name=file_name)
    imported = SanctionsList(
        list_id=new_id(at),
        source=named,
        file_sha256=hashlib.sha256(raw).digest(),
        entry_count=len(entries),
        imported_by=actor.user_id,
        imported_at=at,
    )
    unit.sanctions.import_list(imported, entries)
    unit.outbox.record(SanctionsListImported(tenant_id=unit.tenant_id, list_id=imported.list_id, source=named))
    facts = {"source": named, "file_sha256": imported.file_sha256.hex(), "entries": len(entries)}
    unit.audit.record(actor, Action.PARTIES_SCREEN, f"sanctions_list:{imported.list_id}", facts)
    _order_screening(unit)
    return imported


def order_screening(actor: Actor, *, unit: PartiesUnit) -> dt.datetime:
    """Have every investor held against the current lists by the worker; return when it was ordered."""
    authorize(actor, Action.PARTIES_SCREEN, tenant_id=unit.tenant_id)
    unit.audit.record(actor, Action.PARTIES_SCREEN, "investors", {})
    _order_screening(unit)
    return unit.clock.now()


def list_sanctions_lists(actor: Actor, *, unit: PartiesUnit) -> Sequence[SanctionsList]:
    """Return the current list of each source."""
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    return unit.sanctions.lists()


def screen(investor: Investor, person: PersonalData, *, at: dt.datetime, unit: PartiesUnit) -> int:
    """Hold an investor against the current lists, write what was found, and return how many hits are open.

    A hit that an officer cleared stays cleared as long as the entry's names and birth dates and the kind of match stay what they were.
    """
    found = matches(person.name, person.date_of_birth, unit.sanctions.candidates(words_of(person.name)))
    known = {(hit.source, hit.reference): hit for hit in unit.sanctions.hits_of(investor.investor_id)}
    for match in found:
        listed = match.listed
        before = known.pop((listed.source, listed.reference), None)
        is_same = before is not None and (before.entry_sha256, before.strength) == (listed.entry_sha256, match.strength)
        if before is not None and is_same and before.state != "withdrawn":
            continue
        unit.sanctions.put(
            SanctionsHit(
                hit_id=new_id(at) if before is None else before.hit_id,
                investor_id=investor.investor_id,
                source=listed.source,
                reference=listed.reference,
                entry_sha256=listed.entry_sha256,
                listed_name=listed.name,
                programme=listed.programme,
                strength=match.strength,
                state="open",
                found_at=at,
            )
        )
    for gone in known.values():
        if gone.state == "open":
            unit.sanctions.put(replace(gone, state="withdrawn"))
    return unit.sanctions.open_hits(investor.investor_id)


def screen_page(actor: Actor, *, cursor: str | None, rows: int, started_at: dt.datetime, unit: PartiesUnit) -> str | None:
    """Hold the next investors against the current lists; return the cursor of the last one, None after the end.

    For the worker, with `system_actor`. Whoever is verified and has an open hit goes into review; nobody is rejected. At the end the
    lists that were there when the run began (`started_at`) count as screened then.
    """
    at = unit.clock.now()
    investors = unit.investors.page(Page(limit=rows, cursor=cursor))
    persons = unit.investors.persons([investor.investor_id for investor in investors])
    for investor in investors:
        person = persons.get(investor.investor_id)
        if person is not None:
            _screen_again(actor, investor.investor_id, person, at=at, unit=unit)
    if len(investors) == rows:
        return str(investors[-1].investor_id)
    unit.sanctions.mark_screened(at=started_at)
    return None


def clear_hit(actor: Actor, hit_id: UUID, reason: str, *, unit: PartiesUnit) -> SanctionsHit:
    """Say that an investor is not the listed one, with the reason, which is sealed with the investor's data and remembered."""
    authorize(actor, Action.PARTIES_SCREEN, tenant_id=unit.tenant_id)
    hit = unit.sanctions.get(hit_id)
    if hit is None or hit.state != "open":
        raise HitNotFound
    given = " ".join(reason.split())
    if not 0 < len(given) <= HIT_REASON_CHARACTERS_MAX:
        raise HitReasonMissing(characters_max=HIT_REASON_CHARACTERS_MAX, place=Place(field="reason"))
    cleared = replace(hit, state="cleared", decided_by=actor.user_id, decided_at=unit.clock.now(), reason=given)
    unit.sanctions.put(cleared)
    # Not the entry's number: it would name, for ever, the person that the investor is not.
    facts = {"hit_id": str(hit_id), "source": hit.source, "state": "cleared"}
    unit.audit.record(actor, Action.PARTIES_SCREEN, f"investor:{hit.investor_id}", facts)
    return cleared


def list_hits(actor: Actor, investor_id: InvestorId, *, unit: PartiesUnit) -> Sequence[SanctionsHit]:
    """Return an investor's hits; the names on the list and the reasons of clearances are personal data, and seeing them is logged."""
    authorize(actor, Action.PARTIES_VIEW_PERSONAL_DATA, tenant_id=unit.tenant_id)
    unit.investors.get(investor_id)
    hits = unit.sanctions.hits_of(investor_id)
    if hits:
        unit.audit.record(actor, Action.PARTIES_VIEW_PERSONAL_DATA, f"investor:{investor_id}", {"fields": ["sanctions_hits"]})
    return hits


def _order_screening(unit: PartiesUnit) -> None:
    unit.jobs.defer(SCREEN_JOB, {}, lock=f"{SCREEN_JOB}:{unit.tenant_id}")


def _screen_again(actor: Actor, investor_id: InvestorId, person: PersonalData, *, at: dt.datetime, unit: PartiesUnit) -> None:
    investor = unit.investors.get(investor_id, lock=True)
    hits = screen(investor, person, at=at, unit=unit)
    if hits and isinstance(investor.standing, Verified):
        in_review = replace(investor, standing=resubmit(investor.standing, by=actor.user_id, at=at))
        _keep_in_review(actor, in_review, ("parties.sanctions_hit",), before=investor.standing, unit=unit)


def _hits_reason(hits: int) -> Reason:
    return Reason(
        code="parties.sanctions_hit",
        sentence=f"The name may stand on a sanctions list: {_count_hits(hits)} open.",
        rule="targeted financial sanctions",
        citation="FATF Recommendation 6",
        facts={"hits": hits},
        cure="A compliance officer clears each hit with a reason; another one decides.",
    )


def _count_hits(hits: int) -> str:
    return "1 hit" if hits == 1 else f"{hits} hits"


# Claims


def describe_claim(
    actor: Actor,
    investor_id: InvestorId,
    *,
    topic: str,
    issuer: str,
    basis: str,
    evidence_sha256: str,
    expires_at: dt.datetime,
    unit: PartiesUnit,
    issued_at: dt.datetime | None = None,
    value: str | None = None,
) -> AddClaim:
    """Return the claim that these texts make, checked field by field, for `add_claim`."""
    authorize(actor, Action.PARTIES_ADD_CLAIM, tenant_id=unit.tenant_id)
    return read_claim(
        investor_id,
        topic=topic,
        issuer=issuer,
        basis=basis,
        evidence_sha256=evidence_sha256,
        expires_at=expires_at,
        issued_at=issued_at,
        value=value or None,
        at=unit.clock.now(),
    )


def add_claim(actor: Actor, request: AddClaim, *, unit: PartiesUnit) -> Claim | Pending:
    """Keep an officer's claim; one that opens exemptions (`CLASSIFYING`) waits for a second person first."""
    authorize(actor, Action.PARTIES_ADD_CLAIM, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor = unit.investors.get(request.investor_id, lock=True)
    if investor.is_erased:
        raise PersonErased
    # Time may have passed since a second person was asked.
    checked = read_claim(
        request.investor_id,
        topic=request.topic.name,
        issuer=request.issuer,
        basis=request.basis,
        evidence_sha256=request.evidence_sha256.hex(),
        expires_at=request.expires_at,
        issued_at=request.issued_at,
        value=request.value,
        at=at,
    )
    if checked.topic in CLASSIFYING:
        clearance = require_approval(actor, Action.PARTIES_CLASSIFY, request.as_json(), unit=unit)
        if isinstance(clearance, Pending):
            return clearance
    claim = Claim(
        claim_id=new_id(at),
        tenant_id=unit.tenant_id,
        investor_id=checked.investor_id,
        topic=checked.topic,
        issuer=checked.issuer,
        evidence_sha256=checked.evidence_sha256,
        issued_at=checked.issued_at,
        expires_at=checked.expires_at,
        basis=checked.basis,
        value=checked.value,
        added_by=actor.user_id,
    )
    unit.claims.add([claim])
    topic = int(claim.topic)
    unit.outbox.record(ClaimAdded(tenant_id=unit.tenant_id, investor_id=claim.investor_id, claim_id=claim.claim_id, topic=topic))
    facts = {"claim_id": str(claim.claim_id), "topic": topic, "basis": claim.basis, "evidence_sha256": claim.evidence_sha256.hex()}
    unit.audit.record(actor, Action.PARTIES_ADD_CLAIM, f"investor:{claim.investor_id}", facts)
    return claim


def revoke_claim(actor: Actor, investor_id: InvestorId, claim_id: UUID, *, reason: str, unit: PartiesUnit) -> Claim:
    """End a claim before its time, an officer's or a provider's, with the code of why (`REVOCATIONS`)."""
    authorize(actor, Action.PARTIES_REVOKE_CLAIM, tenant_id=unit.tenant_id)
    code = check_revocation(reason)
    claim = unit.claims.find(investor_id, claim_id)
    if claim is None or claim.revoked_at is not None:
        raise ClaimNotFound
    at = unit.clock.now()
    unit.claims.revoke(claim_id, by=actor.user_id, reason=code, at=at)
    topic = int(claim.topic)
    unit.outbox.record(ClaimRevoked(tenant_id=unit.tenant_id, investor_id=investor_id, claim_id=claim_id, topic=topic))
    facts = {"claim_id": str(claim_id), "topic": topic, "reason": code}
    unit.audit.record(actor, Action.PARTIES_REVOKE_CLAIM, f"investor:{investor_id}", facts)
    return replace(claim, revoked_at=at, revocation=code)


# Proofs of wallets


def begin_wallet_proof(actor: Actor, investor_id: InvestorId, address: Address, *, unit: PartiesUnit) -> str:
    """Return the message (EIP-4361) that the wallet has to sign within ten minutes; its nonce counts once."""
    authorize(actor, Action.PARTIES_ADD_WALLET, tenant_id=unit.tenant_id)
    investor = unit.investors.get(investor_id)
    if investor.is_erased:
        raise PersonErased
    _provable(investor_id, address, unit=unit)
    at = unit.clock.now().replace(microsecond=0)
    challenge = WalletChallenge(
        nonce=secrets.token_hex(16),
        investor_id=investor_id,
        address=address,
        issued_by=actor.user_id,
        issued_at=at,
        expires_at=at + dt.timedelta(seconds=CHALLENGE_SECONDS),
    )
    unit.wallet_challenges.add(challenge)
    return message_of(challenge, unit.wallet_signatures.bound_to).text()


def prove_wallet(actor: Actor, investor_id: InvestorId, message: str, signature: str, *, unit: PartiesUnit) -> Wallet:
    """Take a signed message as the proof that a wallet is the investor's: it is added where it was not theirs yet, with the time.

    Raises:
        BadWalletProof: the message answers no challenge of ours for this investor, or not any more.
        WrongWalletSignature: neither the key nor the contract of the address signed it.

    """
    authorize(actor, Action.PARTIES_ADD_WALLET, tenant_id=unit.tenant_id)
    at = unit.clock.now()
    investor = unit.investors.get(investor_id, lock=True)
    if investor.is_erased:
        raise PersonErased
    read = read_message(message)
    challenge = unit.wallet_challenges.find(read.nonce)
    if challenge is None or challenge.investor_id != investor_id:
        raise BadWalletProof(why="the nonce was not issued for this investor", place=Place(field="message"))
    check_message(read, challenge, unit.wallet_signatures.bound_to, at=at)
    if not unit.wallet_signatures.is_valid(read.address, personal_digest(message), parse_signature(signature)):
        raise WrongWalletSignature(address=read.address, place=Place(field="signature"))
    unit.wallet_challenges.use(read.nonce, at=at)
    wallet = _provable(investor_id, read.address, unit=unit)
    if wallet is None:
        wallet = add_wallet(actor, investor_id, read.address, unit=unit)
    unit.wallets.prove(wallet.wallet_id, at=at)
    unit.outbox.record(WalletProved(tenant_id=unit.tenant_id, investor_id=investor_id, wallet_id=wallet.wallet_id))
    facts = {"wallet_id": str(wallet.wallet_id), "proved": True}
    unit.audit.record(actor, Action.PARTIES_ADD_WALLET, f"investor:{investor_id}", facts)
    return replace(wallet, proved_at=at)


def _provable(investor_id: InvestorId, address: Address, *, unit: PartiesUnit) -> Wallet | None:
    """Return the investor's wallet of that address, None where nobody has it; refuse another's, and one whose key is kept here."""
    wallet = unit.wallets.by_address(address)
    if wallet is not None and wallet.investor_id != investor_id:
        raise DuplicateWallet(address=address, by=" by another investor", place=Place(field="address"))
    if wallet is not None and wallet.managed:
        raise BadWalletProof(why="the key of this wallet is kept here, so there is nothing to prove", place=Place(field="address"))
    return wallet


# The queue


def review_queue(
    actor: Actor, page: Page, *, unit: PartiesUnit, kind: str | None = None, within_days: int = DUE_DAYS
) -> Sequence[QueueItem]:
    """Return what waits for a compliance officer, oldest first; the cursor is the last item's.

    `kind` asks for one of `QUEUE_KINDS`; `within_days` says how soon a verification or claim ends to be due.
    """
    authorize(actor, Action.PARTIES_VIEW, tenant_id=unit.tenant_id)
    if kind is not None and kind not in QUEUE_KINDS:
        raise BadQueueFilter(why=f"“{kind}” is no kind", expected=", ".join(QUEUE_KINDS), place=Place(field="kind"))
    if not 0 <= within_days <= DUE_DAYS_MAX:
        expected = f"a number of days from 0 to {DUE_DAYS_MAX}"
        raise BadQueueFilter(why=f"{within_days} days cannot be looked ahead", expected=expected, place=Place(field="within_days"))
    after = parse_queue_cursor(page.cursor)
    due_before = unit.clock.now() + dt.timedelta(days=within_days)
    parts = []
    for one in QUEUE_KINDS if kind is None else (kind,):
        if one == "approval":
            parts.append([item for item in _claims_to_approve(unit) if after is None or item.key > after])
        else:
            parts.append(list(unit.queue.items(one, due_before=due_before, after=after, limit=page.limit)))
    return merged(parts, limit=page.limit)


def _claims_to_approve(unit: PartiesUnit) -> list[QueueItem]:
    """Return claims that wait for a second person; they are few, for a request lapses after three days."""
    items: list[QueueItem] = []
    cursor, now = None, unit.clock.now()
    while approvals := unit.approvals.page(Page(limit=APPROVAL_PAGE_ROWS, cursor=cursor), state="requested"):
        for approval in approvals:
            asked = requested_part(approval)
            if asked.action is Action.PARTIES_CLASSIFY and asked.expires_at > now:
                investor_id = InvestorId(UUID(asked.request["investor_id"]))
                topic = parse_topic(asked.request["topic"]).name.lower()
                items.append(QueueItem("approval", asked.requested_at, investor_id, str(asked.approval_id), topic))
        cursor = str(requested_part(approvals[-1]).approval_id)
    return sorted(items, key=lambda item: item.key)


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
    unit.sanctions.forget(investor_id)
    _end_check(investor_id, at=at, unit=unit)
    unit.outbox.record(InvestorErased(tenant_id=unit.tenant_id, investor_id=investor_id))
    unit.audit.record(actor, Action.PARTIES_ERASE, f"investor:{investor_id}", {})
    return replace(investor, erased_at=at)
