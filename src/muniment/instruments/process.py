# SPDX-License-Identifier: Apache-2.0
"""The long use cases of instruments, top to bottom: the platform, an issuer's account and suite, assets, deeds, tokens. Each may run again.

What a step submits is unique by its purpose, so running again after a crash sends nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import rfc8785
from eth_hash.auto import keccak

from muniment.access.model import EMPTY_HEAD, system_actor
from muniment.infra.crashpoints import crashpoint
from muniment.infra.evm.sender import ChainTransaction, TransactionState
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.instruments.commands import ANCHOR_DOCUMENTS_JOB
from muniment.instruments.errors import DeploymentFailed, PlatformMissing
from muniment.instruments.events import SecurityDeployed, TitleMinted
from muniment.instruments.model.securities import (
    DeployedSecurity,
    DeployingSecurity,
    DraftedSecurity,
    OpenSecurity,
    begin_deployment,
    finish_deployment,
    token_purpose,
)
from muniment.instruments.ports import InstrumentsUnit, IssuerSuite, PlatformUnit, StoredAsset, Title
from muniment.units.ids import Address, AssetRecordId, SecurityId, TenantId

Units = Callable[[], AbstractContextManager[InstrumentsUnit]]
PlatformUnits = Callable[[], AbstractContextManager[PlatformUnit]]

GRANT_WEI = 10**18
"""What an issuer's new account gets from the platform's operator to pay for gas."""
GRANT_WEI_MIN = 10**17
"""An account that has this much already is given nothing."""

TOKEN_DOCUMENTS_MAX = 64
"""As many papers as a token lists; an asset with more has them in the registry only."""

DEED_NAME = "Title deeds"
DEED_SYMBOL = "DEED"
PLATFORM_ARTIFACTS = ("security_factory", "asset_registry", "payout", "payment_token")
PLATFORM_PURPOSE = "instruments.platform"
"""Begins the names of the platform's deployments; whoever needs its contracts waits for it."""


def deploy_platform(operator: Address, *, platform: PlatformUnits) -> ProcessOutcome:
    """Put the shared contracts on the chain, once: factory and its blueprints, asset registry, payout, a test payment token.

    `operator` is an account of the keystore with gas money; it owns the asset registry and the payment token.
    """
    with platform() as unit:
        if set(PLATFORM_ARTIFACTS) <= unit.suites.platform_contracts().keys():
            return Done(wakes=PLATFORM_PURPOSE)
        addresses = unit.instruments_chain.create_platform(operator)
    crashpoint("instruments.after_platform_signed")
    with platform() as unit:
        transactions = unit.instruments_chain.platform_transactions()
        if not _are_final(transactions):
            return Waiting("the platform's contracts", PLATFORM_PURPOSE)
        now = unit.clock.now()
        block = min(_block(transaction) for transaction in transactions)
        for name, address in addresses.items():
            unit.suites.watch(address, name, deployed_block=block, shared=True)
            unit.suites.add_platform(name, address, deployed_block=block, at=now)
        unit.suites.add_platform("operator", operator, deployed_block=block, at=now)
    return Done(wakes=PLATFORM_PURPOSE)


def register_asset(
    asset_record_id: AssetRecordId, *, title_owner: Address | None, units: Units, platform: PlatformUnits, grant_wei: int = GRANT_WEI
) -> ProcessOutcome:
    """Put an asset's id into the registry and, where an owner is named, the asset's deed into the owner's wallet."""
    waiting = _prepare(asset_record_id, units=units, platform=platform, grant_wei=grant_wei)
    if waiting is not None:
        return waiting
    minted = Done() if title_owner is None else _mint_title(asset_record_id, title_owner, units=units)
    return anchor_documents(asset_record_id, units=units) if isinstance(minted, Done) else minted


