# SPDX-License-Identifier: Apache-2.0
"""Carrying an instruction through, step by step, and reconciling what is stored with the chain. Each step may be run again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeAlias, assert_never

from muniment.access.model import SYSTEM_USER_ID, AuditHead, Broken, verify_chain
from muniment.compliance.commands import check_transfer
from muniment.infra.crashpoints import crashpoint
from muniment.infra.jobs import Done, ProcessOutcome, Waiting
from muniment.instruments.model.securities import ClosedSecurity, DeployedSecurity, OpenSecurity
from muniment.instruments.ports import InstrumentsUnit
from muniment.register.commands import IssuedTo, note_issue
from muniment.register.model import ZERO_ADDRESS, LotAnnotation, Movement, RegisterVerification, TokenReference, token_reference
from muniment.register.process import rebuild, rebuild_deeds
from muniment.settlement.commands import SETTLE_JOB
from muniment.settlement.events import InstructionFailed, InstructionSettled
from muniment.settlement.model import (
    UNSTATED,
    ChainMove,
    Difference,
    FailedInstruction,
    Instruction,
    InstructionKind,
    InstructionState,
    RequestedInstruction,
    SettledInstruction,
    SubmittedInstruction,
    instruction_of_purpose,
    part_id,
    unmatched_legs,
)
from muniment.settlement.ports import Call, ChainRefusal, SettlementUnit, SignedPurpose
from muniment.units.decisions import Reason, Refused
from muniment.units.ids import Address, InstructionId, TenantId, TransactionHash

BeginSettlement: TypeAlias = Callable[[], AbstractContextManager[SettlementUnit]]

GAS_GIFT_CALLS = 5
"""A managed wallet that runs out of gas is given enough for this many calls, so that not every transfer needs a gift first."""


def settle(instruction_id: InstructionId, *, begin: BeginSettlement) -> ProcessOutcome:
    """Bring an instruction as far as it goes now; `Done` once it is settled or failed, else what it waits for."""
    with begin() as unit:
        state = unit.instructions.lock(instruction_id)
        if isinstance(state, RequestedInstruction):
            waiting = _submit(state, unit=unit)
            if waiting is not None:
                return waiting
    crashpoint("settle.after_submit")
    with begin() as unit:
        state = unit.instructions.lock(instruction_id)
        match state:
            case SettledInstruction() | FailedInstruction():
                return Done()
            case SubmittedInstruction():
                return _finish(state, unit=unit)
            case RequestedInstruction():
                return Waiting("settlement.not_submitted")
            case _:
                assert_never(state)


def _submit(state: RequestedInstruction, *, unit: SettlementUnit) -> Waiting | None:
    """Sign and store the instruction's transaction; where a managed wallet lacks gas, that gift first, as a transaction of its own."""
    instruction = state.instruction
    token = token_reference(unit.securities.get(instruction.security_id))
    operator = operator_of(unit)
    call = unit.token_chain.call_of(instruction, token, investor_identity=_identity(instruction, unit=unit))
    sender = operator
    if instruction.kind is InstructionKind.TRANSFER:
        holder = instruction.legs[0].from_wallet
        assert holder is not None, "a transfer names its wallet"
        sender = holder
        waiting = _give_gas(instruction, call, holder, operator, unit=unit)
        if waiting is not None:
            return waiting
    transaction = unit.transactions.submit(
        tenant_id=unit.tenant_id,
        sender=sender,
        to=call.to,
        data=call.data,
        purpose=instruction.purpose,
        gas_limit=call.gas_limit,
        value=call.value,
    )
    unit.instructions.save(SubmittedInstruction(instruction, transaction.hash, unit.clock.now()))
    return None


