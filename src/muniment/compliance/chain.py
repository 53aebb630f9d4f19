# SPDX-License-Identifier: Apache-2.0
"""The contracts of compliance: rules, identity registry, freezes, pause. Encodes, submits, asks and decodes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import eth_abi

from muniment.compliance.model.compiled import ChainRules
from muniment.compliance.model.decision import NO_EXPIRY
from muniment.compliance.model.identities import IdentityEvent, IdentityEventKind
from muniment.compliance.ports import FreezeAction, Registration
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import RawLog
from muniment.infra.evm.sender import ChainTransaction, Transactions
from muniment.units.ids import Address, TenantId

BATCH_MAX = 100
"""Wallets that the identity registry takes at once."""
ZERO_ADDRESS = Address("0x" + "0" * 40)

COUNTRY_AT = 8
"""Where the country begins in the word that the registry keeps of a wallet (contracts/identity/investor_record.vy)."""
RULES_TYPE = "(uint256,uint256,uint256,uint8,uint16[])"

GAS_RULES = 1_500_000
GAS_CALL = 300_000
GAS_INVALIDATE = 800_000
GAS_REGISTER_BASE = 200_000
GAS_REGISTER_WALLET = 120_000
"""A wallet that joins others of its investor costs more than a first one, and each token of the issuer is asked about it."""


class EvmCompliance:
    """`ports.ComplianceChain` over one unit's book of transactions."""

    def __init__(self, evm: Evm, transactions: Transactions, *, tenant_id: TenantId) -> None:
        self._evm = evm
        self._transactions = transactions
        self._tenant_id = tenant_id

    def encode_rules(self, rules: ChainRules) -> bytes:
        """Return rules as the compliance contract takes them in one call."""
        return encode_rules(rules)

    def apply_rules(self, rules: ChainRules, *, compliance: Address, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit a token's rules."""
        return self._call("joint_compliance", compliance, operator, purpose, "apply_rules", token, encode_rules(rules), gas_limit=GAS_RULES)

    def rules_on_chain(self, *, compliance: Address, token: Address, candidates: Sequence[int]) -> ChainRules:
        """Return the rules that the chain enforces; of its countries those among `candidates`."""
        artifact = contract_artifacts.load("joint_compliance")
        answer = artifact.decode_output("rules", self._evm.call(compliance, artifact.encode_call("rules", token)))
        maximum_balance, supply_cap, holder_cap, _, country_mode, _, _ = answer
        countries: tuple[int, ...] = ()
        if country_mode:
            calls = [(compliance, artifact.encode_call("is_country_listed", token, country)) for country in candidates]
            listed = [artifact.decode_output("is_country_listed", each) for each in self._evm.call_many(calls)]
            countries = tuple(sorted(country for country, is_listed in zip(candidates, listed, strict=True) if is_listed))
        return ChainRules(maximum_balance, supply_cap, holder_cap, country_mode, countries)

    def unpause(self, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the opening of a token."""
        return self._call("security_token", token, operator, purpose, "unpause")

    def is_paused(self, token: Address) -> bool:
        """Return whether a token is paused."""
        artifact = contract_artifacts.load("security_token")
        return bool(artifact.decode_output("paused", self._evm.call(token, artifact.encode_call("paused"))))

    def register(self, registrations: Sequence[Registration], *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit at most 100 wallets to the identity registry."""
        assert 0 < len(registrations) <= BATCH_MAX, "what the registry takes at once"
        return self._call(
            "joint_compliance",
            registry,
            operator,
            purpose,
            "register_investor_batch",
            [each.address for each in registrations],
            # Zero says that the wallet itself is the identity.
            [ZERO_ADDRESS if each.identity == each.address else each.identity for each in registrations],
            [each.country for each in registrations],
            [_seconds(each) for each in registrations],
            gas_limit=GAS_REGISTER_BASE + GAS_REGISTER_WALLET * len(registrations),
        )

    def prolong(self, registrations: Sequence[Registration], *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit new ends of eligibility for at most 100 registered wallets."""
        assert 0 < len(registrations) <= BATCH_MAX, "what the registry takes at once"
        wallets = [each.address for each in registrations]
        until = [_seconds(each) for each in registrations]
        gas_limit = GAS_REGISTER_BASE + GAS_REGISTER_WALLET * len(registrations)
        return self._call("joint_compliance", registry, operator, purpose, "set_verified_until", wallets, until, gas_limit=gas_limit)

    def invalidate(self, wallet: Address, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the end of eligibility for a wallet and all others of its investor."""
        return self._call("joint_compliance", registry, operator, purpose, "invalidate", wallet, gas_limit=GAS_INVALIDATE)

    def freeze(
        self, action: FreezeAction, address: Address, shares: int | None, *, token: Address, operator: Address, purpose: str
    ) -> ChainTransaction:
        """Submit a freeze or its lifting."""
        match action:
            case FreezeAction.FREEZE_WALLET | FreezeAction.UNFREEZE_WALLET:
                is_frozen = action is FreezeAction.FREEZE_WALLET
                return self._call("security_token", token, operator, purpose, "setAddressFrozen", address, is_frozen)
            case FreezeAction.FREEZE_SHARES:
                return self._call("security_token", token, operator, purpose, "freezePartialTokens", address, shares)
            case FreezeAction.UNFREEZE_SHARES:
                return self._call("security_token", token, operator, purpose, "unfreezePartialTokens", address, shares)

    def check_transfer(self, *, token: Address, sender: Address | None, receiver: Address, shares: int) -> tuple[str | None, int]:
        """Return the chain's own answer: None or the code of its first reason, and the fact behind it."""
        artifact = contract_artifacts.load("security_token")
        data = artifact.encode_call("check_transfer", sender or ZERO_ADDRESS, receiver, shares)
        chain_code, fact = artifact.decode_output("check_transfer", self._evm.call(token, data))
        return (None if chain_code == 0 else contract_artifacts.reason("security_token", chain_code).code), fact

    def _call(
        self, artifact: str, to: Address, sender: Address, purpose: str, function: str, *arguments: object, gas_limit: int = GAS_CALL
    ) -> ChainTransaction:
        return self._transactions.submit(
            tenant_id=self._tenant_id,
            sender=sender,
            to=to,
            data=contract_artifacts.load(artifact).encode_call(function, *arguments),
            purpose=purpose,
            gas_limit=gas_limit,
        )


def encode_rules(rules: ChainRules) -> bytes:
    """Return rules as `apply_rules` and the factory take them: the ABI encoding of one tuple."""
    terms = (rules.maximum_balance, rules.supply_cap, rules.holder_cap, rules.country_mode, list(rules.countries))
    return eth_abi.encode([RULES_TYPE], [terms])


def decode(log: RawLog, *, block_number: int) -> IdentityEvent | None:
    """Return what a log says of a wallet's identity; None for all other logs.

    The registry's IdentityUpdated names no wallet, so a wallet that is moved to another identity by hand is not seen here;
    Muniment never does that.
    """
    if log.artifact not in {"joint_compliance", "security_token"}:
        return None
    decoded = contract_artifacts.load(log.artifact).decode_log(log.topics, log.data)
    if decoded is None:
        return None
    values = decoded.values

    def event(
        kind: IdentityEventKind,
        wallet: Address,
        *,
        identity: Address | None = None,
        country: int | None = None,
        verified_until: int | None = None,
    ) -> IdentityEvent:
        place = (block_number, log.log_index, log.address)
        return IdentityEvent(*place, wallet, kind, log.transaction_hash, identity, country, verified_until)

    match log.artifact, decoded.event:
        case "joint_compliance", "IdentityRegistered":
            return event(IdentityEventKind.REGISTERED, values["investorAddress"], identity=values["identity"])
        case "joint_compliance", "IdentityRemoved":
            return event(IdentityEventKind.REMOVED, values["investorAddress"])
        # A claim that is registered sets the end without a second event.
        case "joint_compliance", "EligibilitySet" | "ClaimRegistered":
            return event(IdentityEventKind.ELIGIBILITY, values["wallet"], verified_until=values["verified_until"])
        case "joint_compliance", "CountryUpdated":
            return event(IdentityEventKind.COUNTRY, values["investorAddress"], country=values["country"])
        case "security_token", "RecoverySuccess":
            return event(IdentityEventKind.RECOVERED, values["_lostWallet"])
        case _:
            return None


def countries_reader(evm: Evm) -> Callable[[Address, Sequence[Address]], Mapping[Address, int]]:
    """Return a question to a registry: which country it has for each wallet, lost ones too; wallets that it forgot are left out.

    The event of a registration does not carry the country.
    """

    def countries(registry: Address, wallets: Sequence[Address]) -> Mapping[Address, int]:
        artifact = contract_artifacts.load("joint_compliance")
        answers = evm.call_many([(registry, artifact.encode_call("record", wallet)) for wallet in wallets])
        records = {wallet: artifact.decode_output("record", answer) for wallet, answer in zip(wallets, answers, strict=True)}
        return {wallet: (record >> COUNTRY_AT) & 0xFFFF for wallet, record in records.items() if record}

    return countries


def _seconds(registration: Registration) -> int:
    return NO_EXPIRY if registration.expires_at is None else int(registration.expires_at.timestamp())