def anchor_documents(asset_record_id: AssetRecordId, *, units: Units) -> ProcessOutcome:
    """Put the digests of an asset's documents under its id on the chain, and on the tokens that stand for it (ERC-1643).

    An asset that is not registered yet, or a token that is not deployed yet, takes its documents when it is.
    """
    with units() as unit:
        documents = unit.assets.documents(asset_record_id)
        suite = unit.suites.suite()
        if not documents or suite is None:
            return Done()
        asset, registry = unit.assets.get(asset_record_id), unit.suites.platform("asset_registry")
        if not unit.instruments_chain.is_registered(asset.asset_id, registry=registry):
            return Done()
        sent: list[ChainTransaction] = []
        tokens = [each for each in unit.securities.of_asset(asset_record_id) if isinstance(each, DeployedSecurity | OpenSecurity)]
        for document in documents:
            digest = bytes.fromhex(document.print.keccak256.removeprefix("0x"))
            sent.append(unit.instruments_chain.anchor_document(asset.asset_id, digest, registry=registry, operator=suite.operator))
            if len(documents) <= TOKEN_DOCUMENTS_MAX:
                sent += [
                    unit.instruments_chain.set_token_document(token.token_address, document.document_id, digest, operator=suite.operator)
                    for token in tokens
                ]
    waiting = next((transaction for transaction in sent if not _are_final([transaction])), None)
    if waiting is not None:
        return Waiting("the documents' anchors", waiting.purpose)
    with units() as unit:
        for document in documents:
            unit.suites.add_anchor(document.print.keccak256, asset.asset_id, at=unit.clock.now())
    return Done()


def anchor_audit(tenant_id: TenantId, *, units: Units, platform: PlatformUnits) -> None:
    """Put the hash of the issuer's last audit entry on the chain, where no database can change it; nothing to do where it is there.

    The platform sends it and pays for it, so that an issuer without an account of its own is anchored too.
    """
    with units() as unit:
        head = unit.audit.head()
        if head == EMPTY_HEAD or "asset_registry" not in unit.suites.platform_contracts():
            return
        registry = unit.suites.platform("asset_registry")
        if unit.instruments_chain.anchored_audit(tenant_id, registry=registry) == head.entry_hash:
            return
    with platform() as unit:
        purpose = f"anchor_audit:{tenant_id}:{head.sequence}"
        unit.instruments_chain.anchor_audit(tenant_id, head.entry_hash, registry=registry, operator=_operator(unit), purpose=purpose)


def deploy_security(
    security_id: SecurityId, *, units: Units, platform: PlatformUnits, rules: bytes = b"", grant_wei: int = GRANT_WEI
) -> ProcessOutcome:
    """Put a drafted security's token on the chain, paused, at the address foretold; the issuer's suite with it, the first time.

    `rules` are what the compliance contract takes when the token is bound; instruments does not read them.
    """
    with units() as unit:
        security = unit.securities.get(security_id)
        asset_record_id = security.terms.asset_record_id
    if not isinstance(security, DraftedSecurity | DeployingSecurity):
        return Done(wakes=token_purpose(security_id))
    waiting = _prepare(asset_record_id, units=units, platform=platform, grant_wei=grant_wei)
    if waiting is not None:
        return waiting
    with units() as unit:
        _submit_suite(unit)
        _submit_token(security_id, rules, unit)
    crashpoint("instruments.after_token_signed")
    with units() as unit:
        if not _finish_suite(unit):
            return Waiting("the issuer's suite", "instruments.deploy_suite")
        if not _finish_token(security_id, unit):
            return Waiting("the token", token_purpose(security_id))
    return Done(wakes=token_purpose(security_id))


def settle_lien(asset_record_id: AssetRecordId, lien_id: str, *, is_released: bool, units: Units) -> ProcessOutcome:
    """Place a lien upon the deed of an asset, which stops the deed from moving, or let it go."""
    with units() as unit:
        asset, suite = unit.assets.get(asset_record_id), _suite(unit)
        act = unit.instruments_chain.release_lien if is_released else unit.instruments_chain.place_lien
        sent = act(asset.asset_id, lien_id, operator=suite.operator)
    return Done() if _are_final([sent]) else Waiting("the lien", sent.purpose)


def _prepare(asset_record_id: AssetRecordId, *, units: Units, platform: PlatformUnits, grant_wei: int) -> Waiting | None:
    """See to the issuer's gas money and the asset's registration: both are the platform's to send, so they go in one block."""
    with platform() as unit:
        if not set(PLATFORM_ARTIFACTS) <= unit.suites.platform_contracts().keys():
            return Waiting("the platform's contracts", PLATFORM_PURPOSE)
    funding = _prepare_issuer(units=units, platform=platform, grant_wei=grant_wei)
    registration = _register(asset_record_id, units=units, platform=platform)
    return funding or registration