def _give_gas(instruction: Instruction, call: Call, holder: Address, operator: Address, *, unit: SettlementUnit) -> Waiting | None:
    """Send the holder's wallet the chain's coin where it has too little for the call; None once it has enough."""
    needed = unit.token_chain.gas_money(call)
    has = unit.token_chain.coin_balance(holder)
    if has >= needed:
        return None
    # A gift that is closed and still not enough (the fee rose) is followed by the next one.
    number = 0
    while (earlier := unit.transactions.find(f"{instruction.gas_purpose}-{number}")) is not None and earlier.is_closed:
        number += 1
    purpose = f"{instruction.gas_purpose}-{number}"
    gift = unit.token_chain.gift(holder, GAS_GIFT_CALLS * needed - has)
    unit.transactions.submit(
        tenant_id=unit.tenant_id, sender=operator, to=gift.to, data=gift.data, purpose=purpose, gas_limit=gift.gas_limit, value=gift.value
    )
    return Waiting("settlement.gas_on_its_way", purpose=purpose)


def _finish(state: SubmittedInstruction, *, unit: SettlementUnit) -> ProcessOutcome:
    """Write what became of the transaction once it is final and the register has read its block."""
    instruction = state.instruction
    transaction = unit.transactions.find(instruction.purpose)
    assert transaction is not None, "a submitted instruction has its transaction in the sender's book"
    if not transaction.is_closed or transaction.block_number is None:
        return Waiting("settlement.not_final", purpose=instruction.purpose)
    if transaction.succeeded:
        if unit.register.read_block() < transaction.block_number:
            return Waiting("settlement.register_behind")
        _note_sales(instruction, transaction.hash, unit=unit)
        unit.instructions.save(SettledInstruction(instruction, transaction.hash, transaction.block_number, unit.clock.now()))
        unit.outbox.record(
            InstructionSettled(
                instruction_id=str(instruction.instruction_id),
                security_id=str(instruction.security_id),
                instruction_kind=instruction.kind.value,
                transaction_hash=transaction.hash,
                block_number=transaction.block_number,
            )
        )
        return Done()
    refusal = unit.token_chain.refusal(
        instruction, _token(instruction, unit=unit), revert_reason=transaction.revert_reason, block_number=transaction.block_number
    )
    why = _explained(instruction, refusal, unit=unit)
    unit.instructions.save(
        FailedInstruction(instruction, transaction.hash, why.code, why.sentence, unit.clock.now(), why.rule, why.citation, why.cure)
    )
    unit.outbox.record(
        InstructionFailed(
            instruction_id=str(instruction.instruction_id),
            security_id=str(instruction.security_id),
            instruction_kind=instruction.kind.value,
            reason_code=why.code,
        )
    )
    return Done()


def _explained(instruction: Instruction, refusal: ChainRefusal, *, unit: SettlementUnit) -> Reason:
    """Return the reason as the check before sending words it, with rule, citation and cure; the chain's own text where it has none.

    The check is asked about the present, which is the block after the refusal: what it says under another code is another reason.
    """
    if instruction.kind in {InstructionKind.ISSUE, InstructionKind.TRANSFER, InstructionKind.FORCED_TRANSFER}:
        for leg in instruction.legs:
            assert leg.to_wallet is not None, "these kinds name who receives"
            decision = check_transfer(
                instruction.security_id, from_wallet=leg.from_wallet, to_wallet=leg.to_wallet, shares=leg.shares, unit=unit
            )
            found = [reason for reason in decision.reasons if reason.code == refusal.code] if isinstance(decision, Refused) else []
            if found:
                return found[0]
    return Reason(refusal.code, refusal.sentence)


def _note_sales(instruction: Instruction, transaction_hash: TransactionHash, *, unit: SettlementUnit) -> None:
    """Hand the terms of an issue to the register, which knows the movements now; run again, it changes nothing."""
    if instruction.kind is not InstructionKind.ISSUE:
        return
    by = instruction.requested_by or SYSTEM_USER_ID
    issued = [
        IssuedTo(
            leg.to_wallet,
            leg.shares,
            LotAnnotation(exemption=leg.sale.exemption, paid=leg.sale.paid, buyer_category=leg.sale.buyer_category, annotated_by=by),
        )
        for leg in instruction.legs
        if leg.to_wallet is not None and leg.sale != UNSTATED
    ]
    if issued:
        note_issue(instruction.security_id, transaction_hash, issued, unit=unit)


