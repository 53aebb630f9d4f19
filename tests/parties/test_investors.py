# SPDX-License-Identifier: Apache-2.0
"""Investors over a real PostgreSQL: onboarding by file and form, verification, wallets, search, export, erasure, tenants apart."""

from __future__ import annotations

import csv
import io
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.access.errors import BadCursor, NotFound, NotPermitted
from muniment.access.model import Actor, Intact, Role, system_actor, verify_chain
from muniment.access.ports import Page
from muniment.parties import commands
from muniment.parties.errors import (
    BadName,
    DuplicateWallet,
    FileTooLarge,
    InvestorNotFound,
    NotInStatus,
    OwnSubmission,
    PersonErased,
    ReferenceTaken,
    UnknownColumn,
)
from muniment.parties.model import ClaimTopic, Failed, Investor, OnboardingReport, Referred, Verified, parse_address
from muniment.parties.model.onboarding import COLUMNS, FILE_BYTES_MAX
from muniment.units.errors import MunimentError
from muniment.units.ids import Address, InvestorId, TenantId, new_id
from tests.access.unit import NOON, Installation, an_actor

EXAMPLE = Path(__file__).parents[2] / "examples" / "investors.csv"
HEADER = "external_reference,name,email,country,tax_id,document_expires,wallet_address,note"
WALLET = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
OTHER_WALLET = Address("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")


@pytest.fixture
def officer(installation: Installation) -> Actor:
    """A compliance officer of a new organisation."""
    return an_actor(installation.found().owner.tenant_id, Role.COMPLIANCE_OFFICER)


def a_row(reference: str, *, name: str = "Ada Example", country: str = "CH", wallet: str = "", expires: str = "", note: str = "") -> str:
    return f"{reference},{name},{reference.lower()}@example.com,{country},TAX-{reference},{expires},{wallet},{note}"


def load(installation: Installation, actor: Actor, *rows: str | bytes, header: str = HEADER) -> OnboardingReport:
    raw = b"\n".join(row.encode() if isinstance(row, str) else row for row in (header, *rows))
    with installation.begin(actor.tenant_id) as unit:
        return commands.onboard_csv(actor, io.BytesIO(raw), file_name="investors.csv", unit=unit)


def onboard(installation: Installation, actor: Actor, reference: str = "A-1", **fields: str) -> Investor:
    texts = {"external_reference": reference, "name": "Ada Example", "email": "ada@example.com", "country": "CH"} | fields
    with installation.begin(actor.tenant_id) as unit:
        return commands.onboard_investor(actor, texts, unit=unit).investor


def verify(installation: Installation, actor: Actor, investor_id: InvestorId) -> Investor:
    with installation.begin(actor.tenant_id) as unit:
        return commands.verify_investor(actor, investor_id, unit=unit)[0]


def counts(report: OnboardingReport) -> tuple[int, int, int]:
    return len(report.accepted), len(report.refused), len(report.unchanged)


def stored(installation: Installation, tenant_id: TenantId) -> list[str]:
    with installation.begin(tenant_id) as unit:
        return sorted(investor.external_reference for investor in unit.investors.page(Page(limit=1000)))


# Onboarding


def test_the_example_file_makes_fifty_fictitious_people_of_whom_two_fail(installation: Installation, officer: Actor) -> None:
    with EXAMPLE.open("rb") as file, installation.begin(officer.tenant_id) as unit:
        report = commands.onboard_csv(officer, file, file_name=EXAMPLE.name, unit=unit)
    assert counts(report) == (50, 0, 0)
    failed = {}
    for row in report.accepted:
        with installation.begin(officer.tenant_id) as unit:
            investor, verdict = commands.verify_investor(officer, row.investor_id, unit=unit)
        if isinstance(verdict, Failed):
            failed[row.external_reference] = [reason.code for reason in verdict.reasons]
        else:
            assert investor.is_verified(NOON)
    assert sorted(failed.values()) == [["parties.document_expired"], ["parties.sanctioned"]]
    with EXAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["note"].startswith("FICTITIOUS") for row in rows)
    assert len({row["country"] for row in rows}) > 10
    assert 0 < sum(bool(row["wallet_address"]) for row in rows) < 25


