# SPDX-License-Identifier: Apache-2.0
"""`muniment contracts deploy` and `verify`: contracts to a chain by its node's address alone, without database or services."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer
from eth_hash.auto import keccak
from rich.console import Console
from rich.markup import escape

from muniment.app.cli import JsonOption
from muniment.app.deployment_plan import SUITE, NoSuchContract, Offices, SuiteQuestion, addresses_of, plan_contract, plan_suite
from muniment.infra.configuration import read_configuration
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.client import Evm
from muniment.infra.evm.deployer_key import DeployerKey, NoDeployerKey, read_deployer_key
from muniment.infra.evm.deployment import Done, NotEnoughCoin, Plan, Record, ask, carry_out, estimate
from muniment.infra.evm.fees import FeeQuotes
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.evm.verification import Difference, Match, clone_target, compare, recognise
from muniment.infra.signing import DEVELOPMENT_ADDRESSES, DevelopmentKeyRefused, development_keys_allowed
from muniment.parties.model import parse_address
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address

WAIT_SECONDS = 180.0
DEFAULT_SALT = keccak(b"muniment suite")
DECIMALS_OF_COIN = 18
_SALT = re.compile(r"0x[0-9a-fA-F]{64}")


class NoNode(MunimentError):
    """Nothing says which chain."""

    code = "app.no_node"
    message = "No node was named."
    cure = "Give --rpc http://…, or set CHAIN_RPC_URL, or CHAIN_RPC_URL_FILE to a file of mode 600 where the address holds a secret."


class SecretInArgument(MunimentError):
    """A password stands on the command line, where every user of the machine can read it."""

    code = "app.secret_in_argument"
    message = "The node's address holds a password, and arguments are visible to others."
    cure = "Write the address into a file of mode 600 and name that by CHAIN_RPC_URL_FILE."


class BadArguments(MunimentError):
    """The arguments of the contract are no JSON list."""

    code = "app.bad_arguments"
    message = "{option} takes {wanted}, not “{given}”."
    cure = 'For example: --arguments \'["Test Dollar", "tUSD", 6]\', --salt 0x and 64 hexadecimal digits.'


class NoCode(MunimentError):
    """Nothing stands at the address."""

    code = "app.no_code"
    message = "There is no contract at {address} on chain {chain_id}."
    cure = "Compare the address and the node."


RpcOption = Annotated[
    str, typer.Option("--rpc", help="The node's JSON-RPC address; else CHAIN_RPC_URL, or CHAIN_RPC_URL_FILE for one that holds a secret.")
]


def deploy(
    name: Annotated[str, typer.Argument(help="A contract of the build, or `suite` for all of them, wired.")],
    *,
    rpc: RpcOption = "",
    key_file: Annotated[Path | None, typer.Option("--key-file", help="File of mode 600 with the private key in hexadecimal.")] = None,
    keystore: Annotated[Path | None, typer.Option("--keystore", help="Keystore file (Web3 Secret Storage) of mode 600.")] = None,
    password_file: Annotated[Path | None, typer.Option("--password-file", help="File of mode 600 with the keystore's password.")] = None,
    sender: Annotated[str, typer.Option("--from", help="With --dry-run and without a key: the address that will send.")] = "",
    arguments: Annotated[str, typer.Option("--arguments", help="JSON list of what one contract is told when it is made.")] = "[]",
    agents: Annotated[list[str] | None, typer.Option("--agent", help="Address that is made an agent of what is deployed.")] = None,
    owner: Annotated[str, typer.Option("--owner", help="Address to which everything is handed over at the end, and fees go.")] = "",
    salt: Annotated[str, typer.Option("--salt", help="32 bytes from which the factory derives the suite's addresses.")] = "",
    record: Annotated[
        Path | None, typer.Option("--record", help="File with what was sent; deployment-CHAIN-NAME.json where it is left out.")
    ] = None,
    wait_seconds: Annotated[float, typer.Option("--wait", help="Seconds to wait for each transaction to be mined.")] = WAIT_SECONDS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show gas, fees and addresses; send nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Deploy a contract or the whole suite to any EVM chain; run it again to go on where it ended.

    The key comes from --key-file, from --keystore, or from the variable DEPLOYER_KEY.
    """
    key = read_deployer_key(key_file=key_file, keystore=keystore, password_file=password_file)
    if key is None and not (dry_run and sender):
        raise NoDeployerKey
    offices = Offices(
        tuple(parse_address(agent, field="--agent") for agent in agents or ()),
        parse_address(owner, field="--owner") if owner else None,
    )
    with _node(rpc) as evm:
        chain = _Chain.of(evm)
        address = key.address if key is not None else parse_address(sender, field="--from")
        allowed = development_keys_allowed(chain_id=chain.chain_id, rpc_url=evm.rpc.url)
        if address in DEVELOPMENT_ADDRESSES and not allowed:
            raise DevelopmentKeyRefused(address=address)
        file = record or Path(f"deployment-{chain.chain_id}-{name}.json")
        begun = Record.open(file, chain_id=chain.chain_id, genesis=chain.genesis, target=name, sender=address)
        first_nonce = evm.transaction_count(address) if begun is None else begun.first_nonce
        planned = _planned(evm, name, address, first_nonce, arguments=_list(arguments), offices=offices, salt=_salt(salt))
        if begun is not None:
            begun.check_plan(planned.plan)
        if dry_run:
            _show_plan(evm, chain, planned, begun, as_json=as_json)
            return
        assert key is not None, "only a dry run needs no key"
        _carry_out(evm, chain, planned, begun or Record.begin(file, planned.plan, chain_id=chain.chain_id, genesis=chain.genesis),
                   key=key, allowed=allowed, wait_seconds=wait_seconds, as_json=as_json)  # fmt: skip


