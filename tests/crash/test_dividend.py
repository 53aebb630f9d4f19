# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each part at each moment of a dividend: it ends paid, everybody once, and no journalled block changes.

Six of the twelve cases kill the supervisor as well and start `muniment up` again; in the others it brings the part back itself.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from muniment.app.reconciliation import reconcile
from muniment.app.wiring import Units
from muniment.infra import crashpoints
from muniment.infra.evm.journal import blocks_from
from muniment.infra.evm.rpc import JsonRpc
from muniment.servicing.model import PaidDividend
from muniment.servicing.process import PAYOUT, verify_distribution
from muniment.settlement.process import operator_of
from muniment.units.ids import Address, DividendId
from tests.flows.stand import Filling, Up, attached, balances, copy_of, declare, filled_home, is_quiet, paid, wait_for

pytestmark = [pytest.mark.crash, pytest.mark.slow]

MOMENTS = ("dividend.after_entitle", "dividend.after_submit", "dividend.before_paid")
PARTS = ("database", "chain", "api", "worker")
PAYMENT_TOKEN_UNITS_A_CENT = 10**4
"""The test payment token has six decimals, the dollar two."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is killed when, and whether the supervisor dies too."""

    moment: str
    part: str
    with_supervisor: bool

    @property
    def title(self) -> str:
        return f"{self.part} at {self.moment}" + (" with the supervisor" if self.with_supervisor else "")


# Over the parts and over the moments half of the cases each lose the supervisor.
CASES = [Case(moment, part, (row + column) % 2 == 0) for row, moment in enumerate(MOMENTS) for column, part in enumerate(PARTS)]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home with a security of twelve holders; each case declares a dividend of its own."""
    with copy_of(filled_home()) as copy:
        yield copy


def journal(up: Up) -> dict[int, bytes]:
    """Return the hash of every journalled block."""
    with psycopg.connect(up.state()["database_url"]) as connection:
        return {block.number: block.hash for block in blocks_from(connection, 0)}


def hash_on_chain(rpc: JsonRpc, number: int) -> bytes:
    block = rpc.call("eth_getBlockByNumber", [hex(number), False])
    return bytes.fromhex(block["hash"][2:])


def reached(file: Path, moment: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == moment


def kill(up: Up, case: Case) -> None:
    """Kill the part, and the supervisor where the case says so: first, so that it cannot bring anything back."""
    victim = up.component(case.part)
    node = up.node() if case.part == "chain" else None
    if case.with_supervisor:
        up.kill()
    victim.send(signal.SIGKILL)
    assert victim.wait_gone(30)
    if node is not None:
        assert node.wait_gone(30), "the node dies with the process that keeps it"


def see_it_paid(units: Units, filling: Filling, dividend_id: DividendId, file: Path) -> PaidDividend:
    """Wait for the end; a worker that was started anew stops at the same place again and is let go each time."""

    def is_paid() -> PaidDividend | None:
        file.unlink(missing_ok=True)
        return paid(units, filling.desk, dividend_id)

    return wait_for(is_paid, "the dividend")


def units_paid_on_chain(units: Units, filling: Filling, dividend_id: DividendId, from_block: int) -> dict[Address, list[int]]:
    """Return every payment of the run that the payout contract's logs tell, by wallet."""
    lines: dict[Address, list[int]] = {}
    with units.begin(filling.desk.tenant_id) as unit:
        payout, payer = unit.suites.platform(PAYOUT), operator_of(unit)
        for payment in unit.payout_chain.paid(payout=payout, payer=payer, dividend_id=dividend_id, from_block=from_block):
            lines.setdefault(payment.pay_to, []).append(payment.token_units)
    return lines


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_after_kill_9_the_dividend_is_paid_once_to_everybody(case: Case, home: Path, tmp_path: Path) -> None:
    filling = Filling.of(home)
    file = tmp_path / "reached"
    armed = {crashpoints.NAME_VARIABLE: case.moment, crashpoints.FILE_VARIABLE: str(file)}
    up = Up(home, **armed)
    try:
        up.wait_for("muniment", "ready")
        addresses = up.state()
        with attached(addresses["database_url"], addresses["chain_rpc_url"], home) as units:
            before = balances(units, filling.payment_token, list(filling.holders))
            dividend_id = declare(units, filling.desk, filling.security_id, filling.payment_token)
            wait_for(lambda: reached(file, case.moment), f"the worker at {case.moment}")
            journalled = journal(up)

            kill(up, case)
            file.unlink(missing_ok=True)
            if case.with_supervisor:
                up = Up(home)
                up.wait_for("muniment", "ready")
            else:
                up.wait_for(case.part, "died")
                up.wait_for(case.part, "ready")
            assert up.state()["database_url"] == addresses["database_url"]

        with attached(up.state()["database_url"], up.state()["chain_rpc_url"], home) as units:
            dividend = see_it_paid(units, filling, dividend_id, file)
            wait_for(lambda: is_quiet(units), "the last blocks")

            entitled = dividend.entitled
            owed = {each.pay_to: each.amount.minor_units * PAYMENT_TOKEN_UNITS_A_CENT for each in entitled.entitlements}
            after = balances(units, filling.payment_token, list(filling.holders))
            assert {wallet: after[wallet] - before[wallet] for wallet in after} == owed
            assert dividend.held.minor_units == 0
            assert units_paid_on_chain(units, filling, dividend_id, entitled.block_number) == {
                wallet: [amount] for wallet, amount in owed.items()
            }
            assert verify_distribution(dividend_id, begin=units.of(filling.desk.tenant_id)).differences == ()
            assert reconcile(units) == []

            now = journal(up)
            assert {number: now.get(number) for number in journalled} == journalled
            for number, hash_ in journalled.items():
                assert hash_on_chain(units.backend.evm.rpc, number) == hash_, f"block {number} came back as another"
        assert up.stop() == 0, json.dumps(up.told[-5:])
    finally:
        up.abandon()


def test_the_cases_cover_every_part_at_every_moment_and_half_of_them_lose_the_supervisor() -> None:
    assert {(case.part, case.moment) for case in CASES} == {(part, moment) for part in PARTS for moment in MOMENTS}
    assert sum(case.with_supervisor for case in CASES) == len(CASES) // 2