def test_valid_rows_are_kept_and_the_others_refused_with_their_places(installation: Installation, officer: Actor) -> None:
    report = load(
        installation,
        officer,
        a_row("A-1"),
        a_row("A-2", country="XX"),
        a_row("A-3", wallet=WALLET),
        a_row("A-4", wallet=WALLET),
        a_row("A-5", name="=1+1"),
        a_row("A-6"),
    )
    assert [row.external_reference for row in report.accepted] == ["A-1", "A-3", "A-6"]
    places = [(row.line, row.reasons[0].code, str(row.reasons[0].place)) for row in report.refused]
    assert places == [
        (3, "parties.unknown_country", "investors.csv, line 3, field country"),
        (5, "parties.duplicate_wallet", "investors.csv, line 5, field wallet_address"),
        (6, "parties.formula", "investors.csv, line 6, field name"),
    ]
    assert stored(installation, officer.tenant_id) == ["A-1", "A-3", "A-6"]


def test_the_same_file_twice_makes_nobody_twice(installation: Installation, officer: Actor) -> None:
    rows = (a_row("A-1"), a_row("A-2", wallet=WALLET), a_row("A-3", country="XX"))
    first = load(installation, officer, *rows)
    with installation.begin(officer.tenant_id) as unit:
        events = unit.events()
    second = load(installation, officer, *rows)
    assert counts(first) == (2, 1, 0)
    assert counts(second) == (0, 1, 2)
    assert {row.investor_id for row in second.unchanged} == {row.investor_id for row in first.accepted}
    with installation.begin(officer.tenant_id) as unit:
        assert unit.events() == events


def test_the_same_file_twice_at_once_makes_nobody_twice(installation: Installation, officer: Actor) -> None:
    rows = [a_row(f"A-{number}") for number in range(20)]
    reports: list[OnboardingReport] = []
    barrier = threading.Barrier(3)

    def go() -> None:
        barrier.wait()
        reports.append(load(installation, officer, *rows))

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts(report) for report in reports) == [(0, 0, 20), (0, 0, 20), (20, 0, 0)]


def test_a_known_reference_with_other_data_is_refused(installation: Installation, officer: Actor) -> None:
    load(installation, officer, a_row("A-1"))
    report = load(installation, officer, a_row("A-1", name="Eve Example"), a_row("A-2"))
    assert [row.reasons[0].code for row in report.refused] == ["parties.reference_taken"]
    assert [row.external_reference for row in report.accepted] == ["A-2"]


def test_a_wallet_of_another_investor_is_refused_and_one_of_another_organisation_is_not(installation: Installation, officer: Actor) -> None:
    load(installation, officer, a_row("A-1", wallet=WALLET))
    assert [row.reasons[0].code for row in load(installation, officer, a_row("A-2", wallet=WALLET)).refused] == ["parties.duplicate_wallet"]
    neighbour = an_actor(installation.found().owner.tenant_id, Role.COMPLIANCE_OFFICER)
    assert counts(load(installation, neighbour, a_row("A-1", wallet=WALLET))) == (1, 0, 0)


def test_a_file_that_is_refused_as_a_whole_stores_nothing(installation: Installation, officer: Actor) -> None:
    with pytest.raises(UnknownColumn):
        load(installation, officer, a_row("A-1") + ",x", header=HEADER + ",iban")
    with pytest.raises(FileTooLarge):
        load(installation, officer, a_row("A-1"), "x" * FILE_BYTES_MAX)
    assert stored(installation, officer.tenant_id) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(st.binary(max_size=60), st.integers(0, 9).map(lambda n: a_row(f"F-{n}").encode())), max_size=6))
def test_a_mangled_file_stores_its_valid_rows_whole_and_nothing_else(installation: Installation, lines: list[bytes]) -> None:
    actor = an_actor(installation.found().owner.tenant_id, Role.COMPLIANCE_OFFICER)
    report = load(installation, actor, *lines)
    assert stored(installation, actor.tenant_id) == sorted(row.external_reference for row in report.accepted)
    with installation.begin(actor.tenant_id) as unit:
        ids = [row.investor_id for row in report.accepted]
        assert set(unit.investors.persons(ids)) == set(ids)
        assert set(unit.wallets.of_investors(ids)) == set(ids)
        assert unit.events().count("parties.investor_onboarded") == len(ids)


def test_an_investor_without_an_address_gets_a_managed_wallet(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer)
    with installation.begin(officer.tenant_id) as unit:
        (wallet,) = unit.wallets.of_investor(investor.investor_id)
        assert wallet.managed
        assert wallet.position == 1
        assert parse_address(wallet.address) == wallet.address
        assert wallet.address in unit.keys.addresses(tenant_id=officer.tenant_id)
        assert unit.events()[-2:] == ["parties.investor_onboarded", "parties.wallet_added"]