def look_again(instruction_id: InstructionId, *, begin: BeginSettlement) -> None:
    """Have an instruction settled anew whose transaction has ended otherwise than was written: the chain undid what was final.

    To be asked at each `infra.transaction_final`; nothing happens the first time.
    """
    with begin() as unit:
        state = unit.instructions.lock(instruction_id)
        instruction = state.instruction
        transaction = unit.transactions.find(instruction.purpose)
        if transaction is None or not transaction.is_closed:
            return
        match state:
            case SettledInstruction(_, transaction_hash, block_number, _):
                stands = transaction.succeeded and (transaction_hash, block_number) == (transaction.hash, transaction.block_number)
            case FailedInstruction():
                stands = not transaction.succeeded
            case RequestedInstruction() | SubmittedInstruction():
                stands = True
            case _:
                assert_never(state)
        if not stands:
            unit.instructions.save(SubmittedInstruction(instruction, transaction.hash, unit.clock.now()))
            unit.jobs.defer(SETTLE_JOB, {"instruction_id": str(instruction_id)}, lock=f"settlement:{instruction_id}")


def operator_of(unit: SettlementUnit) -> Address:
    """Return the account that acts for the issuer on the chain: owner and agent of its tokens."""
    suite = unit.suites.suite()
    assert suite is not None, "a security on the chain has its issuer's suite"
    return suite.operator


def _token(instruction: Instruction, *, unit: SettlementUnit) -> TokenReference:
    return token_reference(unit.securities.get(instruction.security_id))


def _identity(instruction: Instruction, *, unit: SettlementUnit) -> Address | None:
    """Return the identity on the chain of the investor whose wallet is recovered, as the registry's events tell it.

    Where they do not, it is the investor's first wallet: that is how investors are registered.
    """
    if instruction.kind is not InstructionKind.RECOVER:
        return None
    lost = instruction.legs[0].from_wallet
    assert lost is not None, "a recovery names the lost wallet"
    recorded = unit.identities.on_chain(lost)
    if recorded is not None and recorded.identity is not None:
        return recorded.identity
    wallet = unit.wallets.by_address(lost)
    assert wallet is not None, "the command checked whose wallet it is"
    return unit.wallets.of_investor(wallet.investor_id)[0].address


# Reconciliation: each check is one invariant of docs/explanation, named by its number, and returns what does not hold.


def reconcile(*, begin: BeginSettlement) -> list[Difference]:
    """Return every difference that settlement can see for one issuer; empty when all is well. Changes nothing."""
    return [
        *check_registers(begin=begin),
        *check_instructions(begin=begin),
        *check_audit(begin=begin),
        *check_nonces(begin=begin),
    ]


def check_registers(*, begin: BeginSettlement) -> Iterator[Difference]:
    """I1: register = totalSupply = Σ balanceOf at one final block, holder by holder and deed by deed, each row as the chain's logs give."""
    with begin() as unit:
        tokenised_ids = [
            security.terms.security_id
            for security in unit.securities.all()
            if isinstance(security, DeployedSecurity | OpenSecurity | ClosedSecurity)
        ]
    for security_id in tokenised_ids:
        verification = rebuild(security_id, begin=begin)
        yield from _register_differences(verification, {"security_id": str(security_id)})
    for verification in rebuild_deeds(begin=begin):
        yield from _register_differences(verification, {"deeds": verification.token.address})


def _register_differences(verification: RegisterVerification, subject: Mapping[str, Any]) -> Iterator[Difference]:
    for difference in verification.differences:
        facts = {**subject, "block_number": verification.block_number, **difference.facts}
        yield Difference("I1", difference.code, difference.sentence, facts)


