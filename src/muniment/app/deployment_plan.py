# SPDX-License-Identifier: Apache-2.0
"""Which transactions put one contract, or the whole suite, on a chain. Decides the plan; `infra.evm.deployment` carries it out.

The suite is read from the build: what the factory keeps as blueprints becomes blueprints, every other contract stands for itself and is
initialised, and the factory makes the first issuer's registries and rules. A new contract of the build appears by itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.exceptions import EncodingError

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.addresses import created_address
from muniment.infra.evm.contract_artifacts import ContractArtifact
from muniment.infra.evm.deployment import Plan, Step
from muniment.units.errors import MunimentError
from muniment.units.ids import Address

SUITE = "suite"
FACTORY = "security_factory"
BLUEPRINT_PREAMBLE = bytes.fromhex("fe7100")

# Deployed alone, or by the factory for each issuer; money for trials belongs to no suite.
NOT_IN_SUITE = frozenset(
    {
        "claim_topics_registry",
        "compliance",
        "identity_registry",
        "identity_registry_storage",
        "joint_compliance",
        "payment_token",
        "security_token",
        "trusted_issuers_registry",
    }
)

# Contract, function, what it is told: contracts of the suite by name. A line whose contracts are not all in the build is left out.
WIRES: tuple[tuple[str, str, tuple[str, ...]], ...] = (("title_vault", "set_registers", ("title_deed", "asset_registry", FACTORY)),)


class NoSuchContract(MunimentError):
    """The build has no contract of that name."""

    code = "app.no_such_contract"
    message = "There is no contract “{name}”."
    cure = "Give one of: {known}, or suite."


class ArgumentsNeeded(MunimentError):
    """The contract has to be told something when it is made."""

    code = "app.deployment_arguments"
    message = "{contract} takes {wanted} when it is made; {given}."
    cure = "Give them as a JSON list: --arguments '[…]', addresses and bytes as 0x… text."


class SuiteUnknown(MunimentError):
    """The factory of this build takes something that the plan of the suite cannot say."""

    code = "app.suite_unknown"
    message = "The factory's {where} takes “{name}”, which is no contract of this build."
    cure = "Deploy its parts by name instead."


@dataclass(slots=True)
class Draft:
    """A plan that grows: creations in the order of their nonces first, then calls."""

    sender: Address
    first_nonce: int
    _plain: list[Step] = field(default_factory=list)
    _constructed: list[Step] = field(default_factory=list)
    _calls: list[Step] = field(default_factory=list)

    def create(self, artifact: ContractArtifact) -> Address:
        """Add the creation of a contract that is told nothing; all of these come before `construct`."""
        assert not self._constructed, "plain creations come first: an address follows from the place in the row"
        return self._created(self._plain, f"create {artifact.name}", artifact.name, artifact.bytecode, artifact.deployed_bytecode)

    def create_blueprint(self, artifact: ContractArtifact) -> Address:
        """Add the creation of a blueprint (ERC-5202), under the same rule."""
        assert not self._constructed, "plain creations come first: an address follows from the place in the row"
        code = BLUEPRINT_PREAMBLE + artifact.bytecode
        name = f"create the blueprint of {artifact.name}"
        return self._created(self._plain, name, f"{artifact.name} (blueprint)", artifact.encode_blueprint_deployment(), code)

    def construct(self, artifact: ContractArtifact, arguments: Sequence[Any]) -> Address:
        """Add the creation of a contract whose constructor does something."""
        data = _encoded(artifact, "constructor", arguments)
        return self._created(self._constructed, f"create {artifact.name}", artifact.name, data, b"")

    def call(self, artifact: ContractArtifact, address: Address, function: str, *arguments: Any, about: str = "") -> None:
        """Add a call."""
        name = f"{artifact.name}.{function}" + (f" {about}" if about else "")
        self._calls.append(Step(name, artifact.name, address, address, _encoded(artifact, function, arguments)))

    def plan(self, target: str) -> Plan:
        """Return the plan."""
        return Plan(target, self.sender, self.first_nonce, (*self._plain, *self._constructed, *self._calls))

    def _created(self, steps: list[Step], name: str, contract: str, data: bytes, standing_code: bytes) -> Address:
        address = created_address(self.sender, self.first_nonce + len(self._plain) + len(self._constructed))
        steps.append(Step(name, contract, None, address, data, standing_code))
        return address


@dataclass(frozen=True, slots=True)
class Offices:
    """Who is to hold what office; without an owner, whoever sends the transactions stays it."""

    agents: tuple[Address, ...] = ()
    owner: Address | None = None


def plan_contract(name: str, *, sender: Address, first_nonce: int, arguments: Sequence[Any], offices: Offices) -> Plan:
    """Return the plan of one contract: created, initialised, told its agents and handed over."""
    if name not in contract_artifacts.names():
        raise NoSuchContract(name=name, known=", ".join(contract_artifacts.names()))
    artifact, draft = contract_artifacts.load(name), Draft(sender, first_nonce)
    constructor, initializer = _inputs(artifact, "constructor"), _inputs(artifact, "initialize")
    told = constructor or initializer
    if len(arguments) != len(told):
        wanted = ", ".join(f"{each['name']} ({_kind(each)})" for each in told) or "nothing"
        raise ArgumentsNeeded(contract=name, wanted=wanted, given=f"{len(arguments)} were given")
    if artifact.has_constructor:
        address = draft.construct(artifact, _parsed(artifact, constructor, arguments) if constructor else ())
    else:
        address = draft.create(artifact)
    if "initialize" in artifact.functions:
        draft.call(artifact, address, "initialize", *(() if constructor else _parsed(artifact, initializer, arguments)))
    _appoint(draft, artifact, address, offices)
    _hand_over(draft, {name: address}, offices)
    return draft.plan(name)


def plan_suite(
    *, sender: Address, first_nonce: int, offices: Offices, salt: bytes, made: Mapping[str, Address] | None = None
) -> tuple[Plan, SuiteQuestion]:
    """Return the plan of the whole suite, and what to ask the factory for the addresses that it will choose.

    `made` is the answer to that question: what the factory makes is handed over to the owner only where it is given.
    """
    artifacts = {name: contract_artifacts.load(name) for name in contract_artifacts.names()}
    factory, draft = artifacts[FACTORY], Draft(sender, first_nonce)
    blueprinted = list(_blueprint_names(factory))
    addresses: dict[str, Address] = {}
    blueprints: dict[str, Address] = {}

    def resolved(artifact: ContractArtifact, function: str) -> tuple[Any, ...]:
        return _resolved(artifact, function, addresses, blueprints, receiver=offices.owner or sender)

    for name in blueprinted:
        _known(name, artifacts)
        blueprints[name] = draft.create_blueprint(artifacts[name])
    standing = [name for name in artifacts if name not in NOT_IN_SUITE | {*blueprinted, FACTORY}]
    for name in standing:
        if not artifacts[name].has_constructor:
            addresses[name] = draft.create(artifacts[name])
    if not factory.has_constructor:
        addresses[FACTORY] = draft.create(factory)
    for name in standing:
        if artifacts[name].has_constructor:
            addresses[name] = draft.construct(artifacts[name], resolved(artifacts[name], "constructor"))
    if factory.has_constructor:
        addresses[FACTORY] = draft.construct(factory, resolved(factory, "constructor"))
    for name, address in addresses.items():
        if "initialize" in artifacts[name].functions:
            draft.call(artifacts[name], address, "initialize", *resolved(artifacts[name], "initialize"))
    for contract, function, told in WIRES:
        if {contract, *told} <= set(addresses):
            draft.call(artifacts[contract], addresses[contract], function, *(addresses[name] for name in told))
    for name, address in addresses.items():
        _appoint(draft, artifacts[name], address, offices)
    draft.call(factory, addresses[FACTORY], "deploy_suite", salt, list(offices.agents))
    _hand_over(draft, {**addresses, **(made or {})}, offices)
    question = SuiteQuestion(addresses[FACTORY], factory.encode_call("suite_address", sender, salt))
    return draft.plan(SUITE), question


@dataclass(frozen=True, slots=True)
class SuiteQuestion:
    """Where the factory will put the issuer's contracts: to ask, and to read the answer of."""

    factory: Address
    data: bytes

    def read(self, answer: bytes) -> dict[str, Address]:
        """Return the addresses by name."""
        artifact = contract_artifacts.load(FACTORY)
        outputs = next(entry["outputs"] for entry in artifact.abi if entry.get("name") == "suite_address")
        decoded = artifact.decode_output("suite_address", answer)
        if outputs[0]["type"] != "tuple":
            return {"suite": decoded}
        return {part["name"]: value for part, value in zip(outputs[0]["components"], decoded, strict=True) if part["type"] == "address"}