def test_a_form_is_refused_with_its_field(installation: Installation, officer: Actor) -> None:
    with pytest.raises(BadName) as refused:
        onboard(installation, officer, name="")
    assert refused.value.place is not None
    assert refused.value.place.field == "name"
    onboard(installation, officer)
    with pytest.raises(ReferenceTaken):
        onboard(installation, officer)
    assert stored(installation, officer.tenant_id) == ["A-1"]


# Wallets


def test_more_wallets_keep_their_order_and_the_first_stays_the_identity(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer, wallet_address=WALLET)
    with installation.begin(officer.tenant_id) as unit:
        commands.add_wallet(officer, investor.investor_id, OTHER_WALLET, unit=unit)
        commands.add_wallet(officer, investor.investor_id, None, unit=unit)
        wallets = unit.wallets.of_investor(investor.investor_id)
        found = unit.wallets.by_address(OTHER_WALLET)
    assert [(wallet.position, wallet.managed) for wallet in wallets] == [(1, False), (2, False), (3, True)]
    assert wallets[0].address == WALLET
    assert found == wallets[1]


def test_a_taken_wallet_cannot_be_added(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer, wallet_address=WALLET)
    with pytest.raises(DuplicateWallet), installation.begin(officer.tenant_id) as unit:
        commands.add_wallet(officer, investor.investor_id, WALLET, unit=unit)


# Verification


def test_a_cleared_investor_is_verified_with_claims_and_an_event(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer, accredited="yes").investor_id)
    assert investor.is_verified(NOON)
    with installation.begin(officer.tenant_id) as unit:
        claims = unit.claims.of_investor(investor.investor_id)
        assert unit.events()[-1] == "parties.investor_verified"
        assert unit.investors.get(investor.investor_id) == investor
    assert [claim.topic for claim in claims] == [ClaimTopic.KYC, ClaimTopic.AML, ClaimTopic.ACCREDITATION]
    assert all(claim.holds(NOON) for claim in claims)


def test_a_failed_investor_is_rejected_with_the_codes(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer, document_expires="2020-01-01").investor_id)
    assert investor.status == "rejected"
    with installation.begin(officer.tenant_id) as unit:
        assert unit.events()[-1] == "parties.investor_rejected"
        assert unit.claims.of_investor(investor.investor_id) == []


def test_a_verified_investor_is_not_verified_twice(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer).investor_id)
    with pytest.raises(NotInStatus):
        verify(installation, officer, investor.investor_id)


def test_a_referred_investor_waits_for_a_second_officer(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer, name="Petra Publicova")
    with installation.begin(officer.tenant_id) as unit:
        after, verdict = commands.verify_investor(officer, investor.investor_id, unit=unit)
    assert isinstance(verdict, Referred)
    assert after.status == "in_review"
    second = an_actor(officer.tenant_id, Role.COMPLIANCE_OFFICER)
    with pytest.raises(OwnSubmission), installation.begin(officer.tenant_id) as unit:
        commands.decide_review(officer, investor.investor_id, accepted=True, unit=unit)
    with installation.begin(officer.tenant_id) as unit:
        assert commands.decide_review(second, investor.investor_id, accepted=True, unit=unit).is_verified(NOON)


def test_a_second_officer_may_say_no(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer, name="Petra Publicova").investor_id)
    second = an_actor(officer.tenant_id, Role.COMPLIANCE_OFFICER)
    with installation.begin(officer.tenant_id) as unit:
        assert commands.decide_review(second, investor.investor_id, accepted=False, unit=unit).status == "rejected"
    with pytest.raises(NotInStatus), installation.begin(officer.tenant_id) as unit:
        commands.decide_review(second, investor.investor_id, accepted=True, unit=unit)


def test_a_verification_runs_out_and_can_be_renewed(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer).investor_id)
    onboard(installation, officer, "A-2")
    standing = investor.standing
    assert isinstance(standing, Verified)
    worker = system_actor(officer.tenant_id)
    with installation.begin(officer.tenant_id) as unit:
        assert commands.expire_verifications(worker, unit=unit) == 0
    installation.clock.advance(standing.until - NOON)
    with installation.begin(officer.tenant_id) as unit:
        assert not unit.investors.get(investor.investor_id).is_verified(installation.clock.now())
        assert commands.expire_verifications(worker, unit=unit) == 1
        assert commands.expire_verifications(worker, unit=unit) == 0
        assert unit.events()[-1] == "parties.investor_expired"
    renewed = verify(installation, officer, investor.investor_id)
    assert renewed.is_verified(installation.clock.now())
    with installation.begin(officer.tenant_id) as unit:
        holding = [claim for claim in unit.claims.of_investor(investor.investor_id) if claim.holds(installation.clock.now())]
    assert {claim.issued_at for claim in holding} == {installation.clock.now()}