def verify(
    address: Annotated[str, typer.Argument(help="Where the contract stands.")],
    *,
    rpc: RpcOption = "",
    contract: Annotated[str, typer.Option("--contract", help="Which contract it should be; found out where it is left out.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Compare the code at an address with this build, and say which contract it is; exit 1 when it is none of it.

    Follows a clone (ERC-1167) to the contract behind it and knows blueprints (ERC-5202) and constants that a deployment sets.
    """
    known = contract_artifacts.names()
    if contract and contract not in known:
        raise NoSuchContract(name=contract, known=", ".join(known))
    stands_at = parse_address(address)
    with _node(rpc) as evm:
        chain_id, code = evm.chain_id(), evm.code_at(stands_at)
        if not code:
            raise NoCode(address=stands_at, chain_id=chain_id)
        runtime_bytes, implementation = len(code), clone_target(code)
        if implementation is not None:
            code = evm.code_at(implementation)
    wanted = contract_artifacts.load(contract) if contract else None
    found = compare(code, wanted) if wanted else recognise(code, [contract_artifacts.load(name) for name in known])
    body: dict[str, Any] = {
        "address": stands_at,
        "chain_id": chain_id,
        "runtime_bytes": runtime_bytes,
        "code_keccak256": _hex(keccak(code)),
    }
    if implementation is not None:
        body["clone_of"] = implementation
    match found:
        case Match():
            body |= {"verified": True, "contract": found.contract, "kind": found.kind, "immutables": _hex(found.immutables)}
            kind = f"a clone of {implementation}, " if implementation else "the blueprint of " if found.kind == "blueprint" else ""
            line = f"verified: {stands_at} is {kind}{found.contract}, {runtime_bytes} bytes, as in this build"
        case Difference():
            body |= {"verified": False, "contract": contract or None, "nearest": found.contract, "differs_at_byte": found.at_byte}
            line = (
                f"differs: {stands_at} is not {contract or 'a contract of this build'}: {len(code)} bytes; "
                f"{found.contract} has {found.expected_bytes}, the first that differs is byte {found.at_byte}"
            )
    typer.echo(json.dumps(body) if as_json else line)
    if isinstance(found, Difference):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Chain:
    chain_id: int
    genesis: str

    @classmethod
    def of(cls, evm: Evm) -> _Chain:
        return cls(evm.chain_id(), _hex(evm.genesis_hash()))


@dataclass(frozen=True, slots=True)
class _Planned:
    plan: Plan
    made: Mapping[str, Address]
    """What the factory makes, by name; the plan itself creates the rest."""

    @property
    def contracts(self) -> dict[str, Address]:
        return addresses_of(self.plan) | dict(self.made)


def _planned(
    evm: Evm, name: str, sender: Address, first_nonce: int, *, arguments: Sequence[Any], offices: Offices, salt: bytes
) -> _Planned:
    if name != SUITE:
        return _Planned(plan_contract(name, sender=sender, first_nonce=first_nonce, arguments=arguments, offices=offices), {})
    plan, question = plan_suite(sender=sender, first_nonce=first_nonce, offices=offices, salt=salt)
    made = question.read(_factory_answer(evm, plan, question))
    plan, _ = plan_suite(sender=sender, first_nonce=first_nonce, offices=offices, salt=salt, made=made)
    return _Planned(plan, made)


def _factory_answer(evm: Evm, plan: Plan, question: SuiteQuestion) -> bytes:
    if evm.code_at(question.factory):
        return evm.call(question.factory, question.data)
    return ask(plan, evm, question.factory, question.data)


def _show_plan(evm: Evm, chain: _Chain, planned: _Planned, begun: Record | None, *, as_json: bool) -> None:
    plan, base_fee = planned.plan, evm.latest_header().base_fee
    if begun is not None and evm.transaction_count(plan.sender) > plan.first_nonce:
        # What is half done cannot be rehearsed from its beginning; the run itself says what is left.
        sent = evm.transaction_count(plan.sender) - plan.first_nonce
        body = {"dry_run": True, "sent": sent, "transactions": len(plan.steps), "contracts": planned.contracts}
        typer.echo(json.dumps(body) if as_json else f"{sent} of {len(plan.steps)} transactions are sent; run it without --dry-run to go on")
        return
    gas = estimate(plan, evm)
    rows = [
        {"step": step.name, "contract": step.contract, "address": step.address, "gas": used, "fee_wei": str(used * base_fee)}
        for step, used in zip(plan.steps, gas, strict=True)
    ]
    total = sum(gas)
    if as_json:
        body = {
            "dry_run": True,
            "chain_id": chain.chain_id,
            "deployer": plan.sender,
            "base_fee_wei": str(base_fee),
            "gas": total,
            "fee_wei": str(total * base_fee),
            "transactions": rows,
            "contracts": planned.contracts,
        }
        typer.echo(json.dumps(body))
        return
    typer.echo(f"{plan.target} on chain {chain.chain_id} by {plan.sender}: nothing is sent")
    for row, used in zip(rows, gas, strict=True):
        typer.echo(f"{used:>12,} gas  {_coin(used * base_fee)}  {row['address']}  {row['step']}")
    for contract, address in planned.made.items():
        typer.echo(f"{'':>12}      {'made by the factory':<20}  {address}  {contract}")
    typer.echo(f"{total:>12,} gas  {_coin(total * base_fee)}  at the present base fee of {base_fee} wei, without tips")


def _carry_out(
    evm: Evm, chain: _Chain, planned: _Planned, record: Record, *, key: DeployerKey, allowed: bool, wait_seconds: float, as_json: bool
) -> None:
    plan, fees = planned.plan, FeeQuotes(evm)
    sent = evm.transaction_count(plan.sender) - plan.first_nonce
    if sent <= 0:
        # Before anything costs money: would all of it go through, and is there enough to pay for it?
        needed, has = sum(estimate(plan, evm)) * fees.bid().max_fee, evm.balance(plan.sender)
        if has < needed:
            raise NotEnoughCoin(address=plan.sender, has_wei=has, needed_wei=needed)

    def told(done: Done) -> None:
        if not as_json:
            how = "was done before" if done.was_done_before else f"{done.receipt.gas_used:,} gas"
            typer.echo(f"{done.step.address}  {done.step.name}: {how}, block {done.receipt.block_number}", err=True)

    with Console(stderr=True).status(f"deploying {escape(plan.target)} …", spinner="dots"):
        finished = carry_out(
            plan,
            evm=evm,
            chain_id=chain.chain_id,
            key=key,
            development_keys_allowed=allowed,
            record=record,
            fees=fees,
            wait_seconds=wait_seconds,
            progress=told,
        )
    record.note_contracts(planned.contracts)
    gas = sum(done.receipt.gas_used for done in finished)
    fee = sum(done.receipt.gas_used * done.receipt.effective_gas_price for done in finished)
    if as_json:
        body = {
            "dry_run": False,
            "chain_id": chain.chain_id,
            "deployer": plan.sender,
            "gas": gas,
            "fee_wei": str(fee),
            "transactions": [
                {
                    "step": done.step.name,
                    "contract": done.step.contract,
                    "address": done.step.address,
                    "hash": done.receipt.transaction_hash,
                    "gas": done.receipt.gas_used,
                    "block": done.receipt.block_number,
                    "was_done_before": done.was_done_before,
                }
                for done in finished
            ],
            "contracts": planned.contracts,
            "record": str(record.file),
        }
        typer.echo(json.dumps(body))
        return
    for contract, address in planned.contracts.items():
        typer.echo(f"{address}  {contract}")
    typer.echo(f"{gas:,} gas for {_coin(fee).strip()}; recorded in {record.file}")


@contextmanager
def _node(rpc: str) -> Iterator[Evm]:
    if rpc and urlsplit(rpc).password:
        raise SecretInArgument(place=Place(field="--rpc"))
    url = rpc or read_configuration().chain_rpc_url
    if not url:
        raise NoNode
    client = JsonRpc(url)
    try:
        yield Evm(client)
    finally:
        client.close()


def _list(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise BadArguments(option="--arguments", wanted="a JSON list", given=text, place=Place(field="--arguments"))
    return found


def _salt(text: str) -> bytes:
    if not text:
        return DEFAULT_SALT
    if not _SALT.fullmatch(text):
        raise BadArguments(option="--salt", wanted="0x and 64 hexadecimal digits", given=text, place=Place(field="--salt"))
    return bytes.fromhex(text[2:])


def _coin(wei: int) -> str:
    """Return an amount of wei in whole coins, as people read it."""
    whole, part = divmod(wei, 10**DECIMALS_OF_COIN)
    return f"{whole}.{part:018d}"[:14].rjust(14) + " coin"


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