def addresses_of(plan: Plan) -> dict[str, Address]:
    """Return what the plan itself creates, by name."""
    return {step.contract: step.address for step in plan.steps if step.to is None}


def _appoint(draft: Draft, artifact: ContractArtifact, address: Address, offices: Offices) -> None:
    if "addAgent" in artifact.functions:
        for agent in offices.agents:
            draft.call(artifact, address, "addAgent", agent, about=agent)


def _hand_over(draft: Draft, addresses: Mapping[str, Address], offices: Offices) -> None:
    """Last of all: after it the sender has no rights any more."""
    handed: set[Address] = set()
    for name, address in addresses.items():
        # Registries and rules may stand at one address under two names.
        if offices.owner is None or address in handed or name not in contract_artifacts.names():
            continue
        artifact = contract_artifacts.load(name)
        if "transferOwnership" in artifact.functions:
            draft.call(artifact, address, "transferOwnership", offices.owner)
            handed.add(address)


def _inputs(artifact: ContractArtifact, function: str) -> list[Mapping[str, Any]]:
    for entry in artifact.abi:
        if entry["type"] == "constructor" if function == "constructor" else entry.get("name") == function:
            return list(entry["inputs"])
    return []


def _blueprint_names(factory: ContractArtifact) -> Iterator[str]:
    """Yield the contracts that the factory keeps as blueprints: structs of an address and a hash, wherever it takes them."""
    for function in ("constructor", "initialize"):
        for each in _inputs(factory, function):
            if each["type"] == "tuple":
                for part in [each] if _is_blueprint(each) else each["components"]:
                    if _is_blueprint(part):
                        yield part["name"]


