# SPDX-License-Identifier: Apache-2.0
"""The security token's calls for each kind of instruction, and what the chain answers when it says no. Signs and stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.infra.evm.client import BlockTag, Evm
from muniment.infra.evm.contract_artifacts import Reason, load, reason, reasons
from muniment.infra.evm.decoding import word
from muniment.infra.evm.fees import FeeSource
from muniment.infra.evm.rpc import RpcError
from muniment.register.model import ZERO_ADDRESS, TokenReference
from muniment.settlement.model import Instruction, InstructionKind
from muniment.settlement.ports import Call, ChainRefusal
from muniment.units.ids import Address, TransactionHash
from muniment.units.instants import unix_seconds
from muniment.units.payment_tokens import PaymentToken

TRANSFER_GAS = 150_000
"""A transfer to a new holder with every rule on takes about 75,000."""

MINT_GAS = 100_000
"""A mint to a new holder, the fixed part of a transaction included, takes about 77,000; in a batch each takes about a third."""

LOCK_GAS = 60_000
"""A first lockup takes about 22,000 beside its mint; mint and lockup together about 67,000 where fifteen others end later."""

FORCED_GAS = 200_000
RECOVERY_GAS = 500_000
BURN_GAS = 150_000
GIFT_GAS = 21_000

FEE_ROOM = 4
"""A managed wallet is given gas for this many times the present fee, so that a replacement at a higher one can still be paid."""

UNKNOWN = "settlement.reverted"


class EvmTokenChain:
    """Encodes the token's calls and reads what it says."""

    def __init__(self, evm: Evm, *, fees: FeeSource, chain_id: int) -> None:
        self._evm = evm
        self._fees = fees
        self._chain_id = chain_id
        self._token = load("security_token")

    def call_of(self, instruction: Instruction, token: TokenReference, *, investor_identity: Address | None = None) -> Call:
        """Return the transaction that does what the instruction says; a recovery needs the investor's identity on the chain."""
        legs = instruction.legs
        first = legs[0]
        encode = self._token.encode_call
        match instruction.kind:
            case InstructionKind.ISSUE:
                receivers, shares = [_wallet(leg.to_wallet) for leg in legs], [leg.shares for leg in legs]
                locked_until = first.sale.locked_until
                assert all(leg.sale.locked_until == locked_until for leg in legs), "an instruction has one lockup"
                if locked_until is not None:
                    data = encode("mint_locked", receivers, shares, unix_seconds(locked_until))
                    return Call(token.address, data, (MINT_GAS + LOCK_GAS) * (len(legs) + 1))
                return Call(token.address, encode("batchMint", receivers, shares), MINT_GAS * (len(legs) + 1))
            case InstructionKind.TRANSFER:
                return Call(token.address, encode("transfer", _wallet(first.to_wallet), first.shares), TRANSFER_GAS)
            case InstructionKind.FORCED_TRANSFER:
                data = encode("forcedTransfer", _wallet(first.from_wallet), _wallet(first.to_wallet), first.shares)
                return Call(token.address, data, FORCED_GAS)
            case InstructionKind.BURN:
                return Call(token.address, encode("burn", _wallet(first.from_wallet), first.shares), BURN_GAS)
            case InstructionKind.RECOVER:
                assert investor_identity is not None, "a recovery names the investor's identity"
                data = encode("recoveryAddress", _wallet(first.from_wallet), _wallet(first.to_wallet), investor_identity)
                return Call(token.address, data, RECOVERY_GAS)

    def gas_money(self, call: Call) -> int:
        """Return the wei that must be at hand to send the call, with room for a rise of the fee."""
        return call.gas_limit * self._fees.bid().max_fee * FEE_ROOM + call.value

    def coin_balance(self, wallet: Address) -> int:
        """Return a wallet's balance of the chain's coin in wei."""
        return self._evm.balance(wallet)

    def gift(self, wallet: Address, wei: int) -> Call:
        """Return the transaction that sends the chain's coin to a wallet."""
        return Call(wallet, b"", GIFT_GAS, value=wei)

    def refusal(
        self, instruction: Instruction, token: TokenReference, *, revert_reason: str | None, block_number: int | None
    ) -> ChainRefusal:
        """Return why the chain reverted the instruction, in our codes.

        A text that stands for one reason says it; else the token is asked leg by leg which reason it has. What is in no table comes
        back as `settlement.reverted` with the chain's own text.
        """
        fitting = [row for row in reasons() if row.contract == "security_token" and row.revert == revert_reason]
        if len(fitting) == 1:
            return _refusal(fitting[0])
        if instruction.kind in {InstructionKind.ISSUE, InstructionKind.TRANSFER, InstructionKind.FORCED_TRANSFER}:
            for leg in instruction.legs:
                sender = ZERO_ADDRESS if instruction.kind is InstructionKind.ISSUE or leg.from_wallet is None else leg.from_wallet
                number = self._check(token, sender, _wallet(leg.to_wallet), leg.shares, block_number)
                if number:
                    return _refusal(reason("security_token", number))
        return ChainRefusal(UNKNOWN, f"The chain reverted the transaction: {revert_reason or 'no reason given'}.")

    def payment_token(self, address: Address, currency: str) -> PaymentToken | None:
        """Return the payment token as its contract describes itself; None where there is no such contract."""
        artifact = load("payment_token")
        try:
            decimals = artifact.decode_output("decimals", self._evm.call(address, artifact.encode_call("decimals")))
            symbol = artifact.decode_output("symbol", self._evm.call(address, artifact.encode_call("symbol")))
        except (RpcError, ValueError):
            return None
        return PaymentToken(self._chain_id, address, currency, int(decimals), str(symbol)[:32])

    def any_mined(self, hashes: Sequence[TransactionHash]) -> bool:
        """Return whether the chain has a receipt for one of the transactions."""
        return any(receipt is not None for receipt in self._evm.receipts(hashes))

    def nonce_of(self, address: Address) -> int:
        """Return how many transactions the chain has seen from an address, at the last final block."""
        return self._evm.transaction_count(address, block=max(0, self._evm.final_block_number()))

    def _check(self, token: TokenReference, sender: Address, receiver: Address, shares: int, block_number: int | None) -> int:
        """Return the number of the token's reason; 0 where it has none, or where the node no longer knows that block's state."""
        data = self._token.encode_call("check_transfer", sender, receiver, shares)
        # First the state that the transaction met, that of the block before; then its own block's, where the cause lay beside it.
        blocks: list[BlockTag | int] = ["latest"] if block_number is None else [max(0, block_number - 1), block_number]
        for block in blocks:
            try:
                number = word(self._evm.call(token.address, data, block=block), 0)
            except RpcError:
                continue
            if number:
                return number
        return 0


def _wallet(wallet: Address | None) -> Address:
    assert wallet is not None, "this kind of instruction names the wallet"
    return wallet


def _refusal(row: Reason) -> ChainRefusal:
    return ChainRefusal(row.code, f"The chain refused: {row.revert}")