# Looking up


@pytest.mark.parametrize(
    "text", ["ada@example.com", "ADA@Example.com", "ada  example", "Ada Example", "A-1", "tax-7", WALLET, WALLET.lower(), " A-1 "]
)
def test_an_investor_is_found_by_what_identifies_them(installation: Installation, officer: Actor, text: str) -> None:
    investor = onboard(installation, officer, tax_id="TAX-7", wallet_address=WALLET)
    onboard(installation, officer, "B-1", name="Ben Other", email="ben@example.com")
    with installation.begin(officer.tenant_id) as unit:
        (view,) = commands.list_investors(officer, Page(), unit=unit, text=text)
    assert view.investor.investor_id == investor.investor_id
    assert view.name == "Ada Example"


def test_nothing_is_found_by_a_part_or_by_anothers_data(installation: Installation, officer: Actor) -> None:
    neighbour = an_actor(installation.found().owner.tenant_id, Role.COMPLIANCE_OFFICER)
    onboard(installation, neighbour)
    onboard(installation, officer, "B-1", name="Ben Other", email="ben@example.com")
    with installation.begin(officer.tenant_id) as unit:
        for text in ("ada@example.com", "Ben", "' OR 1=1 --", "%"):
            assert commands.list_investors(officer, Page(), unit=unit, text=text) == []


def test_pages_run_through_all_investors_once(installation: Installation, officer: Actor) -> None:
    load(installation, officer, *[a_row(f"A-{number}") for number in range(7)])
    seen: list[str] = []
    cursor = None
    with installation.begin(officer.tenant_id) as unit:
        while views := commands.list_investors(officer, Page(limit=3, cursor=cursor), unit=unit):
            seen += [view.investor.external_reference for view in views]
            cursor = str(views[-1].investor.investor_id)
        assert sorted(seen) == [f"A-{number}" for number in range(7)]
        assert commands.list_investors(officer, Page(), unit=unit, status="verified") == []
        assert commands.count_investors(officer, unit=unit) == {"draft": 7}
        with pytest.raises(BadCursor):
            commands.list_investors(officer, Page(cursor="x"), unit=unit)


def test_whoever_may_not_see_personal_data_sees_none_and_cannot_search_by_it(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer)
    auditor = an_actor(officer.tenant_id, Role.AUDITOR)
    with installation.begin(officer.tenant_id) as unit:
        view = commands.view_investor(auditor, investor.investor_id, unit=unit)
        (listed,) = commands.list_investors(auditor, Page(), unit=unit)
        with pytest.raises(NotPermitted):
            commands.list_investors(auditor, Page(), unit=unit, text="ada@example.com")
        with pytest.raises(NotPermitted):
            commands.export_csv(auditor, unit=unit)
        with pytest.raises(NotPermitted):
            commands.names_of(auditor, [investor.investor_id], unit=unit)
    assert (view.name, view.person, listed.name) == (None, None, None)


def test_seeing_personal_data_stands_in_the_log_without_the_data(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer)
    with installation.begin(officer.tenant_id) as unit:
        person = commands.view_investor(officer, investor.investor_id, unit=unit).person
        commands.list_investors(officer, Page(), unit=unit)
        entries = list(unit.audit.entries())
    assert person is not None
    assert person.name == "Ada Example"
    assert [(entry.action, entry.resource, entry.actor_id) for entry in entries[-2:]] == [
        ("parties.view_personal_data", f"investor:{investor.investor_id}", officer.user_id),
        ("parties.view_personal_data", "investors", officer.user_id),
    ]
    assert isinstance(verify_chain(entries), Intact)
    assert "Ada" not in str(entries)


# Personal data at rest


