# SPDX-License-Identifier: Apache-2.0
"""A provider that answers later: the sandbox by the same signed message as any other, and every message that does not count."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.access.errors import NotPermitted
from muniment.parties import commands
from muniment.parties.errors import (
    BadValue,
    BadWebhook,
    CheckNotFound,
    ProviderNotAnswered,
    TooManyWebhooks,
    WebhookReused,
    WebhookSignature,
)
from muniment.parties.model import Asked, ClaimTopic, Cleared, Failed, Investor, Referred
from muniment.parties.model.webhooks import (
    EVENTS_PER_MINUTE_MAX,
    SECRET_BYTES,
    TOLERANCE_SECONDS,
    body_of,
    check_signature,
    read_body,
    sign_body,
)
from muniment.parties.process import answer_as_sandbox
from muniment.units.decisions import Reason
from muniment.units.ids import InvestorId
from tests.access.unit import NOON, Installation
from tests.parties.file import Desk

CLEARED = Cleared("sandbox", (ClaimTopic.KYC, ClaimTopic.AML), NOON + dt.timedelta(days=30), b"\5" * 32)
FAILED = Failed("sandbox", (Reason("parties.sandbox_no", "The document is blurred."),))
REFERRED = Referred("sandbox", FAILED.reasons, CLEARED)


@pytest.fixture
def desk(installation: Installation) -> Desk:
    """A new organisation."""
    return Desk.of(installation)


def ask(desk: Desk, **fields: str) -> tuple[InvestorId, UUID]:
    """Let the provider be asked about somebody on whom it is slow."""
    investor_id = desk.onboard(**{"name": "Wanda Waiting"} | fields)
    investor, answer = desk.verify(investor_id)
    assert (investor.status, answer) == ("in_review", Asked("sandbox"))
    with desk.begin() as unit:
        check = unit.identity_checks.waiting_of(investor_id)
    assert check is not None
    return investor_id, check.check_id


def a_secret(desk: Desk) -> bytes:
    with desk.begin() as unit:
        return commands.set_webhook_secret(desk.owner, "sandbox", unit=unit)


def send(desk: Desk, secret: bytes, body: bytes, *, at: dt.datetime | None = None) -> Investor:
    header = sign_body(secret, body, at=at or desk.installation.clock.now())
    with desk.begin() as unit:
        return commands.receive_webhook("sandbox", body, header, unit=unit)


def test_the_sandbox_answers_later_by_its_webhook(desk: Desk) -> None:
    investor_id, check_id = ask(desk)
    answer_as_sandbox(check_id, units=desk.begin)
    assert desk.investor(investor_id).status == "verified"
    answer_as_sandbox(check_id, units=desk.begin)
    with desk.begin() as unit:
        assert [claim.topic for claim in unit.claims.of_investor(investor_id)] == [ClaimTopic.KYC, ClaimTopic.AML]


@pytest.mark.parametrize(("verdict", "status"), [(CLEARED, "verified"), (FAILED, "rejected"), (REFERRED, "in_review")])
def test_a_signed_verdict_is_followed(desk: Desk, verdict: Cleared | Failed | Referred, status: str) -> None:
    investor_id, check_id = ask(desk)
    secret = a_secret(desk)
    assert send(desk, secret, body_of("event-1", check_id, verdict)).status == status
    assert desk.investor(investor_id).status == status


def test_a_referred_case_is_decided_by_somebody_else_than_who_submitted_it(desk: Desk) -> None:
    investor_id, check_id = ask(desk)
    send(desk, a_secret(desk), body_of("event-1", check_id, REFERRED))
    with desk.begin() as unit:
        assert commands.decide_review(desk.second, investor_id, accepted=True, unit=unit).status == "verified"


def test_an_event_counts_once(desk: Desk) -> None:
    _, check_id = ask(desk)
    secret, body = a_secret(desk), body_of("event-1", check_id, REFERRED)
    send(desk, secret, body)
    with pytest.raises(WebhookReused):
        send(desk, secret, body)
    with pytest.raises(CheckNotFound):
        send(desk, secret, body_of("event-2", check_id, CLEARED))


def test_an_old_or_early_message_a_wrong_secret_and_a_changed_body_do_not_count(desk: Desk) -> None:
    investor_id, check_id = ask(desk)
    secret, body = a_secret(desk), body_of("event-1", check_id, CLEARED)
    late = dt.timedelta(seconds=TOLERANCE_SECONDS + 1)
    for at in (NOON - late, NOON + late):
        with pytest.raises(WebhookSignature):
            send(desk, secret, body, at=at)
    with pytest.raises(WebhookSignature):
        send(desk, bytes(SECRET_BYTES), body)
    header = sign_body(secret, body, at=NOON)
    for altered_header, altered_body in (
        (header, body + b" "),
        (header.replace("v1=", "v0="), body),
        ("", body),
        (header[:-1], body),
        (f"{header},v1=00", body),
    ):
        with desk.begin() as unit, pytest.raises(WebhookSignature):
            commands.receive_webhook("sandbox", altered_body, altered_header, unit=unit)
    assert desk.investor(investor_id).status == "in_review"
    edge = dt.timedelta(seconds=TOLERANCE_SECONDS)
    assert send(desk, secret, body, at=NOON - edge).status == "verified"


def test_without_a_secret_or_for_another_provider_nothing_counts(desk: Desk) -> None:
    _, check_id = ask(desk)
    body = body_of("event-1", check_id, CLEARED)
    with pytest.raises(WebhookSignature):
        send(desk, bytes(SECRET_BYTES), body)
    secret = a_secret(desk)
    with desk.begin() as unit, pytest.raises(WebhookSignature):
        commands.receive_webhook("other", body, sign_body(secret, body, at=NOON), unit=unit)


def test_a_new_secret_voids_the_old_one_and_stands_sealed(desk: Desk) -> None:
    _, check_id = ask(desk)
    old, new = a_secret(desk), a_secret(desk)
    body = body_of("event-1", check_id, CLEARED)
    with pytest.raises(WebhookSignature):
        send(desk, old, body)
    with desk.installation.database.worker_transaction() as connection:
        statement = "SELECT sealed FROM parties.webhook_secret WHERE tenant_id = %s"
        assert new not in bytes(connection.exec_driver_sql(statement, (desk.owner.tenant_id,)).scalar_one())
    assert send(desk, new, body).status == "verified"


def test_only_an_owner_makes_secrets_and_only_for_the_provider_in_use(desk: Desk) -> None:
    with desk.begin() as unit, pytest.raises(NotPermitted):
        commands.set_webhook_secret(desk.officer, "sandbox", unit=unit)
    with desk.begin() as unit, pytest.raises(BadValue):
        commands.set_webhook_secret(desk.owner, "elsewhere", unit=unit)


def test_another_organisations_check_is_not_answered(desk: Desk) -> None:
    _, check_id = ask(desk)
    stranger = Desk.of(desk.installation)
    with pytest.raises(CheckNotFound):
        send(stranger, a_secret(stranger), body_of("event-1", check_id, CLEARED))


def test_nobody_is_accepted_before_the_provider_has_answered(desk: Desk) -> None:
    investor_id, check_id = ask(desk)
    with desk.begin() as unit, pytest.raises(ProviderNotAnswered):
        commands.decide_review(desk.second, investor_id, accepted=True, unit=unit)
    assert send(desk, a_secret(desk), body_of("event-1", check_id, CLEARED)).status == "verified"


def test_asking_anew_supersedes_the_question_before_and_a_decision_ends_it(desk: Desk) -> None:
    investor_id, check_id = ask(desk)
    with desk.begin() as unit:
        commands.decide_review(desk.second, investor_id, accepted=False, unit=unit)
    with pytest.raises(CheckNotFound):
        send(desk, a_secret(desk), body_of("event-1", check_id, CLEARED))
    assert desk.investor(investor_id).status == "rejected"


def test_more_messages_in_a_minute_than_anybody_needs_are_refused(desk: Desk) -> None:
    _, check_id = ask(desk)
    secret = a_secret(desk)
    with desk.begin() as unit:
        for number in range(EVENTS_PER_MINUTE_MAX):
            unit.identity_checks.receive("sandbox", f"flood-{number}", at=NOON)
    with pytest.raises(TooManyWebhooks):
        send(desk, secret, body_of("event-1", check_id, CLEARED))
    desk.installation.clock.advance(dt.timedelta(minutes=1))
    assert send(desk, secret, body_of("event-1", check_id, CLEARED)).status == "verified"


@pytest.mark.parametrize("verdict", [CLEARED, FAILED, REFERRED])
def test_a_body_is_read_back_as_it_was_told(verdict: Cleared | Failed | Referred) -> None:
    read = read_body(body_of("e:1", uuid.UUID(int=5), verdict), provider="sandbox", at=NOON)
    assert (read.event_id, read.check_id, read.verdict) == ("e:1", uuid.UUID(int=5), verdict)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"event_id": "a b"}, "event_id"),
        ({"check_id": "5"}, "check_id"),
        ({"verdict": "perhaps"}, "verdict"),
        ({"topics": ["accreditation", "qualified_purchaser"]}, "topics"),
        ({"topics": []}, "topics"),
        ({"valid_until": "tomorrow"}, "valid_until"),
        ({"valid_until": "2026-07-01T12:00:00Z"}, "valid_until"),
        ({"evidence_sha256": "55"}, "evidence_sha256"),
        ({"verdict": "failed", "provider_reasons": []}, "provider_reasons"),
        ({"verdict": "failed", "provider_reasons": [{"code": "A B", "message": "x"}]}, "provider_reasons"),
    ],
)
def test_a_message_that_tells_no_verdict_is_refused_with_its_field(changes: dict[str, object], field: str) -> None:
    told = json.loads(body_of("e1", uuid.UUID(int=5), CLEARED)) | changes
    with pytest.raises(BadWebhook) as refusal:
        read_body(json.dumps(told).encode(), provider="sandbox", at=NOON)
    assert refusal.value.place is not None and refusal.value.place.field == field


@given(st.binary(max_size=300))
def test_any_bytes_are_a_verdict_or_a_refusal(raw: bytes) -> None:
    with pytest.raises(BadWebhook):
        read_body(raw, provider="sandbox", at=NOON)


@given(st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES), st.binary(max_size=200), st.integers(-TOLERANCE_SECONDS, TOLERANCE_SECONDS))
def test_what_was_signed_within_five_minutes_counts(secret: bytes, body: bytes, seconds: int) -> None:
    check_signature(secret, body, sign_body(secret, body, at=NOON), at=NOON + dt.timedelta(seconds=seconds))
