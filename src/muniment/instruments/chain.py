# SPDX-License-Identifier: Apache-2.0
"""The contracts of instruments: platform, suites, tokens, asset registry, deeds. Encodes, submits and asks; decides nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.addresses import created_address
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import TRANSFER_TOPIC, ChainLog, to_address
from muniment.infra.evm.sender import ChainTransaction, Transactions
from muniment.instruments.model.securities import SecurityTerms
from muniment.instruments.model.titles import TitleAct, TitleEvent
from muniment.instruments.ports import PublicAsset
from muniment.units.ids import Address, AssetId, DocumentId, TenantId

BLUEPRINTS = ("joint_compliance", "trusted_issuers_registry", "claim_topics_registry", "security_token")
"""In the order of the factory's constructor."""
PLATFORM_CONTRACTS = ("claim_verifier", "security_factory", "asset_registry", "payout", "payment_token")
PLATFORM_OPERATOR = "operator"
"""The name under which the operator's account stands beside the platform's contracts."""
SUITE_CONTRACTS = ("joint_compliance", "trusted_issuers_registry", "claim_topics_registry")
"""In the order of the factory's answer."""

PAYMENT_TOKEN_NAME = "Muniment Test Dollar"  # noqa: S105 - a token on a chain, no password
PAYMENT_TOKEN_SYMBOL = "tUSD"  # noqa: S105 - a ticker, no password
PAYMENT_TOKEN_DECIMALS = 6
AUDIT_KIND = keccak(b"audit head")
DOCUMENT_KIND = keccak(b"document")
LIEN_ACTS: Mapping[bytes, TitleAct] = {
    keccak(b"LienPlaced(uint256,bytes32,address)"): "lien_placed",
    keccak(b"LienAssigned(uint256,bytes32,address)"): "lien_assigned",
    keccak(b"LienReleased(uint256,bytes32,address)"): "lien_released",
}
ZERO_ADDRESS = Address("0x" + "0" * 40)

# Limits with room above what was measured; what is not used is not paid. EIP-7825 caps a transaction at 16,777,216.
GAS_CREATION = 8_000_000
GAS_SUITE = 12_000_000
GAS_TOKEN = 8_000_000
GAS_CALL = 400_000
GAS_PAYMENT = 60_000