def check_instructions(*, begin: BeginSettlement) -> Iterator[Difference]:
    """I4 and I9: each settled instruction moved what it said, once; nothing else was issued or destroyed; no request has two effects."""
    with begin() as unit:
        states = unit.instructions.everything()
        digests = unit.instructions.digests()
        signed = {entry.purpose: entry for entry in unit.chain_book.signed()}
        external = {mint.transaction_hash for mint in unit.instructions.external_mints()}
        for state in states:
            instruction = state.instruction
            facts = {"instruction_id": str(instruction.instruction_id), "kind": instruction.kind.value}
            if digests[instruction.instruction_id] != instruction.digest:
                yield Difference("I9", "settlement.instruction_changed", "An instruction is not what was asked for.", facts)
            if not _has_its_own_id(instruction, states, tenant_id=unit.tenant_id):
                yield Difference("I9", "settlement.instruction_forged", "An instruction's id does not come from its request.", facts)
            yield from _against_the_book(state, signed.get(instruction.purpose), facts)
            if isinstance(state, SettledInstruction):
                moves = _moves(unit.register.movements_in(_token(instruction, unit=unit).address, state.transaction_hash))
                missing = unmatched_legs(instruction, moves)
                if missing:
                    yield Difference(
                        "I4",
                        "settlement.movement_missing",
                        "A settled instruction has no movement for one of its legs.",
                        facts | {"legs": len(missing), "transaction": state.transaction_hash},
                    )
        explained = external | {state.transaction_hash for state in states if isinstance(state, SettledInstruction)}
        # What is final on the chain but still on its way here is explained by its signed transaction.
        explained |= {entry.hash for purpose, entry in signed.items() if instruction_of_purpose(purpose) is not None}
        yield from _unexplained(explained, unit=unit)


def _has_its_own_id(instruction: Instruction, states: Sequence[InstructionState], *, tenant_id: TenantId) -> bool:
    parts = sum(1 for state in states if state.instruction.request_id == instruction.request_id)
    return any(part_id(tenant_id, instruction.request_id, part) == instruction.instruction_id for part in range(parts))


