# SPDX-License-Identifier: Apache-2.0
"""`muniment demo` as a user runs it; then each proving command says equal, and ends otherwise when one row was changed by hand."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from muniment.app.cli import main
from tests.flows.stand import Running, anvil, copy_of, made_once, muniment, running, told
from tests.flows.tampering import Change, changed

pytestmark = [pytest.mark.slow]

OUTCOME = "demo.json"
HASH = "'0x" + "ab" * 32 + "'"
WALLET = "'0x71C7656EC7ab88b098defB751B7401B5f6d8976F'"


@dataclass(frozen=True, slots=True)
class Demo:
    """A home after the demo, its services running, and what the demo told."""

    stand: Running
    exit_code: int
    output: str
    progress: str
    security_id: str
    symbol: str
    asset_id: str
    dividend_id: str

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object at the end."""
        document: dict[str, Any] = json.loads(self.output)
        return document

    def step(self, title: str) -> dict[str, Any]:
        """Return the step whose title begins so."""
        (found,) = [step for step in self.told["steps"] if step["title"].startswith(title)]
        return dict(found)


def run_demo(home: Path) -> None:
    answer = muniment(home, "demo", "--json")
    outcome = {"exit_code": answer.returncode, "output": answer.stdout, "progress": answer.stderr}
    (home / OUTCOME).write_text(json.dumps(outcome), encoding="utf-8")


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """One demo for the whole run, in a copy that this module may change."""
    with copy_of(made_once("demo", run_demo)) as home:
        outcome = json.loads((home / OUTCOME).read_text(encoding="utf-8"))
        assert outcome["exit_code"] == 0, outcome["output"] + outcome["progress"]
        facts: dict[str, Any] = {}
        for step in json.loads(outcome["output"])["steps"]:
            facts |= step["facts"]
        with running(home) as stand:
            with psycopg.connect(stand.owner_url) as connection:
                row = connection.execute("SELECT dividend_id::text FROM servicing.dividend").fetchone()
                assert row is not None, "the demo pays a dividend"
            yield Demo(
                stand, **outcome, security_id=facts["security_id"], symbol=facts["symbol"], asset_id=facts["asset_id"], dividend_id=row[0]
            )


Prove = Callable[[str], tuple[int, str]]


@pytest.fixture
def prove(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> Prove:
    """Run one of the proving commands on the demo's home, in this process, and return its exit code and what it printed."""
    monkeypatch.setenv("MUNIMENT_HOME", str(demo.stand.home))
    monkeypatch.setenv("MUNIMENT_ANVIL", str(anvil()))

    def run(command: str) -> tuple[int, str]:
        printed, complained = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained), pytest.raises(SystemExit) as end:
            main([word.format(**_names(demo)) for word in command.split(" ")])
        return int(end.value.code or 0), printed.getvalue() + complained.getvalue()

    return run


def _names(demo: Demo) -> dict[str, str]:
    return {"symbol": demo.symbol, "security_id": demo.security_id, "asset_id": demo.asset_id, "dividend_id": demo.dividend_id}


REGISTER = "verify register {symbol}"
REGISTER_BY_ID = "verify register {security_id} --json"
ASSET = "verify asset {asset_id}"
DISTRIBUTION = "verify distribution {dividend_id}"
RECONCILE = "reconcile"


# What the demo told


def test_the_demo_ends_well_and_prints_one_json_object(demo: Demo) -> None:
    assert demo.exit_code == 0
    assert demo.told["passed"] is True
    assert demo.told["seconds"] > 0
    assert [step["step"] for step in demo.told["steps"]] == list(range(1, len(demo.told["steps"]) + 1))
    for step in demo.told["steps"]:
        assert set(step) >= {"step", "title", "lines", "facts", "checks", "transactions", "seconds"}


def test_its_checks_against_the_chain_all_pass(demo: Demo) -> None:
    checks = [check for step in demo.told["steps"] for check in step["checks"]]
    assert len(checks) == 4
    assert all(check["passed"] is True for check in checks), checks


def test_each_transaction_is_told_once_with_its_block_and_gas(demo: Demo) -> None:
    transactions = [transaction for step in demo.told["steps"] for transaction in step["transactions"]]
    assert len({transaction["hash"] for transaction in transactions}) == len(transactions) > 30
    for transaction in transactions:
        assert transaction["block"] > 0
        assert transaction["gas"] >= 21_000
    with psycopg.connect(demo.stand.owner_url) as connection:
        stored = {
            (row[0], row[1], row[2], row[3])
            for row in connection.execute("SELECT hash, block_number, gas_used, succeeded FROM infra.chain_transaction")
        }
    assert {(each["hash"], each["block"], each["gas"], each["succeeded"]) for each in transactions} <= stored


