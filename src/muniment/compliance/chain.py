# SPDX-License-Identifier: Apache-2.0
"""The contracts of compliance: rules, identity registry, freezes, pause. Encodes, submits, asks and decodes; decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import eth_abi
from eth_hash.auto import keccak

from muniment.compliance.model.compiled import HOLDERS_AT_ONCE, ChainRules, FurtherRules, FurtherState, further_steps
from muniment.compliance.model.decision import NO_EXPIRY
from muniment.compliance.model.facts import InvestorFacts
from muniment.compliance.model.identities import IdentityEvent, IdentityEventKind
from muniment.compliance.model.rules import CATEGORY_MAX
from muniment.compliance.ports import FreezeAction, FurtherFacts, Registration
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.addresses import created_address
from muniment.infra.evm.client import Evm
from muniment.infra.evm.decoding import RawLog, address_bytes
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
GAS_LOCK = 400_000
GAS_CREATION = 8_000_000
GAS_ENTRY = 120_000
"""For each holder, venue or window that one call of the contract of further rules writes."""
FURTHER_CREATED = "compliance.transfer_rules.create"
FURTHER_BEGUN = "compliance.transfer_rules.initialize"
VENUE_LISTED = keccak(b"VenueListed(address,address,bool)")
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

    def apply_rules(
        self,
        rules: ChainRules,
        *,
        compliance: Address,
        token: Address,
        operator: Address,
        purpose: str,
        candidates: Sequence[int],
        holders: Sequence[Address],
    ) -> Sequence[ChainTransaction]:
        """Submit a token's rules: one transaction under `purpose`, and one under `purpose:1` and so on for each step of further rules."""
        sent = [
            self._call("joint_compliance", compliance, operator, purpose, "apply_rules", token, encode_rules(rules), gas_limit=GAS_RULES)
        ]

        def send(artifact: str, to: Address, function: str, *arguments: object, gas_limit: int = GAS_CALL) -> None:
            place = f"{purpose}:{len(sent)}"
            sent.append(self._call(artifact, to, operator, place, function, token, *arguments, gas_limit=gas_limit))

        attached, own = self._attached(compliance, token), self.further_contract()
        wants = not rules.further.is_empty
        if wants or (own is not None and attached == own):
            assert own is not None, "the contract of further rules is created first"
            found = self._further_state(own, token, candidates)
            if found.compliance != compliance:
                send("transfer_rules", own, "set_compliance", compliance)
            if attached != own:
                # Before its rules are set: what moves from now on is told to the contract, so that nothing is missed meanwhile.
                send("joint_compliance", compliance, "set_transfer_rules", own)
            for step in further_steps(found, rules.further, is_attached=attached == own, holders=holders):
                send("transfer_rules", own, step.function, *step.arguments, gas_limit=GAS_CALL + GAS_ENTRY * step.entries)
        if not wants and attached is not None:
            send("joint_compliance", compliance, "set_transfer_rules", ZERO_ADDRESS)
        return sent

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
        first = ChainRules(maximum_balance, supply_cap, holder_cap, country_mode, countries)
        attached = self._attached(compliance, token)
        if attached is None:
            return first
        if attached != self.further_contract():
            return replace(first, foreign_contract=attached)
        found = self._further_state(attached, token, candidates)
        # One that listens to no compliance contract refuses to book, and so every move; it enforces nothing that was asked for.
        return replace(first, further=found.rules) if found.compliance == compliance else replace(first, foreign_contract=attached)

    def further_contract(self) -> Address | None:
        """Return the issuer's contract of further rules, on the chain or on its way; None where none was wanted yet."""
        created = self._transactions.find(FURTHER_CREATED)
        return None if created is None else created_address(created.sender, created.nonce)

    def create_further_contract(self, *, operator: Address) -> Sequence[ChainTransaction]:
        """Submit the creation of the issuer's contract of further rules, once; the operator owns it."""
        data = contract_artifacts.load("transfer_rules").encode_deployment()
        created = self._transactions.submit(
            tenant_id=self._tenant_id, sender=operator, to=None, data=data, purpose=FURTHER_CREATED, gas_limit=GAS_CREATION
        )
        contract = created_address(created.sender, created.nonce)
        return created, self._call("transfer_rules", contract, operator, FURTHER_BEGUN, "initialize")

    def further_facts(self, *, token: Address, sender: Address | None, receiver: Address, country: int | None, shares: int) -> FurtherFacts:
        """Return what the contract of further rules remembers of both investors and the places beside them; nothing before it is there."""
        contract, artifact = self.further_contract(), contract_artifacts.load("transfer_rules")
        if contract is None:
            return FurtherFacts()
        questions = [
            ("investor", (token, receiver)),
            ("investor", (token, sender or receiver)),
            ("approved_until", (token, sender or ZERO_ADDRESS, receiver, shares)),
            ("places_of_country", (token, country or 0)),
        ]
        answers = self._evm.call_many([(contract, artifact.encode_call(function, *arguments)) for function, arguments in questions])
        if not answers[0]:
            # Signed, not mined yet.
            return FurtherFacts()
        decoded = [artifact.decode_output(function, answer) for (function, _), answer in zip(questions, answers, strict=True)]
        to, from_ = _investor_facts(decoded[0]), _investor_facts(decoded[1])
        category = artifact.decode_output(
            "places_of_category", self._evm.call(contract, artifact.encode_call("places_of_category", token, to.category))
        )
        return FurtherFacts(
            sender=None if sender is None else from_,
            receiver=to,
            approved_until=decoded[2],
            country_holders=decoded[3][0],
            category_holders=category[0],
        )

    def uncounted(self, *, token: Address, wallets: Sequence[Address]) -> Sequence[Address]:
        """Return the wallets whose investors are not counted as holders by everything that the token's holders are counted by."""
        contract, artifact = self.further_contract(), contract_artifacts.load("transfer_rules")
        if contract is None or not wallets:
            return []
        found = artifact.decode_output("rules", self._evm.call(contract, artifact.encode_call("rules", token)))
        by_country, by_category = found[1], found[2]
        answers = self._evm.call_many([(contract, artifact.encode_call("investor", token, wallet)) for wallet in wallets])
        missing = []
        for wallet, answer in zip(wallets, answers, strict=True):
            _, _, in_country, _, in_category, *_ = artifact.decode_output("investor", answer)
            if (by_country and not in_country) or (by_category and not in_category):
                missing.append(wallet)
        return missing

    def count_holders(self, wallets: Sequence[Address], *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the counting of at most `HOLDERS_AT_ONCE` wallets' investors as holders."""
        contract = self.further_contract()
        assert contract is not None, "it said who is not counted"
        assert 0 < len(wallets) <= HOLDERS_AT_ONCE, "what the contract takes at once"
        gas_limit = GAS_CALL + GAS_ENTRY * len(wallets)
        return self._call("transfer_rules", contract, operator, purpose, "count_holders", token, list(wallets), gas_limit=gas_limit)

    def lock(self, wallet: Address, shares: int, unlocks_at: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit a lockup of shares (base units) until an instant in Unix seconds."""
        return self._call("security_token", token, operator, purpose, "lock", wallet, shares, unlocks_at, gas_limit=GAS_LOCK)

    def release(self, wallet: Address, shares: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the early release of locked shares (base units), those that unlock last first."""
        return self._call("security_token", token, operator, purpose, "lock", wallet, shares, 0, gas_limit=GAS_LOCK)

    def set_category(self, wallet: Address, category: int, *, token: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the category of a registered wallet's investor."""
        contract = self.further_contract()
        assert contract is not None, "the caller has asked whether it is there"
        return self._call("transfer_rules", contract, operator, purpose, "set_categories", token, [wallet], [category])

    def approve_transfer(
        self, *, token: Address, sender: Address, receiver: Address, shares: int, until: int, operator: Address, purpose: str
    ) -> ChainTransaction:
        """Submit the approval of one transfer before `until` (Unix seconds), which zero withdraws."""
        contract = self.further_contract()
        assert contract is not None, "the caller has asked whether it is there"
        arguments = (token, sender, receiver, shares, until)
        return self._call("transfer_rules", contract, operator, purpose, "approve_transfer", *arguments)

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

    def set_country(self, wallet: Address, country: int, *, registry: Address, operator: Address, purpose: str) -> ChainTransaction:
        """Submit the country (ISO 3166-1 numeric) of a wallet that is registered under another."""
        return self._call("joint_compliance", registry, operator, purpose, "updateCountry", wallet, country, gas_limit=GAS_INVALIDATE)

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

    def _attached(self, compliance: Address, token: Address) -> Address | None:
        artifact = contract_artifacts.load("joint_compliance")
        found = artifact.decode_output("transfer_rules", self._evm.call(compliance, artifact.encode_call("transfer_rules", token)))
        return None if found == ZERO_ADDRESS else Address(found)

    def _further_state(self, contract: Address, token: Address, candidates: Sequence[int]) -> FurtherState:
        """Return what a contract of further rules of our own holds of a token; its caps are asked of countries among `candidates`."""
        artifact = contract_artifacts.load("transfer_rules")
        found = artifact.decode_output("rules", self._evm.call(contract, artifact.encode_call("rules", token)))
        compliance, by_country, by_category, windows_only, opens_at, closes_at, hours_open, hours_close, weekdays = found[:9]
        venues_only, approval_needed, sends_whole, receives_whole, minimum, holding_seconds, volume_max, volume_seconds = found[9:]
        venues = self._venues_listed(contract, token)
        rules = FurtherRules(
            country_caps=self._caps(contract, "places_of_country", token, candidates) if by_country else (),
            category_caps=self._caps(contract, "places_of_category", token, range(CATEGORY_MAX + 1)) if by_category else (),
            windows=tuple(zip(opens_at, closes_at, strict=True)) if windows_only else (),
            hours=(hours_open, hours_close),
            weekdays=weekdays,
            venues_only=venues_only,
            venues=venues if venues_only else (),
            approval_needed=approval_needed,
            sends_whole=sends_whole,
            receives_whole=receives_whole,
            minimum_holding=minimum,
            holding_period_seconds=holding_seconds,
            volume_max=volume_max,
            volume_period_seconds=volume_seconds,
        )
        return FurtherState(
            rules=rules,
            compliance=None if compliance == ZERO_ADDRESS else Address(compliance),
            counts_by_country=by_country,
            counts_by_category=by_category,
            venues_listed=venues,
        )

    def _caps(self, contract: Address, function: str, token: Address, groups: Sequence[int]) -> tuple[tuple[int, int], ...]:
        artifact = contract_artifacts.load("transfer_rules")
        answers = self._evm.call_many([(contract, artifact.encode_call(function, token, group)) for group in groups])
        places = [artifact.decode_output(function, answer) for answer in answers]
        return tuple(sorted((group, cap) for group, (_, is_capped, cap) in zip(groups, places, strict=True) if is_capped))

    def _venues_listed(self, contract: Address, token: Address) -> tuple[Address, ...]:
        """Return the venues on a token's list, by its events: the contract answers only for a venue that is named to it."""
        artifact = contract_artifacts.load("transfer_rules")
        created = self._transactions.find(FURTHER_CREATED)
        assert created is not None, "a contract that answered was created"
        topics = (VENUE_LISTED, address_bytes(token).rjust(32, b"\0"))
        listed: dict[Address, bool] = {}
        for log in self._evm.logs([contract], from_block=created.block_number or 0, to_block=self._evm.block_number(), topics=topics):
            decoded = artifact.decode_log(log.topics, log.data)
            assert decoded is not None, "the topic is that of an event of this contract"
            listed[decoded.values["venue"]] = decoded.values["is_listed"]
        return tuple(sorted(venue for venue, is_listed in listed.items() if is_listed))

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


def _investor_facts(answer: Any) -> InvestorFacts:
    """Return the contract's `Investor` of a wallet in our words."""
    _, category, in_country, country, in_category, sent, held_back, free_at = answer
    return InvestorFacts(
        category=category,
        country_place=country if in_country else None,
        is_counted_by_category=in_category,
        sent=sent,
        held_back=held_back,
        free_at=free_at,
    )