def _prepare_issuer(*, units: Units, platform: PlatformUnits, grant_wei: int) -> Waiting | None:
    """Give the issuer an account on the chain, with gas money."""
    with units() as unit:
        # Of two processes that find no account, the second waits here and takes the first one's.
        suite = unit.suites.suite() or unit.suites.suite(lock=True)
        if suite is None:
            suite = IssuerSuite(unit.tenant_id, unit.instruments_chain.chain_id, unit.keys.create(unit.tenant_id), {}, "deploying")
            unit.suites.begin(suite, at=unit.clock.now())
    with platform() as unit:
        purpose = f"instruments.fund:{suite.operator}"
        gift = unit.transactions.find(purpose)
        if gift is None and unit.instruments_chain.balance(suite.operator) < GRANT_WEI_MIN:
            gift = unit.instruments_chain.fund(suite.operator, operator=_operator(unit), wei=grant_wei)
    return None if gift is None or _is_mined(gift) else Waiting("gas money for the issuer's account", purpose)


def _register(asset_record_id: AssetRecordId, *, units: Units, platform: PlatformUnits) -> Waiting | None:
    """Put the asset's id into the registry; the issuer's operator controls it there."""
    with units() as unit:
        asset, suite = unit.assets.get(asset_record_id), _suite(unit)
        if unit.instruments_chain.is_registered(asset.asset_id, registry=unit.suites.platform("asset_registry")):
            return None
    with platform() as unit:
        registered = unit.instruments_chain.register_asset(
            asset.asset_id, registry=unit.suites.platform("asset_registry"), controller=suite.operator, operator=_operator(unit)
        )
    return None if _is_mined(registered) else Waiting("the asset's registration", f"instruments.register_asset:{asset.asset_id}")


def _mint_title(asset_record_id: AssetRecordId, owner: Address, *, units: Units) -> ProcessOutcome:
    """Mint the asset's deed, held by its open liens; the issuer's register of titles with it, the first time."""
    with units() as unit:
        known = unit.suites.title(asset_record_id)
        if known is not None and known.state == "minted":
            return Done()
        asset, suite = unit.assets.get(asset_record_id), _suite(unit)
        deed, created = unit.instruments_chain.create_title_deed(operator=suite.operator, name=DEED_NAME, symbol=DEED_SYMBOL)
        minted = unit.instruments_chain.mint_title(
            asset.asset_id, deed=deed, owner=owner, liens=_open_liens(asset), operator=suite.operator
        )
        title = Title(asset_record_id, int(asset.asset_id, 16), owner, "requested")
        if known is None:
            unit.suites.save_title(title, minted_block=None, at=unit.clock.now())
    crashpoint("instruments.after_title_signed")
    with units() as unit:
        if not _are_final([*created, *minted]):
            return Waiting("the deed", f"instruments.mint_title:{asset.asset_id}")
        unit.suites.watch(deed, "title_deed", deployed_block=_block(created[0]))
        unit.suites.save_title(replace(title, state="minted"), minted_block=_block(minted[0]), at=unit.clock.now())
        unit.outbox.record(
            TitleMinted(
                asset_record_id=str(asset_record_id),
                asset_id=asset.asset_id,
                deed_address=deed,
                token_id=str(title.token_id),
                owner=owner,
            )
        )
        unit.audit.record(
            system_actor(unit.tenant_id),
            "instruments.mint_title",
            f"asset/{asset.asset_id}",
            {"deed": deed, "owner": owner, "transaction": minted[0].hash},
        )
    return Done()


def _submit_suite(unit: InstrumentsUnit) -> None:
    suite = _suite(unit, lock=True)
    if suite.state == "deployed" or suite.contracts:
        return
    factory = unit.suites.platform("security_factory")
    salt = keccak(b"muniment.suite:" + unit.tenant_id.bytes)
    contracts = unit.instruments_chain.suite_addresses(factory=factory, owner=suite.operator, salt=salt)
    unit.instruments_chain.deploy_suite(factory=factory, operator=suite.operator, salt=salt)
    unit.suites.name_contracts(contracts)


