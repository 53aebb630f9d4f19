# SPDX-License-Identifier: Apache-2.0
"""Suites of ERC-3643 contracts, each ours or the reference's, deployed and called as somebody does who knows the standard alone.

Calls are encoded by the reference's interface whoever made the contract; the one name that differs is `initialize` for `init`, which
Vyper reserves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import eth_abi
from eth_account.messages import encode_defunct
from eth_hash.auto import keccak

from bench.peers.packages import onchainid, trex
from bench.scenarios.chains import ZERO, Chain, Contract, Log, Refused, account, deploy, signer
from muniment.infra.evm.contract_artifacts import ContractArtifact, load, read

Maker = Literal["ours", "theirs"]
Role = Literal["token", "registry", "storage", "issuers", "topics", "compliance"]

# Role -> the reference's contract and ours.
CONTRACTS: dict[Role, tuple[str, str]] = {
    "token": ("Token", "security_token"),
    "registry": ("IdentityRegistry", "identity_registry"),
    "storage": ("IdentityRegistryStorage", "identity_registry_storage"),
    "issuers": ("TrustedIssuersRegistry", "trusted_issuers_registry"),
    "topics": ("ClaimTopicsRegistry", "claim_topics_registry"),
    "compliance": ("ModularCompliance", "compliance"),
}
# Of the reference's own making and not of the standard: who is initialised is no news to a register.
UNSTANDARD_EVENTS = frozenset({"Initialized"})
CLAIM_SIGNER, MANAGEMENT, ECDSA = 3, 1, 1


class Makers(NamedTuple):
    """Whose each part of a suite is; the four registries go together."""

    token: Maker
    registries: Maker
    compliance: Maker

    def of(self, role: Role) -> Maker:
        """Return whose the contract of this role is."""
        if role == "token":
            return self.token
        return self.compliance if role == "compliance" else self.registries


class Outcome(NamedTuple):
    """What a step did: its answer and its events, or the reason why not."""

    step: str
    refused: str | None
    answer: Any
    events: tuple[tuple[str, str, tuple[Any, ...]], ...]


def interface_of(role: Role, maker: Maker) -> ContractArtifact:
    """Return what to deploy: the maker's code under the reference's interface."""
    theirs, ours = CONTRACTS[role]
    reference = trex(theirs)
    if maker == "theirs":
        return reference
    renamed = [{**entry, "name": "initialize"} if entry.get("name") == "init" else entry for entry in reference.abi]
    code = load(ours)
    return read(ours, abi=renamed, bytecode=code.bytecode.hex(), deployed_bytecode=code.deployed_bytecode.hex())


def key_of(address: str) -> bytes:
    """Return an address as ERC-734 keeps keys."""
    return keccak(eth_abi.encode(["address"], [address]))


@dataclass
class Stage:
    """A chain with a suite on it, and a record of what each call did, with names in the place of addresses."""

    chain: Chain
    makers: Makers
    contracts: dict[str, Contract] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    # Who is who

    def person(self, name: str) -> str:
        """Return a person's wallet."""
        wallet = account(f"interop {name}")
        self.names[wallet] = name
        return wallet

    def address(self, name: Any) -> Any:
        """Return what an argument means: `@ann` is a person's wallet, `#token` a contract, `0x0` nobody, anything else itself."""
        if isinstance(name, list):
            return [self.address(each) for each in name]
        if not isinstance(name, str):
            return name
        if name == "0x0":
            return ZERO
        if name.startswith("@"):
            return self.person(name[1:])
        return self.contracts[name[1:]].address if name.startswith("#") else name

    # Deploying

    def add(self, name: str, contract: Contract) -> Contract:
        """Keep a contract under a name."""
        self.contracts[name] = contract
        self.names[contract.address] = name
        return contract

    def deploy(self, role: Role, name: str | None = None) -> Contract:
        """Deploy the logic contract of a role; nothing is called yet."""
        return self.add(name or role, deploy(self.chain, interface_of(role, self.makers.of(role)), sender=self.person("owner")))

    def begin(self, name: str, *arguments: Any, by: str = "owner") -> None:
        """Call the reference's `init`, by its name or ours."""
        named = "init" if "init" in self.contracts[name].artifact.functions else "initialize"
        self.call(name, named, *arguments, by=by)

    def deploy_module(self, kind: str) -> Contract:
        """Deploy a rule module of the reference's, initialised behind its proxy."""
        owner = self.person("owner")
        code = deploy(self.chain, trex(kind), sender=owner)
        proxy = deploy(self.chain, trex("ModuleProxy"), code.address, code.artifact.encode_call("initialize"), sender=owner)
        return self.add(kind, Contract(self.chain, trex(kind), proxy.address))

    def identity(self, name: str) -> str:
        """Deploy a person's identity contract, which the person manages, and return what stands for it in a call."""
        wallet, is_library = self.person(name), False
        self.add(f"identity of {name}", deploy(self.chain, onchainid("Identity"), wallet, is_library, sender=wallet))
        return f"#identity of {name}"

    def claim_issuer(self, name: str) -> str:
        """Deploy somebody's claim issuer with a key that signs claims."""
        owner = self.person("owner")
        issuer = self.add(name, deploy(self.chain, onchainid("ClaimIssuer"), owner, sender=owner))
        issuer.fn("addKey", key_of(signer(name).address), CLAIM_SIGNER, ECDSA, sender=owner)
        return f"#{name}"

    def claim(self, name: str, issuer: str, topic: int, *, data: bytes = b"known") -> bytes:
        """Put a claim that an issuer signed into a person's identity contract; return the signature."""
        identity = self.contracts[f"identity of {name}"]
        digest = keccak(eth_abi.encode(["address", "uint256", "bytes"], [identity.address, topic, data]))
        signature = bytes(signer(issuer).sign_message(encode_defunct(digest)).signature)
        arguments = (topic, ECDSA, self.contracts[issuer].address, signature, data, "")
        identity.fn("addClaim", *arguments, sender=self.person(name))
        return signature

    def deploy_code(self, name: str, runtime: bytes) -> str:
        """Deploy a contract that only a scenario needs, from its bare code, and return what stands for it in a call."""
        # PUSH2 length, PUSH1 12, PUSH0, CODECOPY, PUSH2 length, PUSH0, RETURN: returns what follows these twelve bytes.
        length = len(runtime).to_bytes(2, "big")
        receipt = self.chain.send(
            None, b"\x61" + length + b"\x60\x0c\x5f\x39\x61" + length + b"\x5f\xf3" + runtime, sender=self.person("owner")
        )
        assert receipt.created is not None, "it was a creation"
        # Only its address matters to the scenario: nobody reads an event of it.
        self.add(name, Contract(self.chain, onchainid("Identity"), receipt.created))
        return f"#{name}"

    def deploy_answering(self, name: str, answer: bytes) -> str:
        """Deploy a contract that answers every call alike."""
        length = len(answer).to_bytes(2, "big")
        return self.deploy_code(name, b"\x61" + length + b"\x60\x0c\x5f\x39\x61" + length + b"\x5f\xf3" + answer)

    # Calling

    def call(self, name: str, function: str, *arguments: Any, by: str = "owner", arity: str = "") -> Outcome:
        """Send a call and record what it did."""
        contract, sender = self.contracts[name], self.person(by)
        values = [self.address(argument) for argument in arguments]
        found = contract.artifact.function(function + arity, arguments=len(values))
        data = contract.artifact.encode_call(found.signature, *values)
        shown = f"{name}.{'init' if function == 'initialize' else function}({', '.join(map(str, arguments))}) by {by}"
        try:
            answer = contract.artifact.decode_output(found.signature, self.chain.ask(contract.address, data, sender=sender))
            receipt = self.chain.send(contract.address, data, sender=sender)
        except Refused as refusal:
            return self._record(Outcome(shown, self._told(refusal.reason), None, ()))
        return self._record(Outcome(shown, None, self._named(answer), self._events(receipt.logs)))

    def ask(self, name: str, function: str, *arguments: Any, by: str = "anybody") -> Any:
        """Ask a view, record and return the answer with names for addresses."""
        contract = self.contracts[name]
        shown = f"{name}.{function}({', '.join(map(str, arguments))})"
        try:
            answer = contract.view(function, *(self.address(argument) for argument in arguments), sender=self.person(by))
        except Refused as refusal:
            return self._record(Outcome(shown, self._told(refusal.reason), None, ())).answer
        return self._record(Outcome(shown, None, self._named(answer), ())).answer

    def _record(self, outcome: Outcome) -> Outcome:
        before = sum(1 for earlier in self.outcomes if earlier.step == outcome.step or earlier.step.startswith(f"{outcome.step}, time "))
        if before:
            outcome = outcome._replace(step=f"{outcome.step}, time {before + 1}")
        self.outcomes.append(outcome)
        return outcome

    def _told(self, reason: str) -> str:
        """Return a reason with names in the place of the addresses that an error of another contract carries."""
        for address, name in self.names.items():
            reason = reason.replace(address[2:].lower(), f"({name})")
        return reason

    def _named(self, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return tuple(self._named(each) for each in value)
        if value == ZERO:
            return "nobody"
        return self.names.get(value, value) if isinstance(value, str) else value

    def _events(self, logs: tuple[Log, ...]) -> tuple[tuple[str, str, tuple[Any, ...]], ...]:
        """Return the standard's events by contract and name, whatever their parameters are called; other events are each maker's own."""
        told: list[tuple[str, str, tuple[Any, ...]]] = []
        for log in logs:
            contract = self.contracts.get(self.names.get(log.address, ""))
            decoded = None if contract is None else contract.artifact.decode_log(list(log.topics), log.data)
            if contract is not None and decoded is not None and decoded.event not in UNSTANDARD_EVENTS:
                # Each maker has a version of its own.
                values = tuple("version" if key == "_newVersion" else value for key, value in decoded.values.items())
                told.append((self.names[log.address], decoded.event, self._named(values)))
        return tuple(told)


def build(chain: Chain, makers: Makers, *, wire: bool = True) -> Stage:
    """Deploy a suite in the reference's order by the reference's calls; the token's agent is `agent`, and the token is open."""
    stage = Stage(chain, makers)
    for role in CONTRACTS:
        stage.deploy(role)
    if not wire:
        return stage
    for role in ("storage", "issuers", "topics", "compliance"):
        stage.begin(role)
    stage.begin("registry", "#issuers", "#topics", "#storage")
    stage.begin("token", "#registry", "#compliance", "Acme Common", "ACME", 0, "0x0")
    stage.call("storage", "bindIdentityRegistry", "#registry")
    for role in ("registry", "token"):
        stage.call(role, "addAgent", "@agent")
    stage.call("registry", "addAgent", "#token")
    stage.call("token", "unpause", by="agent")
    failed = [outcome for outcome in stage.outcomes if outcome.refused is not None]
    assert not failed, f"{makers}: {failed}"
    stage.outcomes.clear()
    return stage
