# SPDX-License-Identifier: Apache-2.0
"""What holds for every cap table: export equals import, a security closes once, nothing appears or vanishes, the replay is the book."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import json
from collections import Counter
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muniment.instruments.model.cap_table import lots, replay
from muniment.instruments.model.ocf import read_package, write_package
from muniment.instruments.model.ocf_check import check_package
from muniment.instruments.model.ocf_ledger import RegisterHolder, RegisterMovement, package_of, stock_class_of, with_register
from muniment.instruments.model.securities import SecurityTerms
from muniment.units.ids import AssetRecordId, SecurityId
from tests.instruments import ocf_histories
from tests.instruments.ocf_histories import History, a_history, as_fractions, file_of, files_of
from tests.instruments.test_ocf import Schemas

HISTORIES = st.integers(0, 2**32).map(lambda seed: a_history(Random(seed)))
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def schemas(test_data: Path) -> Schemas:
    return Schemas(test_data / "ocf" / "schema")


@MANY
@given(HISTORIES)
def test_an_export_is_valid_under_the_published_schemas_and_equal_after_import(schemas: Schemas, history: History) -> None:
    written = files_of(history)
    for name, content in written.items():
        body = json.loads(content)
        for item in body.get("items", [body.get("issuer")]):
            assert [error.message for error in schemas.validators[item["object_type"]].iter_errors(item)] == [], name
        if name == "Manifest.ocf.json":
            assert [error.message for error in schemas.manifest.iter_errors(body)] == []
    assert check_package(written).problems == ()
    assert write_package(read_package(written)) == written


@MANY
@given(HISTORIES)
def test_the_replay_of_each_day_is_the_book_of_that_day(history: History) -> None:
    package = read_package(files_of(history))
    for day, book in history.books.items():
        table = replay(package, as_of=day)
        assert table.defects == ()
        assert {(each.stock_class_id, each.stakeholder_id): each.shares for each in table.positions} == as_fractions(book)
        for class_id, outstanding in table.outstanding.items():
            limit = table.authorized[class_id]
            assert limit is not None and outstanding <= limit


@MANY
@given(HISTORIES)
def test_lots_add_up_to_the_positions_and_keep_their_days(history: History) -> None:
    package = read_package(files_of(history))
    found = lots(package)
    assert {lot.security_id: (lot.shares, lot.acquired_date, lot.origin_date) for lot in found} == {
        security_id: (security.shares, security.acquired, security.issued) for security_id, security in history.open.items()
    }


@MANY
@given(HISTORIES, st.data())
def test_a_security_closes_at_most_once(history: History, data: st.DataObject) -> None:
    closings = [
        body
        for body in history.objects
        if body["object_type"] in {"TX_STOCK_TRANSFER", "TX_STOCK_CANCELLATION", "TX_STOCK_RETRACTION", "TX_STOCK_CONVERSION"}
    ]
    if not closings:
        return
    again = {**data.draw(st.sampled_from(closings)), "id": "again", "date": history.today.isoformat()}
    before = as_fractions(history.book())
    history.objects.append(again)
    files = files_of(history)
    table = replay(read_package(files))
    assert [(each.object_id, each.code, each.field) for each in table.defects] == [("again", "cap_table.not_open", "security_id")]
    assert {(each.stock_class_id, each.stakeholder_id): each.shares for each in table.positions} == before
    assert [(each.object_id, each.field) for each in check_package(files).problems] == [("again", "security_id")]


@MANY
@given(HISTORIES, st.data())
def test_shares_that_appear_or_vanish_in_a_transaction_are_told(history: History, data: st.DataObject) -> None:
    moving = [body for body in history.objects if body["object_type"] in {"TX_STOCK_TRANSFER", "TX_STOCK_CONVERSION"}]
    if not moving:
        return
    changed = data.draw(st.sampled_from(moving))
    name = "quantity" if "quantity" in changed else "quantity_converted"
    changed[name] = str(int(changed[name]) + data.draw(st.sampled_from([-1, 1, 1_000])))
    told = {each.object_id for each in replay(read_package(files_of(history))).defects}
    assert changed["id"] in told


@MANY
@given(HISTORIES)
def test_more_than_is_authorised_is_told_with_class_and_day(history: History) -> None:
    history.issue("ada", "common", history.authorized["common"] - history.outstanding("common") + 1)
    over = history.objects[-1]["id"]
    problems = [(each.object_id, each.code) for each in check_package(files_of(history)).problems]
    assert problems == [(over, "cap_table.over_authorized")]


REFERENCES = ("stakeholder_id", "stock_class_id", "security_id", "stock_plan_id", "vesting_terms_id", "issuer_id")


@MANY
@given(HISTORIES, st.data())
def test_a_reference_to_nothing_is_told_with_file_object_and_field(history: History, data: st.DataObject) -> None:
    ocf_histories.EVENTS[-1](history)
    places = [
        (body, name)
        for body in history.objects
        for name in REFERENCES
        if name in body and not (name == "security_id" and body["object_type"].endswith("_ISSUANCE"))
    ]
    body, name = data.draw(st.sampled_from(places))
    body[name] = "nobody"
    problems = check_package(files_of(history)).problems
    assert (file_of(body["object_type"]), body["id"], name) in {(each.file, each.object_id, each.field) for each in problems}


def test_what_hangs_on_a_malformed_issuance_is_not_blamed() -> None:
    history = History(Random(1))
    history.objects += ocf_histories.fixed_objects()
    security_id = history.issue("ada", "common", 10)
    issuance = history.objects[-1]
    history.transaction("TX_STOCK_RETRACTION", security_id=security_id, reason_text="void")
    sound = copy.deepcopy(history)
    assert check_package(files_of(sound)).problems == ()
    del issuance["custom_id"]
    problems = check_package(files_of(history)).problems
    assert [(each.object_id, each.field) for each in problems] == [(issuance["id"], "custom_id")]


def test_every_object_type_that_the_design_names_occurs_in_the_made_up_companies() -> None:
    types = {body["object_type"] for seed in range(40) for body in a_history(Random(seed)).objects}
    assert {
        *("ISSUER", "STAKEHOLDER", "STOCK_CLASS", "STOCK_LEGEND_TEMPLATE", "VALUATION", "STOCK_PLAN", "VESTING_TERMS"),
        *(f"TX_STOCK_{each}" for each in ("ISSUANCE", "TRANSFER", "CANCELLATION", "RETRACTION", "REPURCHASE", "REISSUANCE")),
        *("TX_STOCK_CONVERSION", "TX_STOCK_ACCEPTANCE", "TX_STOCK_CLASS_SPLIT", "TX_STOCK_CLASS_CONVERSION_RATIO_ADJUSTMENT"),
        *("TX_STOCK_CLASS_AUTHORIZED_SHARES_ADJUSTMENT", "TX_ISSUER_AUTHORIZED_SHARES_ADJUSTMENT", "TX_STOCK_PLAN_POOL_ADJUSTMENT"),
        *("TX_CONVERTIBLE_ISSUANCE", "TX_WARRANT_ISSUANCE", "TX_EQUITY_COMPENSATION_ISSUANCE", "TX_VESTING_START"),
    } <= types


# The register told in the format

TERMS = SecurityTerms(
    security_id=SecurityId(UUID(int=7)),
    asset_record_id=AssetRecordId(UUID(int=8)),
    kind="equity",
    name="Made Up Works Common",
    symbol="MADE",
    decimals=2,
    currency="USD",
    shares_authorized=None,
    share_class="common",
    drafted_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
)
WALLETS = ("w-1", "w-2", "w-3")


def a_register(random: Random, *, begins: dt.datetime) -> tuple[list[RegisterMovement], dict[dt.date, dict[str, int]]]:
    """Return movements in the chain's order, several of them on some days, and what each holder has after each day."""
    movements: list[RegisterMovement] = []
    held: Counter[str] = Counter()
    books: dict[dt.date, dict[str, int]] = {}
    at = begins
    for number in range(random.randint(1, 20)):
        at += dt.timedelta(hours=random.randint(0, 30))
        giver = random.choice([None, *(wallet for wallet in WALLETS if held[wallet])])
        receiver = random.choice([*WALLETS, *([] if giver is None else [None])])
        shares = random.randint(1, 100_000 if giver is None else held[giver])
        movements.append(RegisterMovement(f"0x{number:064x}-0", at, giver, receiver, shares))
        if giver is not None:
            held[giver] -= shares
        if receiver is not None:
            held[receiver] += shares
        books[at.date()] = {wallet: shares for wallet, shares in held.items() if shares}
    return movements, books