def _submit_token(security_id: SecurityId, rules: bytes, unit: InstrumentsUnit) -> None:
    security = unit.securities.get(security_id, lock=True)
    if not isinstance(security, DraftedSecurity):
        return
    suite, chain = _suite(unit), unit.instruments_chain
    factory, compliance = unit.suites.platform("security_factory"), suite.contract("joint_compliance")
    salt = keccak(b"muniment.security:" + security_id.bytes)
    token = chain.token_address(factory=factory, compliance=compliance, salt=salt)
    chain.deploy_token(security.terms, factory=factory, compliance=compliance, operator=suite.operator, salt=salt, rules=rules)
    siblings = unit.securities.of_asset(security.terms.asset_record_id)
    if len(siblings) == 1:
        # The registry ties an asset to one token; a company's classes are several, so none of them stands for the whole.
        asset = unit.assets.get(security.terms.asset_record_id)
        chain.link_token(asset.asset_id, token, registry=unit.suites.platform("asset_registry"), operator=suite.operator)
    unit.securities.save(begin_deployment(security, token), at=unit.clock.now())


def _finish_suite(unit: InstrumentsUnit) -> bool:
    suite = _suite(unit, lock=True)
    if suite.state == "deployed":
        return True
    transaction = unit.transactions.find("instruments.deploy_suite")
    if transaction is None or not _are_final([transaction]):
        return False
    block = _block(transaction)
    for name, address in suite.contracts.items():
        unit.suites.watch(address, name, deployed_block=block)
    unit.suites.finish(deployed_block=block)
    return True


def _finish_token(security_id: SecurityId, unit: InstrumentsUnit) -> bool:
    security = unit.securities.get(security_id, lock=True)
    if not isinstance(security, DeployingSecurity):
        return True
    transaction = unit.transactions.find(token_purpose(security_id))
    if transaction is None or not _are_final([transaction]):
        return False
    deployed = finish_deployment(security, _block(transaction))
    unit.securities.save(deployed, at=unit.clock.now())
    unit.suites.watch(deployed.token_address, "security_token", deployed_block=deployed.deployed_block)
    if unit.assets.documents(security.terms.asset_record_id):
        unit.jobs.defer(
            ANCHOR_DOCUMENTS_JOB,
            {"asset_record_id": str(security.terms.asset_record_id)},
            lock=f"instruments:{unit.tenant_id}",
        )
    unit.outbox.record(
        SecurityDeployed(security_id=str(security_id), token_address=deployed.token_address, block_number=deployed.deployed_block)
    )
    unit.audit.record(
        system_actor(unit.tenant_id),
        "instruments.deploy_security",
        f"security/{security_id}",
        {"token": deployed.token_address, "transaction": transaction.hash, "block": deployed.deployed_block},
    )
    return True


def _operator(unit: PlatformUnit) -> Address:
    return unit.suites.platform("operator")


def _suite(unit: InstrumentsUnit, *, lock: bool = False) -> IssuerSuite:
    suite = unit.suites.suite(lock=lock)
    if suite is None:
        raise PlatformMissing(name="issuer account", chain_id=unit.instruments_chain.chain_id)
    return suite


def _open_liens(asset: StoredAsset) -> list[bytes]:
    """Return the ids of the liens that are not released: keccak256 of each lien's canonical JSON."""
    liens = json.loads(asset.canonical_json)["asset"].get("liens", [])
    return [keccak(rfc8785.dumps(lien)) for lien in liens if "released_date" not in lien]


def _are_final(transactions: Sequence[ChainTransaction]) -> bool:
    """Return whether all are final and good; a refusal by the chain stops the process for somebody to look at."""
    return all(_is_good(transaction, {TransactionState.FINAL}) for transaction in transactions)


def _is_mined(transaction: ChainTransaction) -> bool:
    """Return whether it is in a block: enough for the next step to be sent, since a re-org would order both anew by their nonces."""
    return _is_good(transaction, {TransactionState.MINED, TransactionState.FINAL})


def _is_good(transaction: ChainTransaction, states: set[TransactionState]) -> bool:
    if transaction.state is TransactionState.REVERTED:
        raise DeploymentFailed(purpose=transaction.purpose, reason=transaction.revert_reason or "no reason given")
    return transaction.state in states


def _block(transaction: ChainTransaction) -> int:
    assert transaction.block_number is not None, "a final transaction is in a block"
    return transaction.block_number