class EvmInstruments:
    """`ports.InstrumentsChain` over one unit's book of transactions."""

    def __init__(self, evm: Evm, transactions: Transactions, *, tenant_id: TenantId | None, chain_id: int) -> None:
        """`tenant_id` None: the platform's own unit."""
        self._evm = evm
        self._transactions = transactions
        self._tenant_id = tenant_id
        self._chain_id = chain_id

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self._chain_id

    def is_registered(self, asset_id: AssetId, *, registry: Address) -> bool:
        """Return whether the asset registry knows the id."""
        artifact = contract_artifacts.load("asset_registry")
        answer = self._evm.call(registry, artifact.encode_call("is_registered", _bytes32(asset_id)))
        return bool(artifact.decode_output("is_registered", answer))

    def balance(self, address: Address) -> int:
        """Return an account's balance in wei."""
        return self._evm.balance(address)

    def create_platform(self, operator: Address) -> Mapping[str, Address]:
        """Submit the creation and wiring of every platform contract by the platform's operator; return where they will stand."""
        blueprints = tuple(self._blueprint(name, operator) for name in BLUEPRINTS)
        addresses: dict[str, Address] = {}
        for name in PLATFORM_CONTRACTS:
            arguments = (blueprints, addresses["claim_verifier"]) if name == "security_factory" else ()
            addresses[name] = self._create(name, operator, f"platform.create:{name}", *arguments)
        self._call("asset_registry", addresses["asset_registry"], operator, "platform.asset_registry.initialize", "initialize")
        self._call("asset_registry", addresses["asset_registry"], operator, "platform.asset_registry.agent", "addAgent", operator)
        self._call(
            "payment_token",
            addresses["payment_token"],
            operator,
            "platform.payment_token.initialize",
            "initialize",
            PAYMENT_TOKEN_NAME,
            PAYMENT_TOKEN_SYMBOL,
            PAYMENT_TOKEN_DECIMALS,
        )
        return addresses

    def platform_transactions(self) -> Sequence[ChainTransaction]:
        """Return what `create_platform` submitted."""
        purposes = [
            *(f"instruments.platform.blueprint:{name}" for name in BLUEPRINTS),
            *(f"instruments.platform.create:{name}" for name in PLATFORM_CONTRACTS),
            "instruments.platform.asset_registry.initialize",
            "instruments.platform.asset_registry.agent",
            "instruments.platform.payment_token.initialize",
        ]
        found = [self._transactions.find(purpose) for purpose in purposes]
        return [transaction for transaction in found if transaction is not None]

    def fund(self, account: Address, *, operator: Address, wei: int) -> ChainTransaction:
        """Submit a gift of gas money from the platform's operator to an issuer's."""
        return self._transactions.submit(
            tenant_id=self._tenant_id,
            sender=operator,
            to=account,
            data=b"",
            purpose=f"instruments.fund:{account}",
            gas_limit=GAS_PAYMENT,
            value=wei,
        )

    def register_asset(self, asset_id: AssetId, *, registry: Address, controller: Address, operator: Address) -> ChainTransaction:
        """Submit the registration of an asset id by the platform's operator; `controller` is the issuer's operator."""
        return self._call(
            "asset_registry", registry, operator, f"register_asset:{asset_id}", "register_asset", _bytes32(asset_id), controller
        )

    def anchor_document(self, asset_id: AssetId, digest: bytes, *, registry: Address, operator: Address) -> ChainTransaction:
        """Submit a document's digest under its asset, by the asset's controller."""
        purpose = f"anchor_document:{asset_id}:{digest.hex()}"
        return self._call("asset_registry", registry, operator, purpose, "anchor", _bytes32(asset_id), DOCUMENT_KIND, digest)

    def document_anchored_at(self, asset_id: AssetId, digest: bytes, *, registry: Address) -> dt.datetime | None:
        """Return when a document's digest was anchored under its asset; None where it was not."""
        artifact = contract_artifacts.load("asset_registry")
        answer = self._evm.call(registry, artifact.encode_call("anchored_at", _bytes32(asset_id), DOCUMENT_KIND, digest))
        seconds = int(artifact.decode_output("anchored_at", answer))
        return dt.datetime.fromtimestamp(seconds, tz=dt.UTC) if seconds else None

    def title_events(self, token_id: int) -> Sequence[TitleEvent]:
        """Return what happened to a title of this issuer until the last final block; nothing where it has no register of titles."""
        created = self._transactions.find("instruments.title_deed.create")
        if created is None or created.block_number is None:
            return []
        deed, token, last = self._title_deed(), token_id.to_bytes(32, "big"), self._evm.final_block_number()
        asked: list[list[bytes | None]] = [[TRANSFER_TOPIC, None, None, token], *([topic, token] for topic in LIEN_ACTS)]
        logs = [log for topics in asked for log in self._evm.logs([deed], from_block=created.block_number, to_block=last, topics=topics)]
        numbers = sorted({log.block_number for log in logs})
        times = {
            header.number: dt.datetime.fromtimestamp(header.timestamp_seconds, tz=dt.UTC)
            for header in (self._evm.header(number) for number in numbers)
        }
        return [_title_event(log, times[log.block_number]) for log in logs]

    def place_lien(self, asset_id: AssetId, lien_id: str, *, operator: Address) -> ChainTransaction:
        """Submit a lien upon a title; the operator answers for the lienholder."""
        purpose, lien = f"place_lien:{asset_id}:{lien_id[2:]}", bytes.fromhex(lien_id[2:])
        return self._call("title_deed", self._title_deed(), operator, purpose, "place_lien", int(asset_id, 16), lien, operator)

    def release_lien(self, asset_id: AssetId, lien_id: str, *, operator: Address) -> ChainTransaction:
        """Submit the release of a lien."""
        purpose, lien = f"release_lien:{asset_id}:{lien_id[2:]}", bytes.fromhex(lien_id[2:])
        return self._call("title_deed", self._title_deed(), operator, purpose, "release_lien", int(asset_id, 16), lien)

    def _title_deed(self) -> Address:
        created = self._transactions.find("instruments.title_deed.create")
        assert created is not None, "a title that is minted has its register"
        return created_address(created.sender, created.nonce)

    def public_asset(self, asset_id: AssetId, *, registry: Address) -> PublicAsset | None:
        """Return what the chain shows of an asset; None for an id that the registry does not know."""
        if not self.is_registered(asset_id, registry=registry):
            return None
        artifact, subject = contract_artifacts.load("asset_registry"), _bytes32(asset_id)
        _, registered_at, is_retired = artifact.decode_output("asset", self._evm.call(registry, artifact.encode_call("asset", subject)))
        token = artifact.decode_output("token_of", self._evm.call(registry, artifact.encode_call("token_of", subject)))
        count = self._evm.call(registry, artifact.encode_call("anchor_count", subject, DOCUMENT_KIND))
        return PublicAsset(
            asset_id,
            dt.datetime.fromtimestamp(int(registered_at), tz=dt.UTC),
            bool(is_retired),
            None if token == ZERO_ADDRESS else Address(token),
            int(artifact.decode_output("anchor_count", count)),
        )

    def set_token_document(self, token: Address, document_id: DocumentId, digest: bytes, *, operator: Address) -> ChainTransaction:
        """Submit a paper of a token (ERC-1643). Its name is its digest, for a file's name may name a person."""
        purpose = f"set_document:{token}:{digest.hex()}"
        return self._call("security_token", token, operator, purpose, "setDocument", digest, f"urn:uuid:{document_id}", digest)

    def anchor_audit(self, tenant_id: TenantId, digest: bytes, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the hash of an issuer's last audit entry by the platform's operator."""
        return self._call("asset_registry", registry, operator, purpose, "anchor", audit_subject(tenant_id), AUDIT_KIND, digest)

    def anchored_audit(self, tenant_id: TenantId, *, registry: Address) -> bytes | None:
        """Return the hash that was anchored last for an issuer's audit log; None before the first."""
        artifact, subject = contract_artifacts.load("asset_registry"), audit_subject(tenant_id)
        answer = self._evm.call(registry, artifact.encode_call("anchor_count", subject, AUDIT_KIND))
        count = int(artifact.decode_output("anchor_count", answer))
        if count == 0:
            return None
        last = self._evm.call(registry, artifact.encode_call("anchor_at", subject, AUDIT_KIND, count))
        digest, _ = artifact.decode_output("anchor_at", last)
        return bytes(digest)

    def suite_addresses(self, *, factory: Address, owner: Address, salt: bytes) -> Mapping[str, Address]:
        """Return where the factory will put an issuer's suite, by artifact name."""
        artifact = contract_artifacts.load("security_factory")
        answer = self._evm.call(factory, artifact.encode_call("suite_address", owner, salt))
        return dict(zip(SUITE_CONTRACTS, artifact.decode_output("suite_address", answer), strict=True))

    def deploy_suite(self, *, factory: Address, operator: Address, salt: bytes) -> ChainTransaction:
        """Submit the deployment of the issuer's suite; its operator becomes owner and agent."""
        return self._call("security_factory", factory, operator, "deploy_suite", "deploy_suite", salt, [operator], gas_limit=GAS_SUITE)

    def token_address(self, *, factory: Address, compliance: Address, salt: bytes) -> Address:
        """Return where the factory will put a token."""
        artifact = contract_artifacts.load("security_factory")
        answer = self._evm.call(factory, artifact.encode_call("security_address", compliance, salt))
        return Address(artifact.decode_output("security_address", answer))

    def deploy_token(
        self, terms: SecurityTerms, *, factory: Address, compliance: Address, operator: Address, salt: bytes, rules: bytes
    ) -> ChainTransaction:
        """Submit the deployment of a token, paused; `rules` are opaque here and may be empty."""
        return self._call(
            "security_factory",
            factory,
            operator,
            f"deploy_token:{terms.security_id}",
            "deploy_security",
            compliance,
            salt,
            (terms.name, terms.symbol, terms.decimals, ZERO_ADDRESS),
            rules,
            [operator],
            False,  # noqa: FBT003 - positional, as the contract's argument is
            gas_limit=GAS_TOKEN,
        )

    def link_token(self, asset_id: AssetId, token: Address, *, registry: Address, operator: Address) -> ChainTransaction:
        """Submit the tie between an asset and the one token that stands for it, by the asset's controller."""
        return self._call("asset_registry", registry, operator, f"link_token:{asset_id}", "link_token", _bytes32(asset_id), token)

    def create_title_deed(self, *, operator: Address, name: str, symbol: str) -> tuple[Address, Sequence[ChainTransaction]]:
        """Submit the creation and wiring of the issuer's register of titles; return where it will stand."""
        deed = self._create("title_deed", operator, "title_deed.create")
        # No identity registry: title to a car or a painting may pass to somebody who holds no securities of this issuer.
        owned = self._call("title_deed", deed, operator, "title_deed.initialize", "initialize")
        named = self._call("title_deed", deed, operator, "title_deed.name", "set_name", name, symbol)
        agent = self._call("title_deed", deed, operator, "title_deed.agent", "addAgent", operator)
        created = self._transactions.find("instruments.title_deed.create")
        assert created is not None, "it was submitted above"
        return deed, (created, owned, named, agent)

    def mint_title(
        self, asset_id: AssetId, *, deed: Address, owner: Address, liens: Sequence[bytes], operator: Address
    ) -> Sequence[ChainTransaction]:
        """Submit the one title to an asset, and the liens that hold it; the operator answers for the lienholders."""
        minted = self._call("title_deed", deed, operator, f"mint_title:{asset_id}", "mint", owner, _bytes32(asset_id), "")
        token_id = int(asset_id, 16)
        return [
            minted,
            *(
                self._call("title_deed", deed, operator, f"place_lien:{asset_id}:{lien.hex()}", "place_lien", token_id, lien, operator)
                for lien in liens
            ),
        ]

    def _blueprint(self, name: str, operator: Address) -> tuple[Address, bytes]:
        artifact = contract_artifacts.load(name)
        created = self._submit(None, operator, f"platform.blueprint:{name}", artifact.encode_blueprint_deployment(), GAS_CREATION)
        return created_address(operator, created.nonce), artifact.init_code_hash

    def _create(self, name: str, operator: Address, purpose: str, *arguments: object) -> Address:
        data = contract_artifacts.load(name).encode_deployment(*arguments)
        created = self._submit(None, operator, purpose, data, GAS_CREATION)
        return created_address(operator, created.nonce)

    def _call(
        self, artifact: str, to: Address, sender: Address, purpose: str, function: str, *arguments: object, gas_limit: int = GAS_CALL
    ) -> ChainTransaction:
        data = contract_artifacts.load(artifact).encode_call(function, *arguments)
        return self._submit(to, sender, purpose, data, gas_limit)

    def _submit(self, to: Address | None, sender: Address, purpose: str, data: bytes, gas_limit: int) -> ChainTransaction:
        return self._transactions.submit(
            tenant_id=self._tenant_id, sender=sender, to=to, data=data, purpose=f"instruments.{purpose}", gas_limit=gas_limit
        )


def _title_event(log: ChainLog, occurred_at: dt.datetime) -> TitleEvent:
    place = (log.block_number, log.log_index, log.transaction_hash, occurred_at)
    if log.topics[0] == TRANSFER_TOPIC:
        giver, receiver = to_address(log.topics[1]), to_address(log.topics[2])
        act: TitleAct = "minted" if giver == ZERO_ADDRESS else "burned" if receiver == ZERO_ADDRESS else "transferred"
        return TitleEvent(act, *place, giver=None if act == "minted" else giver, receiver=None if act == "burned" else receiver)
    return TitleEvent(LIEN_ACTS[log.topics[0]], *place, lien_id="0x" + log.topics[2].hex(), lienholder=to_address(log.topics[3]))


def audit_subject(tenant_id: TenantId) -> bytes:
    """Return under what an issuer's audit heads are anchored: a hash, so that the chain names no organisation."""
    return keccak(b"muniment.audit:" + tenant_id.bytes)


def _bytes32(asset_id: AssetId) -> bytes:
    return bytes.fromhex(asset_id.removeprefix("0x"))