def _against_the_book(state: InstructionState, entry: SignedPurpose | None, facts: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield where an instruction and the sender's book disagree about its transaction."""
    match state:
        case RequestedInstruction():
            if entry is not None:
                yield Difference("I8", "settlement.signed_unknown", "A transaction is signed that its instruction does not know.", facts)
        case SubmittedInstruction():
            if entry is None:
                yield Difference("I8", "settlement.transaction_missing", "A submitted instruction has no signed transaction.", facts)
        case SettledInstruction(_, transaction_hash, block_number, _):
            seen = None if entry is None else (entry.hash, entry.block_number, entry.succeeded, entry.state)
            if seen != (transaction_hash, block_number, True, "final"):
                yield Difference(
                    "I4",
                    "settlement.not_settled_on_chain",
                    "An instruction is called settled, but its transaction is not final and successful there.",
                    dict(facts) | {"transaction": transaction_hash, "block_number": block_number},
                )
        case FailedInstruction(_, transaction_hash):
            if entry is None and transaction_hash is not None:
                yield Difference("I8", "settlement.transaction_missing", "A failed instruction has lost its signed transaction.", facts)
            if entry is not None and entry.succeeded:
                yield Difference(
                    "I4", "settlement.failed_but_moved", "An instruction is called failed, but its transaction succeeded.", facts
                )
        case _:
            assert_never(state)


def _moves(movements: Sequence[Movement]) -> list[ChainMove]:
    return [
        ChainMove(
            movement.transaction_hash,
            None if movement.from_wallet == ZERO_ADDRESS else movement.from_wallet,
            None if movement.to_wallet == ZERO_ADDRESS else movement.to_wallet,
            movement.shares,
        )
        for movement in movements
    ]


def _unexplained(explained: Collection[str], *, unit: SettlementUnit) -> Iterator[Difference]:
    """Yield the mints and burns that no instruction asked for and nobody marked as known."""
    for security in unit.securities.all():
        if not isinstance(security, DeployedSecurity | OpenSecurity | ClosedSecurity):
            continue
        for movement in unit.register.mints_and_burns(security.terms.security_id):
            if movement.transaction_hash not in explained:
                yield Difference(
                    "I4",
                    "settlement.unexplained_issue",
                    "Shares were issued or destroyed on the chain without an instruction.",
                    {
                        "security_id": str(security.terms.security_id),
                        "transaction": movement.transaction_hash,
                        "block_number": movement.block_number,
                        "shares": str(movement.shares),
                    },
                )


def check_audit(*, begin: Callable[[], AbstractContextManager[InstrumentsUnit]]) -> Iterator[Difference]:
    """I7: the audit log is what was written, entry by entry, and holds what was anchored on the chain."""
    with begin() as unit:
        contracts = unit.suites.platform_contracts()
        registry = contracts.get("asset_registry")
        digest = None if registry is None else unit.instruments_chain.anchored_audit(unit.tenant_id, registry=registry)
        entries = list(unit.audit.entries())
    anchored: AuditHead | None = None
    if digest is not None:
        sequence = next((entry.sequence for entry in entries if entry.entry_hash == digest), len(entries) + 1)
        anchored = AuditHead(sequence=sequence, entry_hash=digest)
    verdict = verify_chain(entries, anchored=anchored)
    if isinstance(verdict, Broken):
        yield Difference("I7", "access.audit_broken", f"The audit log is broken: {verdict.why}.", {"sequence": verdict.at_sequence})


def check_nonces(*, begin: BeginSettlement) -> Iterator[Difference]:
    """I8: each sender's nonces have no gap, the book and the chain have counted alike, and nothing signed can never be mined."""
    with begin() as unit:
        signed = unit.chain_book.signed()
        next_nonces = unit.chain_book.next_nonces()
        chain_nonces = {sender: unit.token_chain.nonce_of(sender) for sender in next_nonces}
        known = {state.instruction.instruction_id for state in unit.instructions.everything()}
        chain = unit.token_chain
    by_sender: defaultdict[Address, list[SignedPurpose]] = defaultdict(list)
    for entry in signed:
        by_sender[entry.sender].append(entry)
        instruction_id = instruction_of_purpose(entry.purpose)
        if instruction_id is not None and instruction_id not in known:
            yield Difference(
                "I8", "settlement.orphan_transaction", "A transaction was signed for no stored instruction.", {"purpose": entry.purpose}
            )
    for sender in sorted(next_nonces.keys() | by_sender.keys()):
        entries = by_sender[sender]
        nonces = [entry.nonce for entry in entries]
        next_nonce = next_nonces.get(sender)
        if next_nonce is None or (nonces and nonces != list(range(nonces[0], next_nonce))):
            facts = {"sender": sender, "next_nonce": next_nonce, "signed": len(nonces)}
            yield Difference("I8", "settlement.nonce_gap", "A sender's nonces are not contiguous.", facts)
            continue
        on_chain = chain_nonces[sender]
        for entry in entries:
            # A sender's loop that is behind the chain is no difference: what it will find is there.
            lost = entry.state in {"signed", "sent"} and entry.nonce < on_chain and not chain.any_mined(entry.forms)
            if lost or (entry.state == "final" and entry.nonce >= on_chain):
                facts = {"sender": sender, "nonce": entry.nonce, "state": entry.state, "chain_next_nonce": on_chain}
                yield Difference("I8", "settlement.nonce_taken", "The chain has counted a sender's nonces otherwise than the book.", facts)
        if on_chain > next_nonce:
            facts = {"sender": sender, "next_nonce": next_nonce, "chain_next_nonce": on_chain}
            yield Difference("I8", "settlement.foreign_nonce", "Somebody else sends with one of our keys.", facts)
