# SPDX-License-Identifier: Apache-2.0
"""Assets, suites, tokens and deeds on a real node: once each, whatever is run again, and verified from what is stored."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from muniment.access.errors import NotFound, NotPermitted
from muniment.access.model import Actor, Role
from muniment.infra.evm import contract_artifacts
from muniment.infra.jobs import Done
from muniment.instruments.commands import (
    DocumentUpload,
    DraftSecurity,
    TokeniseAsset,
    TokenisedAsset,
    TokeniseVehicle,
    draft_security,
    erase_personal_value,
    file_lien,
    release_lien,
    store_document,
    tokenise_asset,
    tokenise_vehicle,
    verify_asset,
    view_anchors,
    view_title,
    view_verification,
)
from muniment.instruments.commands import (
    deploy_security as order_deployment,
)
from muniment.instruments.errors import (
    AssetNotFound,
    DocumentAlreadyStored,
    DocumentTooLarge,
    LienNotFound,
    NoTitle,
    RecordInvalid,
    SymbolTaken,
    WrongState,
)
from muniment.instruments.model.securities import DeployedSecurity
from muniment.instruments.process import anchor_documents, deploy_platform, deploy_security, register_asset, settle_lien
from muniment.units.ids import Address, TenantId
from tests.access.unit import an_actor
from tests.infra.rig import an_address
from tests.instruments.stage import Stage

VIN = "1M8GDM9AXKP042788"
VEHICLE = {"vin": VIN, "make": "Merganser", "model": "Coach 45", "mileage_kilometres": 120_000}
OWNER = {"legal_name": "Fictitious Person Quill", "date_of_birth": "1971-02-03", "address": {"city": "Nowhere", "country": "US"}}
CERTIFICATE = DocumentUpload("certificate.txt", "text/plain", b"This certificate is fictitious.")


def a_vehicle(stage: Stage, tenant_id: TenantId, owner: Actor, *, title_owner: Address | None = None) -> TokenisedAsset:
    with stage.begin(tenant_id) as unit:
        return tokenise_vehicle(owner, TokeniseVehicle(VEHICLE, OWNER, title_owner, (CERTIFICATE,)), unit=unit)


def registered(stage: Stage, tenant_id: TenantId, asset: TokenisedAsset, *, title_owner: Address | None = None) -> int:
    return stage.run(
        lambda: register_asset(asset.asset_record_id, title_owner=title_owner, units=stage.units(tenant_id), platform=stage.platform)
    )


def a_deployed_security(stage: Stage, tenant_id: TenantId, owner: Actor, symbol: str = "HERON") -> DeployedSecurity:
    with stage.begin(tenant_id) as unit:
        asset = tokenise_asset(owner, TokeniseAsset({"kind": "other", "title": f"Asset of {symbol} {tenant_id}"}), unit=unit)
        drafted = draft_security(owner, DraftSecurity(asset.asset_record_id, "Heron Motors Common", symbol), unit=unit)
    security_id = drafted.terms.security_id
    stage.run(lambda: deploy_security(security_id, units=stage.units(tenant_id), platform=stage.platform))
    with stage.begin(tenant_id) as unit:
        deployed = unit.securities.get(security_id)
    assert isinstance(deployed, DeployedSecurity)
    return deployed


def test_a_second_deployment_of_the_platform_changes_nothing(stage: Stage) -> None:
    with stage.platform() as unit:
        before = unit.suites.platform_contracts()
    assert isinstance(deploy_platform(stage.operator, platform=stage.platform), Done)
    with stage.platform() as unit:
        assert unit.suites.platform_contracts() == before


def test_an_assets_documents_are_anchored_under_its_id_and_on_its_token(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    with stage.begin(tenant_id) as unit:
        described = {"kind": "other", "title": f"Papers of {tenant_id}"}
        asset = tokenise_asset(owner, TokeniseAsset(described, documents=(CERTIFICATE,)), unit=unit)
        drafted = draft_security(owner, DraftSecurity(asset.asset_record_id, "Heron Papers", "PAPER"), unit=unit)
    registered(stage, tenant_id, asset)
    stage.run(lambda: deploy_security(drafted.terms.security_id, units=stage.units(tenant_id), platform=stage.platform))
    with stage.begin(tenant_id) as unit:
        later = store_document(owner, asset.asset_record_id, DocumentUpload("appraisal.txt", "text/plain", b"Invented."), unit=unit)
        assert view_verification(owner, asset.asset_id, unit=unit).documents_anchored == 1
    stage.run(lambda: anchor_documents(asset.asset_record_id, units=stage.units(tenant_id)))
    with stage.begin(tenant_id) as unit:
        assert verify_asset(asset.asset_id, unit=unit).documents_anchored == 2
        assert set(view_anchors(owner, asset.asset_record_id, unit=unit)) == {
            each.document_id for each in unit.assets.documents(asset.asset_record_id)
        }
        security = unit.securities.get(drafted.terms.security_id)
    assert isinstance(security, DeployedSecurity)
    token = contract_artifacts.load("security_token")
    digest = bytes.fromhex(later.print.keccak256.removeprefix("0x"))
    uri, found, _ = token.decode_output("getDocument", stage.evm.call(security.token_address, token.encode_call("getDocument", digest)))
    assert (uri, bytes(found)) == (f"urn:uuid:{later.document_id}", digest)
    assert len(token.decode_output("getAllDocuments", stage.evm.call(security.token_address, token.encode_call("getAllDocuments")))) == 2
    # Run again, nothing is sent twice.
    assert isinstance(anchor_documents(asset.asset_record_id, units=stage.units(tenant_id)), Done)


LIEN = {"reference": "L-77", "holder": "Invented Bank", "registered_date": "2026-02-01", "amount": {"amount": "9000", "currency": "EUR"}}


def test_a_lien_stops_the_deed_until_it_is_released_and_the_history_tells_all(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    wallet, other = an_address(0xD0D1), an_address(0xD0D2)
    asset = a_vehicle(stage, tenant_id, owner, title_owner=wallet)
    with stage.begin(tenant_id) as unit, pytest.raises(NoTitle):
        file_lien(owner, asset.asset_record_id, LIEN, unit=unit)
    registered(stage, tenant_id, asset, title_owner=wallet)
    deed = contract_artifacts.load("title_deed")
    (watched,) = stage.rows("SELECT address FROM infra.contract WHERE artifact = 'title_deed' AND tenant_id = :t", t=tenant_id)

    def may_move() -> bool:
        answer = stage.evm.call(Address(watched.address), deed.encode_call("canTransfer", wallet, other, int(asset.asset_id, 16)))
        return bool(deed.decode_output("canTransfer", answer))

    assert may_move()
    with stage.begin(tenant_id) as unit:
        lien_id = file_lien(owner, asset.asset_record_id, LIEN, unit=unit)
    stage.run(lambda: settle_lien(asset.asset_record_id, lien_id, is_released=False, units=stage.units(tenant_id)))
    assert not may_move()
    with stage.begin(tenant_id) as unit:
        history = view_title(owner, asset.asset_record_id, unit=unit)
        assert (history.owner, history.open_liens) == (wallet, (lien_id,))
        assert (history.texts[lien_id].holder, history.texts[lien_id].reference) == ("Invented Bank", "L-77")
        with pytest.raises(DocumentAlreadyStored):
            file_lien(owner, asset.asset_record_id, LIEN, unit=unit)
    with stage.begin(tenant_id) as unit:
        with pytest.raises(LienNotFound):
            release_lien(owner, asset.asset_record_id, "0x" + "ab" * 32, unit=unit)
        release_lien(owner, asset.asset_record_id, lien_id, unit=unit)
    stage.run(lambda: settle_lien(asset.asset_record_id, lien_id, is_released=True, units=stage.units(tenant_id)))
    assert may_move()
    with stage.begin(tenant_id) as unit:
        history = view_title(owner, asset.asset_record_id, unit=unit)
        assert [event.act for event in history.events] == ["minted", "lien_placed", "lien_released"]
        assert history.open_liens == () and history.events[0].receiver == wallet
        assert verify_asset(asset.asset_id, unit=unit).holds
    with stage.begin(tenant_id) as unit, pytest.raises(RecordInvalid):
        file_lien(owner, asset.asset_record_id, {**LIEN, "holder": ""}, unit=unit)


def test_a_vehicle_is_registered_and_its_deed_minted_to_the_owners_wallet(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    wallet = an_address(0xD0D0)
    asset = a_vehicle(stage, tenant_id, owner, title_owner=wallet)
    registered(stage, tenant_id, asset, title_owner=wallet)

    with stage.begin(tenant_id) as unit:
        title = unit.suites.title(asset.asset_record_id)
        kinds = unit.events()
    assert title is not None and title.state == "minted" and title.owner == wallet
    assert title.token_id == int(asset.asset_id, 16)
    deed = contract_artifacts.load("title_deed")
    (watched,) = stage.rows("SELECT address FROM infra.contract WHERE artifact = 'title_deed' AND tenant_id = :t", t=tenant_id)
    answer = stage.evm.call(Address(watched.address), deed.encode_call("ownerOf", title.token_id))
    assert deed.decode_output("ownerOf", answer) == wallet
    assert kinds.count("instruments.title_minted") == 1


def test_running_everything_again_sends_no_second_transaction(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    wallet = an_address(0xD0D1)
    asset = a_vehicle(stage, tenant_id, owner, title_owner=wallet)
    registered(stage, tenant_id, asset, title_owner=wallet)
    sent = "SELECT count(*) AS n FROM infra.chain_transaction WHERE tenant_id = :t OR purpose LIKE :p"
    before = stage.rows(sent, t=tenant_id, p=f"%{asset.asset_id}")[0].n
    assert registered(stage, tenant_id, asset, title_owner=wallet) == 0
    assert stage.rows(sent, t=tenant_id, p=f"%{asset.asset_id}")[0].n == before


def test_an_open_lien_holds_the_deed(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    wallet = an_address(0xD0D2)
    lien = {"reference": "L-1", "holder": "Fictitious Savings Bank", "registered_date": "2024-05-01"}
    with stage.begin(tenant_id) as unit:
        described = {**VEHICLE, "liens": [lien, {**lien, "reference": "L-0", "released_date": "2024-06-01"}]}
        asset = tokenise_vehicle(owner, TokeniseVehicle(described, OWNER, wallet), unit=unit)
    registered(stage, tenant_id, asset, title_owner=wallet)
    deed = contract_artifacts.load("title_deed")
    (watched,) = stage.rows("SELECT address FROM infra.contract WHERE artifact = 'title_deed' AND tenant_id = :t", t=tenant_id)
    address, token_id = Address(watched.address), int(asset.asset_id, 16)
    assert len(deed.decode_output("liens", stage.evm.call(address, deed.encode_call("liens", token_id)))) == 1
    answer = stage.evm.call(address, deed.encode_call("check_transfer", wallet, an_address(0xBEEF), token_id))
    code, _ = deed.decode_output("check_transfer", answer)
    assert contract_artifacts.reason("title_deed", code).code == "settlement.lien_active"


def test_a_security_is_deployed_paused_where_it_was_foretold(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    deployed = a_deployed_security(stage, tenant_id, owner)
    token = contract_artifacts.load("security_token")

    def ask(function: str) -> object:
        return token.decode_output(function, stage.evm.call(deployed.token_address, token.encode_call(function)))

    assert (ask("name"), ask("symbol"), ask("decimals"), ask("paused")) == ("Heron Motors Common", "HERON", 0, True)
    with stage.begin(tenant_id) as unit:
        suite = unit.suites.suite()
        assert suite is not None and suite.state == "deployed"
        asset = unit.assets.get(deployed.terms.asset_record_id)
        registry = unit.suites.platform("asset_registry")
    assert ask("owner") == suite.operator and ask("compliance") == suite.contract("joint_compliance")
    assets = contract_artifacts.load("asset_registry")
    linked = stage.evm.call(registry, assets.encode_call("token_of", bytes.fromhex(asset.asset_id[2:])))
    assert assets.decode_output("token_of", linked) == deployed.token_address


def test_two_securities_of_an_issuer_share_one_suite(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    first, second = (a_deployed_security(stage, tenant_id, owner, symbol) for symbol in ("ONE", "TWO"))
    assert first.token_address != second.token_address
    suites = stage.rows(
        "SELECT count(*) AS n FROM infra.chain_transaction WHERE tenant_id = :t AND purpose = 'instruments.deploy_suite'", t=tenant_id
    )
    assert suites[0].n == 1


def test_a_deployed_security_is_not_deployed_again(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    deployed = a_deployed_security(stage, tenant_id, owner)
    with stage.begin(tenant_id) as unit, pytest.raises(WrongState):
        order_deployment(owner, deployed.terms.security_id, unit=unit)
    outcome = deploy_security(deployed.terms.security_id, units=stage.units(tenant_id), platform=stage.platform)
    assert isinstance(outcome, Done)


def test_a_registered_asset_verifies_and_keeps_verifying_after_a_value_is_erased(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    with stage.begin(tenant_id) as unit:
        assert [finding.code for finding in verify_asset(asset.asset_id, unit=unit).findings] == ["instruments.not_on_chain"]
    registered(stage, tenant_id, asset)
    with stage.begin(tenant_id) as unit:
        verified = verify_asset(asset.asset_id, unit=unit)
        assert verified.holds and verified.commitments_opened == 4 and verified.documents_checked == 1
        erase_personal_value(owner, asset.asset_record_id, "owner.legal_name", unit=unit)
    with stage.begin(tenant_id) as unit:
        verified = verify_asset(asset.asset_id, unit=unit)
        assert verified.holds and (verified.commitments_opened, verified.commitments_erased) == (3, 1)


@pytest.mark.parametrize(
    ("table", "change", "field", "code"),
    [
        (
            "asset_record",
            "SET canonical_json = replace(convert_from(canonical_json, 'UTF8'), '120000', '20000')::bytea",
            "canonical_json",
            "instruments.asset_id_differs",
        ),
        ("asset_record", "SET canonical_json = canonical_json || ' '::bytea", "canonical_json", "instruments.not_canonical"),
        (
            "personal_value",
            "SET commitment = CASE name WHEN 'owner.address.city' THEN '0x' || repeat('ab', 32) ELSE commitment END",
            "commitments.owner.address.city",
            "instruments.commitment_differs",
        ),
        ("personal_value", None, "commitments.owner.legal_name", "instruments.part_missing"),
        ("document", "SET content = 'forged'::bytea", "documents.certificate.txt.keccak256", "instruments.document_differs"),
        ("document", None, "documents", "instruments.part_missing"),
    ],
)
def test_a_row_changed_by_hand_is_a_finding(
    stage: Stage, issuer: tuple[TenantId, Actor], table: str, change: str | None, field: str, code: str
) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    registered(stage, tenant_id, asset)
    statement = f"DELETE FROM instruments.{table}" if change is None else f"UPDATE instruments.{table} {change}"
    with stage.database.worker_transaction() as connection:
        changed = connection.execute(sa.text(f"{statement} WHERE asset_record_id = :id"), {"id": asset.asset_record_id})
        assert changed.rowcount >= 1
    with stage.begin(tenant_id) as unit:
        findings = verify_asset(asset.asset_id, unit=unit).findings
    assert any(finding.code == code and finding.field.startswith(field) for finding in findings)


def test_an_asset_of_another_issuer_does_not_exist(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    foreign, _ = stage.a_tenant()
    with stage.begin(foreign) as unit:
        with pytest.raises(AssetNotFound):
            verify_asset(asset.asset_id, unit=unit)
        with pytest.raises(NotFound):
            store_document(owner, asset.asset_record_id, CERTIFICATE, unit=unit)
        assert unit.assets.personal_values(asset.asset_record_id) == []


def test_only_an_issuer_tokenises(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, _ = issuer
    with stage.begin(tenant_id) as unit, pytest.raises(NotPermitted):
        tokenise_vehicle(an_actor(tenant_id, Role.AUDITOR), TokeniseVehicle(VEHICLE, OWNER), unit=unit)


def test_a_symbol_belongs_to_one_security_of_an_issuer(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    with stage.begin(tenant_id) as unit:
        draft_security(owner, DraftSecurity(asset.asset_record_id, "First", "SAME"), unit=unit)
        with pytest.raises(SymbolTaken):
            draft_security(owner, DraftSecurity(asset.asset_record_id, "Second", "SAME"), unit=unit)


def test_documents_are_stored_once_and_within_their_limit(
    stage: Stage, issuer: tuple[TenantId, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    with stage.begin(tenant_id) as unit, pytest.raises(DocumentAlreadyStored):
        store_document(owner, asset.asset_record_id, CERTIFICATE, unit=unit)
    large = dataclasses.replace(CERTIFICATE, content=bytes(10_000_001))
    with stage.begin(tenant_id) as unit, pytest.raises(DocumentTooLarge) as refused:
        store_document(owner, asset.asset_record_id, large, unit=unit)
    assert refused.value.place is not None and refused.value.place.file == "certificate.txt"


def test_personal_texts_stand_nowhere_in_the_clear(stage: Stage, issuer: tuple[TenantId, Actor]) -> None:
    tenant_id, owner = issuer
    asset = a_vehicle(stage, tenant_id, owner)
    registered(stage, tenant_id, asset)
    tables = stage.rows(
        "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('instruments', 'infra', 'procrastinate')"
    )
    for table in tables:
        found = stage.rows(f"SELECT count(*) AS n FROM {table.name} t WHERE to_jsonb(t)::text LIKE '%Fictitious Person Quill%'")
        assert found[0].n == 0, table.name
    assert stage.rows("SELECT count(*) AS n FROM infra.chain_transaction WHERE position('Quill'::bytea IN raw) > 0")[0].n == 0