@MANY
@given(HISTORIES, st.integers(0, 2**32), st.sampled_from(["common", None]))
def test_a_register_told_in_the_format_replays_to_itself_on_every_day(
    schemas: Schemas, history: History, seed: int, share_class: str | None
) -> None:
    imported = read_package(files_of(history))
    begins = dt.datetime.combine(history.today, dt.time(12), tzinfo=dt.UTC) + dt.timedelta(days=1)
    movements, books = a_register(Random(seed), begins=begins)
    terms = dataclasses.replace(TERMS, share_class=share_class)
    holders = [RegisterHolder(wallet, f"Invented {wallet}", is_person=True) for wallet in WALLETS]
    told = with_register(imported, terms, holders, movements)
    class_id = stock_class_of(terms, told)
    for day, book in books.items():
        table = replay(told, as_of=day)
        positions = {each.stakeholder_id: each.shares * 100 for each in table.positions if each.stock_class_id == class_id}
        assert (positions, table.defects) == (book, ())
    # The other class is untouched.
    others = {(each.stakeholder_id, each.shares) for each in replay(told).positions if each.stock_class_id == "preferred"}
    assert others == {(each.stakeholder_id, each.shares) for each in replay(imported).positions if each.stock_class_id == "preferred"}
    written = write_package(told)
    for item in json.loads(written["Transactions.ocf.json"])["items"]:
        assert schemas.validators[item["object_type"]].is_valid(item), item
    assert check_package(written).problems == ()
    assert write_package(read_package(written)) == written
    assert {each.body["id"] for each in imported.objects} <= {each.body["id"] for each in told.objects}


