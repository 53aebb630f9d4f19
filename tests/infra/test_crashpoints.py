# SPDX-License-Identifier: Apache-2.0
"""A crash point holds a process exactly where it is named; the sender, killed at each of its own, neither loses nor doubles a payment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from muniment.infra.crashpoints import FILE_VARIABLE, NAME_VARIABLE, crashpoint
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from muniment.units.ids import Address
from tests.infra.rig import EMITTER, Rig, an_address
from tests.infra.test_follower import Stage

REPOSITORY = Path(__file__).parents[2]
SENDER_POINTS = (
    "sender.after_sign",
    "sender.before_broadcast",
    "sender.after_broadcast",
    "sender.after_mark",
    "sender.before_mined",
    "sender.before_final",
)

# What an API process and a worker do, in one: book a payment, then bring everything booked one step on, and mine.
PROGRAM = """
import sys
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from muniment.units.ids import Address
from tests.infra.rig import Rig

database_url, rpc_url, sender, receiver, payments = sys.argv[1:6]
rig = Rig(Database(database_url), JsonRpc(rpc_url), sender=Address(sender))
broadcaster = rig.broadcaster(broadcast_again_after_seconds=0)
broadcaster.guard_nonces()
for number in range(int(payments)):
    purpose = f"pay:{number}"
    if rig.find(purpose) is None:
        rig.submit(purpose, to=Address(receiver), value=number + 1)
        broadcaster.step()
        rig.mine()
        broadcaster.step()
while rig.rows("SELECT 1 FROM infra.chain_transaction WHERE state NOT IN ('final', 'reverted')"):
    broadcaster.step()
    rig.mine()
"""


def test_without_the_variable_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME_VARIABLE, raising=False)
    crashpoint("test.anywhere")


def test_another_name_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "test.elsewhere")
    crashpoint("test.anywhere")


def test_a_named_point_holds_at_the_wanted_pass_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "reached"
    program = "from muniment.infra.crashpoints import crashpoint\nfor n in range(5):\n    print(n, flush=True)\n    crashpoint('test.here')"
    environment = os.environ | {NAME_VARIABLE: "test.here:3", FILE_VARIABLE: str(file)}
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as child:
        _wait_for(file, child)
        assert child.poll() is None
        os.kill(child.pid, signal.SIGKILL)
        assert child.stdout is not None
        assert child.stdout.read().split() == ["0", "1", "2"]
    assert file.read_text() == "test.here"


@pytest.mark.crash
@pytest.mark.slow
def test_a_sender_killed_again_and_again_pays_everyone_exactly_once(
    fresh_postgres_url: str, manual_chain_rpc: JsonRpc, tmp_path: Path
) -> None:
    payments, kills = 40, 26
    database = Database(fresh_postgres_url)
    rig = Rig(database, manual_chain_rpc)
    receiver = an_address(99)
    seed = int(os.environ.get("MUNIMENT_TEST_SEED", "20270523"))
    chance = random.Random(seed)
    # Each point several times, in an order that changes with the seed.
    points = [SENDER_POINTS[index % len(SENDER_POINTS)] for index in range(kills)]
    chance.shuffle(points)
    arguments = [sys.executable, "-c", PROGRAM, fresh_postgres_url, manual_chain_rpc.url, rig.sender, receiver, str(payments)]
    reached = 0
    for number, point in enumerate(points):
        file = tmp_path / f"reached.{number}"
        environment = os.environ | {NAME_VARIABLE: f"{point}:{chance.randint(1, 2)}", FILE_VARIABLE: str(file)}
        with subprocess.Popen(arguments, env=environment, cwd=REPOSITORY) as child:
            if _wait_for(file, child):
                reached += 1
                os.kill(child.pid, signal.SIGKILL)
    clean = {name: value for name, value in os.environ.items() if name != NAME_VARIABLE}
    subprocess.run(arguments, env=clean, cwd=REPOSITORY, check=True, timeout=120)

    print(f"seed {seed}: {reached} kills")  # noqa: T201 - shown when the test fails, to replay it
    assert reached >= 20
    assert rig.evm.balance(receiver) == sum(range(1, payments + 1))
    rows = rig.rows("SELECT purpose, nonce, state FROM infra.chain_transaction ORDER BY nonce")
    assert [row.nonce for row in rows] == list(range(payments))
    assert {row.state for row in rows} == {"final"} and len({row.purpose for row in rows}) == payments
    events = [row.purpose for row in rig.rows("SELECT payload ->> 'purpose' AS purpose FROM infra.outbox_event")]
    assert len(events) == len(set(events)) == payments
    assert rig.evm.transaction_count(rig.sender) == payments
    database.close()


FOLLOWER_PROGRAM = """
import sys
from muniment.infra.clock import SystemClock
from muniment.infra.evm.client import Evm
from muniment.infra.evm.follower import Follower
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.database import Database
from tests.infra.test_follower import Balances
evm, database = Evm(JsonRpc(sys.argv[2])), Database(sys.argv[1])
Follower(database, evm, [Balances()], clock=SystemClock(), journal_transactions=True, batch_blocks=2).catch_up()
"""


@pytest.mark.crash
@pytest.mark.slow
def test_a_follower_killed_before_any_commit_agrees_with_the_chain_afterwards(
    fresh_postgres_url: str, manual_chain_rpc: JsonRpc, tmp_path: Path
) -> None:
    database = Database(fresh_postgres_url)
    stage = Stage(database, manual_chain_rpc)
    late: list[Address] = []

    def more_blocks() -> None:
        for amount in range(4):
            stage.transfer(amount)
            stage.rig.mine()

    def another_branch() -> None:
        stage.rig.rpc.call("anvil_reorg", [3, []])
        more_blocks()

    def another_contract() -> None:
        late.append(stage.rig.deploy(EMITTER))
        deployed = stage.rig.evm.block_number()
        stage.transfer(7, contract=late[-1])
        stage.rig.mine()
        stage.follower.catch_up()
        stage.watch(late[-1], deployed_block=deployed)

    kills = 0
    for round_number, (happens, point) in enumerate(
        [
            (more_blocks, "follower.before_commit:2"),
            (another_branch, "follower.before_revert_commit"),
            (another_contract, "follower.before_fill_in_commit"),
        ]
        * 2
    ):
        more_blocks()
        stage.follower.catch_up()
        happens()
        file = tmp_path / f"reached.{round_number}"
        environment = os.environ | {NAME_VARIABLE: point, FILE_VARIABLE: str(file)}
        arguments = [sys.executable, "-c", FOLLOWER_PROGRAM, fresh_postgres_url, manual_chain_rpc.url]
        with subprocess.Popen(arguments, env=environment, cwd=REPOSITORY) as child:
            assert _wait_for(file, child), point
            os.kill(child.pid, signal.SIGKILL)
        kills += 1
        stage.follower.catch_up()
        assert stage.stored() == stage.on_chain(stage.token, *late)
    assert kills == 6
    database.close()


def _wait_for(file: Path, child: subprocess.Popen[str] | subprocess.Popen[bytes], seconds: float = 60) -> bool:
    """Return True when the point is reached, False when the program ended without passing it."""
    deadline = time.monotonic() + seconds
    while not file.exists():
        if child.poll() is not None:
            assert child.returncode == 0
            return False
        assert time.monotonic() < deadline, "neither held nor ended"
        time.sleep(0.01)
    return True
