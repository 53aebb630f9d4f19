# SPDX-License-Identifier: Apache-2.0
"""A planned row of transactions of one sender: what it will cost, and sending it so that a run that was cut short goes on where it ended.

Every transaction has its nonce before the first is sent, so each address is known beforehand and nothing is ever sent twice: what is
signed is written into the record first and then broadcast. Knows no contract by name.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from muniment.infra.evm.client import Evm, Receipt
from muniment.infra.evm.decoding import revert_reason
from muniment.infra.evm.deployer_key import DeployerKey
from muniment.infra.evm.fees import Fees, FeeSource
from muniment.infra.evm.rehearsal import Item, ItemReverts, Rehearsed, rehearse
from muniment.infra.evm.rpc import RpcError
from muniment.infra.outages import Unreachable
from muniment.infra.signing import TransactionFields
from muniment.units.errors import MunimentError, Place
from muniment.units.ids import Address, TransactionHash

RECORD_VERSION = 1
POLL_SECONDS = 0.25
GAS_MARGIN_PERCENT = 20
"""How much more gas than estimated a transaction may use; what is not used is not paid."""
GAS_TRANSACTION_MAX = 16_777_216
"""EIP-7825."""


class WouldBeRefused(MunimentError):
    """A transaction would fail on the chain as it is now; it was not sent."""

    code = "chain.would_be_refused"
    message = "“{step}” would be refused: {reason}."
    cure = "Compare the arguments with the contract's page, docs/reference/contracts; or somebody acted on the contract before you."


class NotEnoughCoin(MunimentError):
    """The sender cannot pay what the plan may cost."""

    code = "chain.not_enough_coin"
    message = "{address} has {has_wei} wei; the plan may cost {needed_wei} wei."
    cure = "Send the chain's coin to that address and run the command again."


class DeploymentReverted(MunimentError):
    """A transaction was mined and failed."""

    code = "chain.deployment_reverted"
    message = "“{step}” was mined in {transaction} and failed; what came before it stands."
    cure = "Find out why with a node that traces, then begin anew with another --record file."


class NonceTaken(MunimentError):
    """The sender sent something else meanwhile, so the addresses that were foretold cannot come true any more."""

    code = "chain.nonce_taken"
    message = "{address} has used nonce {nonce}, which was meant for “{step}”, for another transaction."
    cure = "Begin anew with another --record file; send nothing else from that address until it is done."


class AnotherDeployment(MunimentError):
    """The record file belongs to something else."""

    code = "chain.record_of_another_deployment"
    message = "{file} records another deployment: its {what} is {recorded}, not {wanted}."
    cure = "Name another file by --record, or repeat the command exactly as it was, with the same version."


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction of a plan; `to` None creates the contract that will stand at `address`, else `address` is `to`."""

    name: str
    contract: str
    to: Address | None
    address: Address
    data: bytes
    standing_code: bytes = b""
    """What will stand at `address` after a creation that sets nothing else; empty where the creation itself has to be rehearsed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Transactions of one sender, one nonce after the other."""

    target: str
    sender: Address
    first_nonce: int
    steps: tuple[Step, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over what will be sent."""
        whole = hashlib.sha256(f"{self.target}:{self.sender}:{self.first_nonce}".encode())
        for step in self.steps:
            whole.update(f"\n{step.name}:{step.to}:".encode() + hashlib.sha256(step.data).digest())
        return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Done:
    """A transaction that is mined."""

    step: Step
    receipt: Receipt
    was_done_before: bool


def estimate(plan: Plan, evm: Evm) -> list[int]:
    """Return the gas that each transaction of the plan will use, by the node's word. Raises WouldBeRefused."""
    gas = [0] * len(plan.steps)
    rehearsed: list[int] = []
    for place, step in enumerate(plan.steps):
        if step.to is None and step.standing_code:
            gas[place] = evm.estimate_gas(sender=plan.sender, to=None, data=step.data)
        else:
            rehearsed.append(place)
    if rehearsed:
        for place, used in zip(rehearsed, _rehearsed(plan, evm, [plan.steps[place] for place in rehearsed]).gas, strict=True):
            gas[place] = used
    return gas


def ask(plan: Plan, evm: Evm, to: Address, data: bytes) -> bytes:
    """Return what a contract of the plan would answer once the plan's creations are done."""
    creations = [step for step in plan.steps if step.to is None and not step.standing_code]
    return _rehearsed(plan, evm, [*creations, Step("the question", "", to, to, data)]).answer


def _rehearsed(plan: Plan, evm: Evm, steps: Sequence[Step]) -> Rehearsed:
    """Let the node try these steps, with the plan's other creations standing already."""
    nonces = [plan.first_nonce + place for place, step in enumerate(plan.steps) if step.to is None and not step.standing_code]
    first = nonces[0] if nonces else plan.first_nonce
    assert nonces == list(range(first, first + len(nonces))), "what has to be created by the rehearsal stands in a row"
    lent = {step.address: step.standing_code for step in plan.steps if step.to is None and step.standing_code}
    try:
        return rehearse(evm, [Item(step.to, step.data) for step in steps], sender=plan.sender, nonce=first, lent_code=lent)
    except ItemReverts as reverts:
        raise WouldBeRefused(step=steps[reverts.place].name, reason=reverts.reason) from None


class Record:
    """What was signed and sent, in a file beside the reader. Holds no secret: signed transactions are public once they are sent."""

    def __init__(self, file: Path, document: dict[str, Any]) -> None:
        self.file = file
        self._document = document

    @classmethod
    def open(cls, file: Path, *, chain_id: int, genesis: str, target: str, sender: Address) -> Record | None:
        """Return the record in the file; None where there is none yet. Raises AnotherDeployment."""
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            document: dict[str, Any] = json.loads(text)
            wanted = {"version": RECORD_VERSION, "chain_id": chain_id, "genesis": genesis, "target": target, "deployer": sender}
            for what, value in wanted.items():
                if document[what] != value:
                    raise AnotherDeployment(file=file, what=what, recorded=document[what], wanted=value, place=Place(file=str(file)))
        except (ValueError, KeyError, TypeError):
            raise AnotherDeployment(
                file=file, what="content", recorded="something else", wanted="a record", place=Place(file=str(file))
            ) from None
        return cls(file, document)

    @classmethod
    def begin(cls, file: Path, plan: Plan, *, chain_id: int, genesis: str) -> Record:
        """Make the record of a plan of which nothing is sent yet."""
        nothing: dict[str, Any] = {}
        document: dict[str, Any] = {
            "version": RECORD_VERSION,
            "chain_id": chain_id,
            "genesis": genesis,
            "target": plan.target,
            "deployer": plan.sender,
            "first_nonce": plan.first_nonce,
            "plan_sha256": plan.digest,
            "contracts": nothing,
            "transactions": dict(nothing),
        }
        return cls(file, document)

    @property
    def first_nonce(self) -> int:
        """The nonce of the plan's first transaction."""
        return int(self._document["first_nonce"])

    def check_plan(self, plan: Plan) -> None:
        """Refuse to go on with another plan than the one that was begun."""
        if self._document["plan_sha256"] != plan.digest:
            place = Place(file=str(self.file))
            recorded, wanted = self._document["plan_sha256"][:12], plan.digest[:12]
            raise AnotherDeployment(file=self.file, what="plan", recorded=recorded, wanted=wanted, place=place)

    def signed(self, step: Step) -> list[Mapping[str, Any]]:
        """Return what was signed for a step, oldest first: a stuck transaction is replaced by one that bids more."""
        return list(self._document["transactions"].get(step.name, []))

    def note_signed(self, step: Step, *, hash_: str, raw: bytes, fees: Fees) -> None:
        """Write a signed transaction down before it is sent."""
        entry = {"hash": hash_, "raw": "0x" + raw.hex(), "max_fee": fees.max_fee, "max_priority_fee": fees.max_priority_fee}
        self._document["transactions"].setdefault(step.name, []).append(entry)
        self._write()

    def note_contracts(self, contracts: Mapping[str, Address]) -> None:
        """Write down what stands where, when everything is done."""
        self._document["contracts"] = dict(contracts)
        self._write()

    def _write(self) -> None:
        # Whole or not at all: a half-written record could not say what was sent.
        part = self.file.with_name(self.file.name + ".part")
        part.write_text(json.dumps(self._document, indent=1) + "\n", encoding="utf-8")
        part.replace(self.file)


def carry_out(
    plan: Plan,
    *,
    evm: Evm,
    chain_id: int,
    key: DeployerKey,
    development_keys_allowed: bool,
    record: Record,
    fees: FeeSource,
    wait_seconds: float,
    progress: Callable[[Done], None],
) -> list[Done]:
    """Send what is not mined yet, one after the other, and return everything in order; `progress` hears of each.

    Raises the refusals above, WouldBeRefused for one that the node says will fail, and Unreachable when a transaction is not mined in
    time: running it again goes on.
    """
    record.check_plan(plan)
    finished: list[Done] = []
    for place, step in enumerate(plan.steps):
        nonce = plan.first_nonce + place
        receipt = _mined(evm, record, step)
        done_before = receipt is not None
        if receipt is None:
            if evm.transaction_count(plan.sender) > nonce:
                raise NonceTaken(address=plan.sender, nonce=nonce, step=step.name)
            bid = _bid(record, step, fees.bid())
            if bid is None:
                evm_raw = bytes.fromhex(record.signed(step)[-1]["raw"][2:])
            else:
                fields = TransactionFields(
                    chain_id=chain_id,
                    nonce=nonce,
                    to=step.to,
                    value=0,
                    data=step.data,
                    gas_limit=_gas_limit(evm, plan.sender, step),
                    max_fee=bid.max_fee,
                    max_priority_fee=bid.max_priority_fee,
                )
                signed = key.sign_transaction(fields, development_keys_allowed=development_keys_allowed)
                record.note_signed(step, hash_=signed.hash, raw=signed.raw, fees=bid)
                evm_raw = signed.raw
            _broadcast(evm, evm_raw)
            receipt = _wait(evm, record, step, wait_seconds)
        if not receipt.succeeded:
            raise DeploymentReverted(step=step.name, transaction=receipt.transaction_hash)
        finished.append(Done(step, receipt, done_before))
        progress(finished[-1])
    return finished


def _gas_limit(evm: Evm, sender: Address, step: Step) -> int:
    try:
        gas = evm.estimate_gas(sender=sender, to=step.to, data=step.data)
    except RpcError as error:
        reason = revert_reason(bytes.fromhex(error.data[2:])) if error.data else error.message
        raise WouldBeRefused(step=step.name, reason=reason) from None
    return min(GAS_TRANSACTION_MAX, gas * (100 + GAS_MARGIN_PERCENT) // 100)


def _bid(record: Record, step: Step, now: Fees) -> Fees | None:
    """Return what to bid; None where what was signed last still bids enough and only has to be sent again."""
    signed = record.signed(step)
    if not signed:
        return now
    last = Fees(max_fee=int(signed[-1]["max_fee"]), max_priority_fee=int(signed[-1]["max_priority_fee"]))
    if last.max_fee >= now.max_fee // 2:
        return None
    # A replacement must bid a tenth more in both parts; the fee has at least doubled here.
    return Fees(max_fee=now.max_fee, max_priority_fee=min(now.max_fee, max(now.max_priority_fee, last.max_priority_fee * 5 // 4 + 1)))


def _broadcast(evm: Evm, raw: bytes) -> None:
    try:
        evm.send_raw(raw)
    except RpcError as error:
        # A node that has it already says so in words of its own; the receipt decides.
        if not any(word in error.message.lower() for word in ("already known", "already imported", "known transaction")):
            raise Unreachable("rpc", detail=f"the node did not take the transaction: {error.message}", retry=True) from error


def _mined(evm: Evm, record: Record, step: Step) -> Receipt | None:
    hashes = [TransactionHash(entry["hash"]) for entry in record.signed(step)]
    found = [receipt for receipt in evm.receipts(hashes) if receipt is not None] if hashes else []
    return found[0] if found else None


def _wait(evm: Evm, record: Record, step: Step, wait_seconds: float) -> Receipt:
    deadline = time.monotonic() + wait_seconds
    while True:
        receipt = _mined(evm, record, step)
        if receipt is not None:
            return receipt
        if time.monotonic() > deadline:
            raise Unreachable("rpc", detail=f"“{step.name}” is sent and not mined after {wait_seconds:.0f} s", retry=True)
        time.sleep(POLL_SECONDS)