def test_a_company_without_movements_is_told_as_it_was_imported() -> None:
    imported = read_package(files_of(a_history(Random(5))))
    assert with_register(imported, TERMS, [], []) == imported


def test_a_transfer_takes_the_oldest_shares_and_what_is_left_keeps_its_day() -> None:
    empty = package_of(
        {"legal_name": "Made Up Works, Inc.", "formation_date": "2023-05-01", "country_of_formation": "US"},
        asset_id="0x01",
        recorded_at=TERMS.drafted_at,
    )
    days = [dt.datetime(2025, 3, day, tzinfo=dt.UTC) for day in (1, 2, 3)]
    movements = [
        RegisterMovement("a", days[0], None, "w-1", 1_000),
        RegisterMovement("b", days[1], None, "w-1", 500),
        RegisterMovement("c", days[2], "w-1", "w-2", 400),
    ]
    holders = [RegisterHolder(wallet, wallet, is_person=False) for wallet in ("w-1", "w-2")]
    found = [
        (lot.stakeholder_id, lot.shares, lot.acquired_date.day, lot.origin_date.day)
        for lot in lots(with_register(empty, TERMS, holders, movements))
    ]
    assert found == [("w-1", 6, 1, 1), ("w-1", 5, 2, 2), ("w-2", 4, 3, 1)]
