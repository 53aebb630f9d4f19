# SPDX-License-Identifier: Apache-2.0
"""The payout contract's calls and logs, and what a payment token answers. Signs and stores nothing."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from muniment.infra.evm.client import Evm
from muniment.infra.evm.contract_artifacts import load
from muniment.infra.evm.decoding import address_bytes
from muniment.infra.evm.rpc import RpcError
from muniment.servicing.model import Batch, ChainBatch, ChainPayment, batch_number, run_number
from muniment.settlement.ports import Call
from muniment.units.ids import Address, DividendId
from muniment.units.payment_tokens import PaymentToken

_log = structlog.get_logger("servicing")

APPROVE_GAS = 100_000
PUSH_FIXED_GAS = 150_000
PUSH_GAS_EACH = 70_000
"""A payment into an empty balance takes about 50,000 gas, into an existing one about 30,000."""


class EvmPayoutChain:
    """Encodes the payout's calls and reads its logs."""

    def __init__(self, evm: Evm) -> None:
        self._evm = evm
        self._payout = load("payout")
        self._money = load("payment_token")

    def approve(self, token: PaymentToken, *, payout: Address, token_units: int) -> Call:
        """Return the transaction that lets the payout contract take `token_units` from the sender, in place of what it was let before."""
        return Call(token.address, self._money.encode_call("approve", payout, token_units), APPROVE_GAS)

    def push(self, batch: Batch, token: PaymentToken, *, payout: Address) -> Call:
        """Return the transaction that pays a batch, all of it or nothing."""
        data = self._payout.encode_call(
            "push",
            run_number(batch.dividend_id).to_bytes(32, "big"),
            batch_number(batch.batch_id),
            token.address,
            [payee.pay_to for payee in batch.payees],
            [payee.token_units for payee in batch.payees],
        )
        return Call(payout, data, PUSH_FIXED_GAS + PUSH_GAS_EACH * len(batch.payees))

    def balance(self, token: PaymentToken, holder: Address, *, block: int | None = None) -> int:
        """Return what a holder has of the payment token, in its units, after `block`, or the newest (also where that one is forgotten)."""
        return self._number(token, "balanceOf", holder, block=block)

    def allowance(self, token: PaymentToken, *, owner: Address, spender: Address, block: int | None = None) -> int:
        """Return what the spender may still take from the owner, in units of the payment token, after `block`, or the newest likewise."""
        return self._number(token, "allowance", owner, spender, block=block)

    def paid(self, *, payout: Address, payer: Address, dividend_id: DividendId, from_block: int) -> Sequence[ChainPayment]:
        """Return the payments that the payout contract's logs show for a run of `payer`, up to the last final block.

        A batch is one call: its `Paid` lines stand right before its `BatchPaid`, which alone names payer and batch. Lines of other
        payers, who may use any run id they like, fall away there.
        """
        run_id = run_number(dividend_id).to_bytes(32, "big")
        final = self._evm.final_block_number()
        payments: list[ChainPayment] = []
        open_lines: list[tuple[Address, int]] = []
        for log in self._evm.logs([payout], from_block=from_block, to_block=final):
            decoded = self._payout.decode_log(log.topics, log.data)
            if decoded is None:
                continue
            if decoded.event == "Paid":
                open_lines.append((Address(decoded.values["recipient"]), int(decoded.values["amount"])))
            elif decoded.event == "BatchPaid":
                if decoded.values["payer"] == payer and decoded.values["run_id"] == run_id:
                    number = int(decoded.values["batch_id"])
                    payments += [
                        ChainPayment(number, recipient, amount, log.transaction_hash, log.block_number) for recipient, amount in open_lines
                    ]
                open_lines.clear()
        return payments

    def batches_paid(self, *, payout: Address, payer: Address) -> Sequence[ChainBatch]:
        """Return every batch that `payer` paid through the payout contract, up to the last final block."""
        event = self._payout.event("BatchPaid")
        topics = [event.topic, address_bytes(payer).rjust(32, b"\0")]
        found: list[ChainBatch] = []
        for log in self._evm.logs([payout], from_block=0, to_block=self._evm.final_block_number(), topics=topics):
            values = event.decode(log.topics, log.data)
            run, batch, total = int.from_bytes(values["run_id"], "big"), int(values["batch_id"]), int(values["total"])
            found.append(ChainBatch(run, batch, total, log.transaction_hash, log.block_number))
        return found

    def _number(self, token: PaymentToken, function: str, *arguments: Address, block: int | None) -> int:
        data = self._money.encode_call(function, *arguments)
        if block is not None:
            try:
                return int(self._money.decode_output(function, self._evm.call(token.address, data, block=block)))
            except RpcError:
                # Nodes that are no archive forget the state of old blocks, so what is there now has to do.
                _log.info("servicing.state_forgotten", block_number=block)
        return int(self._money.decode_output(function, self._evm.call(token.address, data)))