def test_personal_data_planted_as_canaries_is_in_no_table(installation: Installation, officer: Actor) -> None:
    canaries = {
        "name": "Canary Nightingale",
        "email": "canary.bird@example.com",
        "tax_id": "CANARY-TAX-77",
        "document_number": "CANARYDOC88",
        "note": "canary note 99",
    }
    investor = onboard(installation, officer, **canaries, document_expires="2036-01-01", date_of_birth="1984-05-23")
    verify(installation, officer, investor.investor_id)
    with installation.begin(officer.tenant_id) as unit:
        commands.view_investor(officer, investor.investor_id, unit=unit)
    with installation.database.worker_transaction() as connection:
        tables = connection.execute(
            sa.text("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text = ANY(:schemas)"),
            {"schemas": ["access", "parties", "infra", "procrastinate"]},
        ).scalars()
        dump = "".join(str(connection.execute(sa.text(f"SELECT t::text FROM {table} t")).all()) for table in tables)
    assert "investor_onboarded" in dump
    for canary in canaries.values():
        assert canary not in dump
        assert canary.encode().hex() not in dump
    assert "1984-05-23" not in dump


def test_erasure_destroys_the_person_and_leaves_row_wallets_and_claims(installation: Installation, officer: Actor) -> None:
    investor = verify(installation, officer, onboard(installation, officer, tax_id="TAX-7").investor_id)
    with installation.begin(officer.tenant_id) as unit:
        wallets = unit.wallets.of_investor(investor.investor_id)
        commands.erase_investor(officer, investor.investor_id, unit=unit)
        view = commands.view_investor(officer, investor.investor_id, unit=unit)
        assert unit.events()[-1] == "parties.investor_erased"
        assert commands.names_of(officer, [investor.investor_id], unit=unit) == {investor.investor_id: "erased"}
        for text in ("ada@example.com", "Ada Example", "TAX-7"):
            assert commands.list_investors(officer, Page(), unit=unit, text=text) == []
        (listed,) = commands.list_investors(officer, Page(), unit=unit)
        secrets = unit.connection.execute(
            sa.text("SELECT num_nonnulls(wrapped_key, sealed, email_token, tax_id_token, name_token, record_token) FROM parties.investor")
        ).scalar_one()
    assert (view.name, view.person, listed.name) == ("erased", None, "erased")
    assert list(view.wallets) == list(wallets)
    assert view.claims
    assert view.investor.external_reference == "A-1"
    assert secrets == 0


def test_an_erased_person_does_not_come_back_by_the_same_file(installation: Installation, officer: Actor) -> None:
    (row,) = load(installation, officer, a_row("A-1")).accepted
    with installation.begin(officer.tenant_id) as unit:
        commands.erase_investor(officer, row.investor_id, unit=unit)
    report = load(installation, officer, a_row("A-1"))
    assert [each.reasons[0].code for each in report.refused] == ["parties.erased"]


def test_nothing_can_be_done_with_an_erased_person(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer)
    with installation.begin(officer.tenant_id) as unit:
        commands.erase_investor(officer, investor.investor_id, unit=unit)
    with pytest.raises(PersonErased):
        verify(installation, officer, investor.investor_id)
    with pytest.raises(PersonErased), installation.begin(officer.tenant_id) as unit:
        commands.erase_investor(officer, investor.investor_id, unit=unit)
    with pytest.raises(PersonErased), installation.begin(officer.tenant_id) as unit:
        commands.add_wallet(officer, investor.investor_id, None, unit=unit)


# Export


def test_the_export_reads_back_and_runs_in_no_spreadsheet(installation: Installation, officer: Actor) -> None:
    load(installation, officer, a_row("A-1", note="a note", wallet=WALLET), a_row("A-2"))
    with installation.begin(officer.tenant_id) as unit:
        investor = unit.investors.by_reference("A-2")
        assert investor is not None
        commands.erase_investor(officer, investor.investor_id, unit=unit)
        text = "".join(commands.export_csv(officer, unit=unit))
        assert list(unit.audit.entries())[-1].action == "parties.export"
    first, second = sorted(csv.DictReader(io.StringIO(text, newline="")), key=lambda row: row["external_reference"])
    assert list(first) == [*COLUMNS, "status", "investor_id"]
    assert (first["name"], first["email"], first["wallet_address"], first["note"]) == ("Ada Example", "a-1@example.com", WALLET, "a note")
    assert (second["name"], second["email"], second["tax_id"]) == ("erased", "", "")


# Tenants