def _is_blueprint(entry: Mapping[str, Any]) -> bool:
    return entry["type"] == "tuple" and [part["type"] for part in entry["components"]] == ["address", "bytes32"]


def _resolved(
    artifact: ContractArtifact, function: str, addresses: Mapping[str, Address], blueprints: Mapping[str, Address], *, receiver: Address
) -> tuple[Any, ...]:
    """Return the arguments by the names of the parameters: contracts of the suite, and who gets what it earns."""

    def value(entry: Mapping[str, Any]) -> Any:
        name = _snake_case(entry["name"])
        if _is_blueprint(entry) and name in blueprints:
            return blueprints[name], contract_artifacts.load(name).init_code_hash
        if entry["type"] == "tuple":
            return tuple(value(part) for part in entry["components"])
        if entry["type"] == "address" and name in addresses:
            return addresses[name]
        if entry["type"] == "address" and name.endswith("_receiver"):
            return receiver
        raise SuiteUnknown(where=f"{artifact.name}.{function}", name=entry["name"])

    return tuple(value(entry) for entry in _inputs(artifact, function))


def _known(name: str, artifacts: Mapping[str, ContractArtifact]) -> None:
    if name not in artifacts:
        raise SuiteUnknown(where="blueprints", name=name)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().strip("_")


def _kind(entry: Mapping[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return "(" + ", ".join(_kind(part) for part in entry["components"]) + ")" + entry["type"].removeprefix("tuple")


def _parsed(artifact: ContractArtifact, inputs: Sequence[Mapping[str, Any]], arguments: Sequence[Any]) -> tuple[Any, ...]:
    """Return JSON values as the encoder takes them: bytes from 0x… text, structs as tuples."""

    def value(kind: str, entry: Mapping[str, Any], given: Any) -> Any:
        if kind.endswith("]"):
            return [value(kind[: kind.rindex("[")], entry, each) for each in given]
        if kind == "tuple":
            return tuple(value(part["type"], part, each) for part, each in zip(entry["components"], given, strict=True))
        if kind.startswith("bytes"):
            return bytes.fromhex(given.removeprefix("0x"))
        return given

    try:
        return tuple(value(entry["type"], entry, given) for entry, given in zip(inputs, arguments, strict=True))
    except (ValueError, TypeError, AttributeError):
        raise _not_fitting(artifact, inputs) from None


def _encoded(artifact: ContractArtifact, function: str, arguments: Sequence[Any]) -> bytes:
    try:
        if function == "constructor":
            return artifact.encode_deployment(*arguments)
        return artifact.encode_call(function, *arguments)
    except (EncodingError, TypeError):
        raise _not_fitting(artifact, _inputs(artifact, function)) from None


def _not_fitting(artifact: ContractArtifact, inputs: Sequence[Mapping[str, Any]]) -> ArgumentsNeeded:
    wanted = ", ".join(f"{each['name']} ({_kind(each)})" for each in inputs)
    return ArgumentsNeeded(contract=artifact.name, wanted=wanted, given="what was given does not fit")