def test_three_transfers_are_refused_before_sending_and_again_by_the_chain(demo: Demo) -> None:
    step = demo.step("Transfer")
    assert sum("refused before sending" in line for line in step["lines"]) == 3
    assert sum("the chain reverts it" in line for line in step["lines"]) == 3
    assert sum("settled in block" in line for line in step["lines"]) == 1
    assert sum(not transaction["succeeded"] for transaction in step["transactions"]) == 3


def test_two_of_the_fifty_fail_verification_and_the_cap_table_adds_up(demo: Demo) -> None:
    lines = demo.step("Onboard")["lines"]
    assert any("50 rows accepted, 0 refused" in line for line in lines)
    assert any("48 verified, 2 failed" in line for line in lines)
    table = demo.step("The cap table")["table"]
    with psycopg.connect(demo.stand.owner_url) as connection:
        row = connection.execute(
            "SELECT sum(shares) / power(10::numeric, (SELECT decimals FROM instruments.security WHERE symbol = %s))"
            " FROM register.holding WHERE deed_id = 0 AND token_address ="
            " (SELECT token_address FROM instruments.security WHERE symbol = %s)",
            [demo.symbol, demo.symbol],
        ).fetchone()
    assert row is not None
    assert sum(int(holder["shares"].replace(",", "")) for holder in table) == row[0]


# The proving commands


def test_each_proving_command_says_equal_after_the_demo(demo: Demo) -> None:
    names = _names(demo)
    for command in (REGISTER_BY_ID, f"{ASSET} --json", f"{DISTRIBUTION} --json"):
        answer = muniment(demo.stand.home, *command.format(**names).split(" "))
        assert answer.returncode == 0, answer.stderr
        assert told(answer)["equal"] is True
    reconciled = muniment(demo.stand.home, "reconcile", "--json")
    assert reconciled.returncode == 0, reconciled.stderr
    assert told(reconciled) == {"organisations": 2, "differences": []}


def test_each_says_it_in_words_too(prove: Prove) -> None:
    for command in (REGISTER, ASSET, DISTRIBUTION):
        code, printed = prove(command)
        assert (code, printed.startswith("equal: ")) == (0, True), printed
    code, printed = prove(RECONCILE)
    assert (code, "the books agree with the chain" in printed) == (0, True), printed


OF_A_TOKEN = "deed_id = 0"
OF_A_DEED = "deed_id > 0"
OF_AN_ISSUER = "tenant_id IS NOT NULL"
OF_THE_PLATFORM = "tenant_id IS NULL"
IN_THE_MIDDLE = "sequence = 2"
A_VEHICLE = "kind = 'vehicle'"
FLIPPED = "set_byte({0}, 20, get_byte({0}, 20) # 1)"
UNSETTLED = "state = 'requested', transaction_hash = NULL, submitted_at = NULL, settled_at = NULL, block_number = NULL"
HELD = "state = 'held', held_reason = 'servicing.wallet_frozen', transaction_hash = NULL, block_number = NULL"
UNEVEN_POT = "pot_minor_units = pot_minor_units + 1, residue_minor_units = residue_minor_units + 1"