def test_a_foreign_investor_does_not_exist(installation: Installation, officer: Actor) -> None:
    investor = onboard(installation, officer)
    neighbour = an_actor(installation.found().owner.tenant_id, Role.OWNER)
    acts: list[Any] = [
        lambda unit: commands.view_investor(neighbour, investor.investor_id, unit=unit),
        lambda unit: commands.verify_investor(neighbour, investor.investor_id, unit=unit),
        lambda unit: commands.erase_investor(neighbour, investor.investor_id, unit=unit),
        lambda unit: commands.add_wallet(neighbour, investor.investor_id, None, unit=unit),
        lambda unit: commands.decide_review(neighbour, investor.investor_id, accepted=True, unit=unit),
    ]
    for act in acts:
        with pytest.raises(InvestorNotFound), installation.begin(neighbour.tenant_id) as unit:
            act(unit)
        with pytest.raises(NotFound), installation.begin(officer.tenant_id) as unit:
            act(unit)


ROLES_OF_COMMAND: list[tuple[Any, set[Role]]] = [
    (lambda actor, unit: commands.onboard_csv(actor, io.BytesIO(HEADER.encode()), file_name="f", unit=unit), {Role.TRANSFER_AGENT}),
    (lambda actor, unit: commands.verify_investor(actor, InvestorId(new_id(NOON)), unit=unit), set()),
    (lambda actor, unit: commands.erase_investor(actor, InvestorId(new_id(NOON)), unit=unit), set()),
    (lambda actor, unit: commands.decide_review(actor, InvestorId(new_id(NOON)), accepted=True, unit=unit), set()),
    (lambda actor, unit: commands.export_csv(actor, unit=unit), {Role.TRANSFER_AGENT}),
    (lambda actor, unit: commands.add_wallet(actor, InvestorId(new_id(NOON)), None, unit=unit), {Role.TRANSFER_AGENT}),
    (
        lambda actor, unit: commands.list_investors(actor, Page(), unit=unit),
        {Role.TRANSFER_AGENT, Role.AUDITOR, Role.SERVICE},
    ),
]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("command", "more"), ROLES_OF_COMMAND)
def test_a_command_is_open_to_its_roles_only(installation: Installation, officer: Actor, command: Any, more: set[Role], role: Role) -> None:
    actor = an_actor(officer.tenant_id, role)
    permitted = role in {Role.OWNER, Role.COMPLIANCE_OFFICER} | more
    outcome: MunimentError | None = None
    try:
        with installation.begin(actor.tenant_id) as unit:
            command(actor, unit)
    except MunimentError as refusal:
        outcome = refusal
    assert isinstance(outcome, NotPermitted) == (not permitted)


@pytest.mark.parametrize("table", ["investor", "wallet", "claim"])
def test_row_security_keeps_organisations_apart(installation: Installation, officer: Actor, table: str) -> None:
    verify(installation, officer, onboard(installation, officer).investor_id)
    neighbour = an_actor(installation.found().owner.tenant_id, Role.COMPLIANCE_OFFICER)
    verify(installation, neighbour, onboard(installation, neighbour).investor_id)
    here, there = officer.tenant_id, neighbour.tenant_id
    with installation.begin(here) as unit:
        assert set(unit.connection.execute(sa.text(f"SELECT tenant_id FROM parties.{table}")).scalars()) == {here}
        assert (
            unit.connection.execute(sa.text(f"UPDATE parties.{table} SET tenant_id = tenant_id WHERE tenant_id = '{there}'")).rowcount == 0
        )
    with installation.begin_sign_in() as unit:
        assert unit.connection.execute(sa.text(f"SELECT count(*) FROM parties.{table}")).scalar_one() == 0
    with pytest.raises(sa.exc.ProgrammingError, match="row-level security"), installation.begin(here) as unit:
        unit.connection.execute(sa.text(f"UPDATE parties.{table} SET tenant_id = '{there}'"))
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"), installation.begin(here) as unit:
        unit.connection.execute(sa.text(f"DELETE FROM parties.{table}"))


def test_a_wallet_cannot_be_hung_on_another_organisations_investor(installation: Installation, officer: Actor) -> None:
    foreign = onboard(installation, an_actor(installation.found().owner.tenant_id, Role.OWNER))
    with pytest.raises(sa.exc.IntegrityError, match="foreign key"), installation.begin(officer.tenant_id) as unit:
        unit.connection.execute(
            sa.text("INSERT INTO parties.wallet VALUES (:wallet, :tenant, :investor, 1, :address, false, now())"),
            {"wallet": new_id(NOON), "tenant": officer.tenant_id, "investor": foreign.investor_id, "address": WALLET},
        )


def test_two_hundred_investors_get_their_managed_wallets_in_one_call(installation: Installation, officer: Actor) -> None:
    rows = [a_row(f"A-{number}") for number in range(200)]
    assert counts(load(installation, officer, *rows)) == (200, 0, 0)
