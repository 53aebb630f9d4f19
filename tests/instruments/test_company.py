# SPDX-License-Identifier: Apache-2.0
"""A company's cap table in the database: sealed, erasable person by person, invisible to other issuers."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from muniment.access.model import Actor
from muniment.app.ocf_folder import files_of_folder
from muniment.infra.postgres.database import METADATA
from muniment.instruments.commands import (
    TokeniseAsset,
    TokeniseCompany,
    TokenisedCompany,
    tokenise_asset,
    tokenise_company,
    verify_asset,
)
from muniment.instruments.errors import AssetAlreadyRecorded, PackageUnreadable, SymbolTaken
from muniment.instruments.model.ocf import read_package, write_package
from muniment.instruments.process import register_asset
from muniment.units.ids import TenantId
from tests.instruments.conftest import EXAMPLES
from tests.instruments.stage import Stage

TABLES = [table for table in METADATA.sorted_tables if table.schema == "instruments" and "tenant_id" in table.c]


def example() -> dict[str, bytes]:
    return files_of_folder(EXAMPLES / "ocf")


def a_company(stage: Stage, issuer: tuple[TenantId, Actor], **symbols: str) -> TokenisedCompany:
    tenant_id, owner = issuer
    with stage.begin(tenant_id) as unit:
        return tokenise_company(owner, TokeniseCompany(example(), symbols), unit=unit)


def test_a_package_comes_out_of_the_database_as_it_went_in(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    company = a_company(stage, issuer)
    with stage.begin(issuer[0]) as unit:
        package = unit.cap_tables.package(company.asset_record_id)
    assert package is not None and write_package(package) == example()


def test_each_class_is_drafted_with_what_is_authorised_today(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    company = a_company(stage, issuer)
    with stage.begin(issuer[0]) as unit:
        drafts = {security.terms.share_class: security.terms for security in unit.securities.of_asset(company.asset_record_id)}
    assert {class_id: terms.shares_authorized for class_id, terms in drafts.items()} == {"cls-common": 12_000_000, "cls-seed": 1_500_000}
    assert drafts["cls-seed"].name == "Ternwick Instruments, Inc. (fictitious) Series Seed Preferred"[:64]
    assert company.cap_table.shares_of("cls-common", "sh-employee") == 50_000


def test_a_made_symbol_makes_room_and_a_wanted_one_is_refused(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    a_company(stage, issuer)
    files = {**example(), "Manifest.ocf.json": example()["Manifest.ocf.json"].replace(b"09:00:00Z", b"09:00:01Z")}
    with stage.begin(tenant_id) as unit:
        second = tokenise_company(owner, TokeniseCompany(files), unit=unit)
        assert {security.terms.symbol for security in unit.securities.of_asset(second.asset_record_id)} == {"CS-2", "SS-2"}
    with stage.begin(tenant_id) as unit, pytest.raises(SymbolTaken):
        tokenise_company(owner, TokeniseCompany(files, {"cls-common": "CS"}), unit=unit)


def test_a_refused_package_leaves_nothing_behind(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    files = {**example(), "Manifest.ocf.json": b"{}"}
    with pytest.raises(PackageUnreadable), stage.begin(tenant_id) as unit:
        tokenise_company(owner, TokeniseCompany(files), unit=unit)
    for table in TABLES:
        assert stage.rows(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = :t", t=tenant_id)[0].n == 0


def test_an_erased_stakeholder_is_gone_and_the_asset_still_verifies(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, _ = issuer
    company = a_company(stage, issuer)
    stage.run(lambda: register_asset(company.asset_record_id, title_owner=None, units=stage.units(tenant_id), platform=stage.platform))
    with stage.begin(tenant_id) as unit:
        assert unit.cap_tables.erase_object(company.asset_record_id, "STAKEHOLDER", "sh-angel", at=stage.clock.now())
        assert not unit.cap_tables.erase_object(company.asset_record_id, "STAKEHOLDER", "sh-angel", at=stage.clock.now())
    with stage.begin(tenant_id) as unit:
        verified = verify_asset(company.asset_id, unit=unit)
        package = unit.cap_tables.package(company.asset_record_id)
    assert verified.holds and verified.commitments_erased == 1
    assert package is not None
    assert len(package.objects) == len(read_package(example()).objects) - 1
    assert "Priya" not in "".join(each.canonical() for each in package.objects)


def test_an_object_changed_by_hand_is_a_finding(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, _ = issuer
    company = a_company(stage, issuer)
    with stage.database.worker_transaction() as connection:
        connection.execute(
            sa.text("UPDATE instruments.ocf_object SET commitment = '0x' || repeat('0', 64) WHERE asset_record_id = :id AND position = 3"),
            {"id": company.asset_record_id},
        )
    with stage.begin(tenant_id) as unit:
        codes = {finding.code for finding in verify_asset(company.asset_id, unit=unit).findings}
    assert {"instruments.commitment_does_not_open", "instruments.cap_table_differs"} <= codes


def test_people_of_a_cap_table_stand_nowhere_in_the_clear(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    a_company(stage, issuer)
    for table in TABLES:
        for name in ("Quarrington", "sh-founder", "wexcombe@example.com", "00-0000000"):
            found = stage.rows(
                f"SELECT count(*) AS n FROM {table} t WHERE to_jsonb(t)::text ILIKE '%{name}%' AND tenant_id = :t", t=issuer[0]
            )
            assert found[0].n == 0, (table.name, name)


def test_no_table_shows_or_takes_another_issuers_row(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    company = a_company(stage, issuer)
    stage.run(lambda: register_asset(company.asset_record_id, title_owner=None, units=stage.units(issuer[0]), platform=stage.platform))
    foreign, _ = stage.a_tenant()
    seen = 0
    for table in TABLES:
        mine = stage.rows(f"SELECT count(*) AS n FROM {table} WHERE tenant_id = :t", t=issuer[0])[0].n
        with stage.database.transaction(tenant_id=foreign) as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() == 0, table.name
            seen += mine > 0
    assert seen >= 5
    with stage.begin(foreign) as unit, pytest.raises(sa.exc.ProgrammingError, match="row-level security"):
        unit.connection.execute(
            sa.insert(METADATA.tables["instruments.security"]).values(
                security_id=foreign,
                tenant_id=issuer[0],
                asset_record_id=company.asset_record_id,
                kind="equity",
                name="Stolen",
                symbol="STOLEN",
                decimals=0,
                state="drafted",
                drafted_at=stage.clock.now(),
                changed_at=stage.clock.now(),
            )
        )


def test_a_record_cannot_be_changed_even_by_its_issuer(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    a_company(stage, issuer)
    with stage.begin(issuer[0]) as unit, pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        unit.connection.execute(sa.text("UPDATE instruments.asset_record SET title = 'x'"))


def test_the_same_content_is_recorded_once(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    request = TokeniseAsset({"kind": "other", "title": "One thing"})
    with stage.begin(tenant_id) as unit:
        tokenise_asset(owner, request, unit=unit)
    with stage.begin(tenant_id) as unit, pytest.raises(AssetAlreadyRecorded):
        tokenise_asset(owner, request, unit=unit)