CHANGES = (
    # The register's rows
    (Change("register.movement", "shares = shares + 1", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.movement", f"to_wallet = {WALLET}", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.movement", "occurred_at = occurred_at + interval '1 second'", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.movement", f"transaction_hash = {HASH}", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.movement", None, OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.notice", None, OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.holding", "shares = shares + 1", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.holding", "wallet_frozen = NOT wallet_frozen", OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.holding", None, OF_A_TOKEN), (REGISTER, RECONCILE)),
    (Change("register.movement", f"to_wallet = {WALLET}", OF_A_DEED), (RECONCILE,)),
    (Change("register.movement", None, OF_A_DEED), (RECONCILE,)),
    (Change("register.holding", f"wallet = {WALLET}", OF_A_DEED), (RECONCILE,)),
    (Change("register.holding", "deed_id = deed_id + 1", OF_A_DEED), (RECONCILE,)),
    (Change("register.holding", None, OF_A_DEED), (RECONCILE,)),
    # The asset's record and what it commits to
    (Change("instruments.asset_record", f"canonical_json = {FLIPPED.format('canonical_json')}", A_VEHICLE), (ASSET,)),
    (Change("instruments.personal_value", f"commitment = {HASH}"), (ASSET,)),
    (Change("instruments.personal_value", None), (ASSET,)),
    # The dividend
    (Change("servicing.payment", "amount_minor_units = amount_minor_units + 1"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payment", f"pay_to = {WALLET}"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payment", "shares = shares + 1"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payment", f"transaction_hash = {HASH}"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payment", HELD), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payment", None), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.run", "block_number = block_number - 1"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.run", UNEVEN_POT), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.payee", "token_units = token_units + 1"), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.batch", None), (DISTRIBUTION, RECONCILE)),
    (Change("servicing.dividend", "price_per_share = price_per_share * 2"), (DISTRIBUTION, RECONCILE)),
    # Instructions
    (Change("settlement.leg", "shares = shares + 1"), (RECONCILE,)),
    (Change("settlement.leg", f"to_wallet = {WALLET}"), (RECONCILE,)),
    (Change("settlement.leg", None), (RECONCILE,)),
    (Change("settlement.instruction", "kind = 'burn'"), (RECONCILE,)),
    (Change("settlement.instruction", "block_number = block_number + 1", "state = 'settled'"), (RECONCILE,)),
    (Change("settlement.instruction", f"transaction_hash = {HASH}", "state = 'settled'"), (RECONCILE,)),
    (Change("settlement.instruction", UNSETTLED, "state = 'settled'"), (RECONCILE,)),
    (Change("settlement.instruction", None), (RECONCILE,)),
    # The audit log
    (Change("access.audit_entry", "facts = facts || '{\"planted\": 1}'"), (RECONCILE,)),
    (Change("access.audit_entry", "actor_id = '00000000-0000-4000-8000-000000000000'"), (RECONCILE,)),
    (Change("access.audit_entry", None, IN_THE_MIDDLE), (RECONCILE,)),
    # The sender's book, an issuer's and the platform's
    (Change("infra.chain_transaction", "nonce = nonce + 1000", OF_AN_ISSUER), (RECONCILE,)),
    (Change("infra.chain_transaction", "nonce = nonce + 1000", OF_THE_PLATFORM), (RECONCILE,)),
    (Change("infra.chain_transaction", f"hash = {HASH}", OF_AN_ISSUER), (RECONCILE,)),
    (Change("infra.chain_transaction", "succeeded = NOT succeeded", OF_AN_ISSUER), (RECONCILE,)),
    (Change("infra.chain_transaction", None, f"{OF_AN_ISSUER} AND nonce = 1"), (RECONCILE,)),
    (Change("infra.sender", "next_nonce = next_nonce + 1", OF_AN_ISSUER), (RECONCILE,)),
    (Change("infra.sender", "next_nonce = next_nonce + 1", OF_THE_PLATFORM), (RECONCILE,)),
)


@pytest.mark.parametrize(("change", "commands"), CHANGES, ids=[change.title for change, _ in CHANGES])
def test_one_row_changed_by_hand_makes_the_proof_fail(change: Change, commands: tuple[str, ...], demo: Demo, prove: Prove) -> None:
    with changed(demo.stand.owner_url, change):
        for command in commands:
            code, printed = prove(command)
            assert code == 1, f"{command} ended with {code}: {printed}"
            assert "DIFFERENT" in printed or "difference" in printed
    for command in commands:
        code, printed = prove(command)
        assert code == 0, f"{command} after the row was put back: {printed}"


def test_a_sealed_value_changed_by_hand_is_refused_as_what_cannot_be_opened(demo: Demo, prove: Prove) -> None:
    with changed(demo.stand.owner_url, Change("instruments.personal_value", f"sealed = {FLIPPED.format('sealed')}")):
        code, printed = prove(ASSET)
    assert code == 2
    assert "infra.cannot_open_sealed" in printed


def test_a_changed_row_ends_the_real_command_too_and_its_json_names_the_difference(demo: Demo) -> None:
    with changed(demo.stand.owner_url, Change("register.holding", "shares = shares + 1", OF_A_TOKEN)):
        answer = muniment(demo.stand.home, "reconcile", "--json")
    assert answer.returncode == 1
    assert {difference["invariant"] for difference in told(answer)["differences"]} == {"I1"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("verify register NOSUCH", "app.no_such_security"),
        ("verify asset 0x12", "app.no_such_asset"),
        ("verify asset 0x" + "00" * 32, "app.no_such_asset"),
        ("verify distribution 4711", "units.not_an_id"),
        ("verify distribution 00000000-0000-4000-8000-000000000000", "app.no_such_distribution"),
    ],
)
def test_a_bad_argument_is_refused_with_its_code(command: str, code: str, prove: Prove) -> None:
    exit_code, printed = prove(f"{command} --json")
    assert exit_code == 2
    refusal = json.loads(printed)["error"]
    assert refusal["code"] == code
    assert refusal["cure"]


def test_a_missing_argument_and_an_unknown_command_are_refused_by_the_command_line(prove: Prove) -> None:
    assert prove("verify register")[0] == 2
    assert prove("verify nothing")[0] == 2
    assert prove("demonstrate")[0] == 2
