# SPDX-License-Identifier: Apache-2.0
"""The local chain: its pinned binary, its rhythm, and that every journalled block comes back with the same hash after any kill."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from muniment.infra import node, processes
from muniment.infra.configuration import Configuration
from muniment.infra.evm.journal import JournalBlock, blocks_from, read_block, save, truncate_from
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain import install as installation
from muniment.infra.localchain.anvil import CHAIN_ID, DEVELOPMENT_ACCOUNTS, GENESIS_HASH, GENESIS_TIMESTAMP_SECONDS, Anvil
from muniment.infra.localchain.install import (
    ChainBinaryDiffers,
    ChainInstallFailed,
    ChainPlatformUnknown,
    install,
    verify,
    verify_version,
)
from muniment.infra.localchain.local_chain import LocalChain, LocalChainFailed
from muniment.infra.localchain.mining import BRISK_SECONDS, IDLE_SECONDS, STUCK_BLOCKS, Rhythm
from muniment.infra.localchain.recovery import JournalBroken, ReplayDiffers, ReplayRefused, replay
from muniment.infra.localchain.state import ChainState
from muniment.infra.outages import Unreachable

KEYS = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
)
# Init code of a contract whose every call stores block.number, timestamp, prevrandao, base fee and the parent's hash: whatever could
# make a replayed block differ, its state root would then show.
CURIOUS_CONTRACT = "0x" + "601a600c600039601a6000f3" + "436000554260015544600255486003556001430340600455" + "0000"


def silent(_message: str) -> None:
    """Report to nobody."""


class Sender:
    """Signs as one development account, counting its nonces."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._nonce = 0

    def transaction(self, *, to: str | None, data: str = "0x", tip: int = 1, gas: int = 200_000) -> str:
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": CHAIN_ID,
            "nonce": self._nonce,
            "value": 0 if to is None or data != "0x" else 1,
            "data": data,
            "gas": gas,
            "maxFeePerGas": 10**11,
            "maxPriorityFeePerGas": tip,
        }
        if to is not None:
            fields["to"] = to
        self._nonce += 1
        return "0x" + bytes(Account.sign_transaction(fields, self._key).raw_transaction).hex()


def mined_history(rpc: JsonRpc, *, blocks: int, seed: int) -> list[JournalBlock]:
    """Mine blocks of transfers, deployments and calls of two senders with mixed tips, some empty, some in the same second."""
    chance = random.Random(seed)
    senders = [Sender(key) for key in KEYS]
    curious: list[str] = []
    timestamp_seconds = GENESIS_TIMESTAMP_SECONDS
    for _ in range(blocks):
        timestamp_seconds += chance.choice([0, 1, 1, 1, 15, 100_000])
        for _ in range(chance.choice([0, 0, 1, 3, 8])):
            sender, tip = chance.choice(senders), chance.randint(1, 10**9)
            match chance.choice(["transfer", "deploy", "call"]):
                case "deploy":
                    raw = sender.transaction(to=None, data=CURIOUS_CONTRACT, tip=tip)
                case "call" if curious:
                    raw = sender.transaction(to=chance.choice(curious), data="0x01", tip=tip)
                case _:
                    raw = sender.transaction(to=DEVELOPMENT_ACCOUNTS[5], tip=tip)
            rpc.call("eth_sendRawTransaction", [raw])
        rpc.call("evm_mine", [{"timestamp": timestamp_seconds}])
        block = rpc.call("eth_getBlockByNumber", ["latest", False])
        for hash_ in block["transactions"]:
            created = rpc.call("eth_getTransactionReceipt", [hash_])["contractAddress"]
            curious += [to_checksum_address(created)] if created else []
    head = int(rpc.call("eth_blockNumber"), 16)
    return [read_block(rpc, number) for number in range(1, head + 1)]


@pytest.fixture
def second_rpc(anvil_binary: Path, tmp_path: Path) -> Iterator[JsonRpc]:
    """Another fresh node."""
    with Anvil(anvil_binary, folder=tmp_path / "second") as anvil:
        rpc = JsonRpc(anvil.url)
        yield rpc
        rpc.close()


def test_every_installation_starts_from_the_same_block(manual_chain_rpc: JsonRpc) -> None:
    genesis = manual_chain_rpc.call("eth_getBlockByNumber", ["0x0", False])
    assert genesis["hash"] == GENESIS_HASH
    assert int(genesis["timestamp"], 16) == GENESIS_TIMESTAMP_SECONDS
    assert int(manual_chain_rpc.call("eth_chainId"), 16) == CHAIN_ID
    balances = [int(manual_chain_rpc.call("eth_getBalance", [account, "0x0"]), 16) for account in DEVELOPMENT_ACCOUNTS]
    assert balances == [10**24] * 10


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_journalled_history_is_made_again_block_by_block_with_the_same_hashes(
    manual_chain_rpc: JsonRpc, second_rpc: JsonRpc, seed: int
) -> None:
    history = mined_history(manual_chain_rpc, blocks=60, seed=seed)
    assert sum(len(block.transactions) for block in history) > 50
    recovery = replay(second_rpc, history, progress=silent)
    assert (recovery.blocks, recovery.transactions) == (len(history), sum(len(block.transactions) for block in history))
    for block in history:
        assert read_block(second_rpc, block.number) == block


def test_a_long_run_of_empty_blocks_is_made_again(manual_chain_rpc: JsonRpc, second_rpc: JsonRpc) -> None:
    for index in range(600):
        manual_chain_rpc.call("evm_mine", [{"timestamp": GENESIS_TIMESTAMP_SECONDS + 15 * (index + 1)}])
    history = [read_block(manual_chain_rpc, number) for number in range(1, 601)]
    recovery = replay(second_rpc, history, progress=silent)
    assert recovery.head_hash == "0x" + history[-1].hash.hex()


def test_a_changed_journal_is_refused_at_the_first_block_that_differs(manual_chain_rpc: JsonRpc, second_rpc: JsonRpc) -> None:
    history = mined_history(manual_chain_rpc, blocks=10, seed=4)
    changed = replace(history[6], timestamp_seconds=history[6].timestamp_seconds + 1)
    with pytest.raises(ReplayDiffers) as refusal:
        replay(second_rpc, [*history[:6], changed], progress=silent)
    assert refusal.value.facts["number"] == 7


def test_a_journal_with_a_gap_is_refused(manual_chain_rpc: JsonRpc, second_rpc: JsonRpc) -> None:
    history = mined_history(manual_chain_rpc, blocks=5, seed=5)
    with pytest.raises(JournalBroken):
        replay(second_rpc, [*history[:2], *history[3:]], progress=silent)


def test_a_journal_of_another_genesis_or_with_a_foreign_transaction_is_refused(manual_chain_rpc: JsonRpc, second_rpc: JsonRpc) -> None:
    genesis = replace(read_block(manual_chain_rpc, 0), hash=b"\1" * 32)
    with pytest.raises(ReplayDiffers):
        replay(second_rpc, [genesis], progress=silent)
    history = mined_history(manual_chain_rpc, blocks=1, seed=6)
    with pytest.raises(ReplayRefused):
        replay(second_rpc, [replace(history[0], transactions=(b"\2nonsense",))], progress=silent)


def test_a_block_is_journalled_once_and_truncated_by_number(manual_chain_rpc: JsonRpc, fresh_postgres_url: str) -> None:
    history = mined_history(manual_chain_rpc, blocks=8, seed=7)
    with psycopg.connect(fresh_postgres_url) as connection:
        for block in [*history, *history]:
            save(connection, block)
        assert list(blocks_from(connection, 0)) == history
        assert list(blocks_from(connection, 5)) == history[4:]
        assert truncate_from(connection, 6) == 3
        assert [block.number for block in blocks_from(connection, 0)] == [1, 2, 3, 4, 5]
        with pytest.raises(AssertionError, match="another hash"):
            save(connection, replace(history[2], hash=b"\3" * 32))


def test_a_block_that_is_not_there_is_an_outage(manual_chain_rpc: JsonRpc) -> None:
    with pytest.raises(Unreachable):
        read_block(manual_chain_rpc, 1)


# --- the rhythm ---------------------------------------------------------------------------------------------------------------------


def blocks_mined(rhythm: Rhythm, *, seconds: float, pending: Callable[[float], int]) -> list[float]:
    """Return when the rhythm mines over `seconds`; each block takes all that is pending."""
    at: list[float] = []
    for step in range(int(seconds * 20)):
        now = step / 20
        waiting = pending(now)
        if rhythm.is_due(now=now, pending=waiting):
            rhythm.mined(now=now, transactions=waiting)
            at.append(now)
    return at


def test_a_transaction_gets_its_block_and_its_confirmations_a_second_apart() -> None:
    rhythm = Rhythm(block_seconds=1.0, confirmations=2)
    assert blocks_mined(rhythm, seconds=10, pending=lambda now: 1 if now == 5.0 else 0) == [0.0, 5.0, 6.0, 7.0, 8.0]


def test_while_transactions_wait_there_is_a_block_a_second() -> None:
    at = blocks_mined(Rhythm(block_seconds=1.0, confirmations=2), seconds=60, pending=lambda _now: 1)
    assert len(at) == 60


def test_an_idle_chain_slows_down_but_its_clock_never_stops() -> None:
    at = blocks_mined(Rhythm(block_seconds=1.0, confirmations=2), seconds=3600, pending=lambda now: 1 if now == 0 else 0)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert BRISK_SECONDS in gaps
    assert max(gaps) == IDLE_SECONDS
    assert len(at) < 30


def test_a_transaction_that_can_never_be_mined_does_not_keep_the_chain_busy() -> None:
    rhythm = Rhythm(block_seconds=1.0, confirmations=2)
    mined = 0
    for step in range(20 * 600):
        if rhythm.is_due(now=step / 20, pending=1):
            rhythm.mined(now=step / 20, transactions=0)
            mined += 1
    assert STUCK_BLOCKS <= mined <= STUCK_BLOCKS + 10
    rhythm.is_due(now=600.0, pending=1)
    assert rhythm.is_due(now=601.0, pending=2)


@given(steps=st.lists(st.tuples(st.floats(0.01, 400), st.integers(0, 3)), min_size=1, max_size=200))
def test_blocks_are_never_closer_than_asked_nor_further_than_the_idle_gap(steps: list[tuple[float, int]]) -> None:
    rhythm = Rhythm(block_seconds=1.0, confirmations=2)
    now, mined_at = 0.0, float("-inf")
    for seconds, pending in steps:
        now += seconds
        is_due = rhythm.is_due(now=now, pending=pending)
        if now - mined_at < 1.0:
            assert not is_due
        if now - mined_at >= IDLE_SECONDS:
            assert is_due
        if is_due:
            rhythm.mined(now=now, transactions=pending)
            mined_at = now


# --- the binary ---------------------------------------------------------------------------------------------------------------------


def test_a_binary_that_was_changed_is_refused(anvil_binary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "chain" / "anvil" / "node_modules" / "x" / "bin"
    folder.mkdir(parents=True)
    copy = folder / "anvil"
    shutil.copyfile(anvil_binary, copy)
    verify(copy)
    with copy.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ChainBinaryDiffers):
        verify(copy)


def test_an_operators_own_binary_must_be_of_the_same_version(anvil_binary: Path, tmp_path: Path) -> None:
    verify_version(anvil_binary)
    other = tmp_path / "anvil"
    other.write_text("#!/bin/sh\necho anvil 0.2.0\n", encoding="utf-8")
    other.chmod(0o755)
    with pytest.raises(ChainInstallFailed):
        verify_version(other)
    with pytest.raises(ChainInstallFailed):
        verify_version(tmp_path / "absent")


def test_a_package_whose_hash_is_not_the_locks_is_not_installed(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_folder = tmp_path / "npm"
    shutil.copytree(installation.LOCK_FOLDER, lock_folder)
    lock = lock_folder / "package-lock.json"
    lock.write_text(lock.read_text(encoding="utf-8").replace("sha512-+Xm", "sha512-AAA"), encoding="utf-8")
    monkeypatch.setattr(installation, "LOCK_FOLDER", lock_folder)
    with pytest.raises(ChainInstallFailed, match="EINTEGRITY"):
        install(home, progress=silent)
    assert not [path for path in (home / "chain").iterdir() if path.name != "install.lock"]


def test_a_platform_that_the_lock_does_not_pin_is_refused_with_a_way_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "platform_name", lambda: "plan9-mips")
    with pytest.raises(ChainPlatformUnknown) as refusal:
        install(home, progress=silent)
    assert "CHAIN_RPC_URL" in str(refusal.value.cure_sentence)


def test_the_lock_names_no_host_and_runs_no_script() -> None:
    lock = (installation.LOCK_FOLDER / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert "://" not in lock
    settings = (installation.LOCK_FOLDER / ".npmrc").read_text(encoding="utf-8").split()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)


def test_without_a_system_node_the_wheels_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "system_node", lambda: None)
    tools = node.find_node(purpose="a test")
    assert tools.npm[1].endswith("npm-cli.js")
    monkeypatch.setattr(node, "wheel_node", lambda: None)
    with pytest.raises(node.NodeMissing):
        node.find_node(purpose="a test")


# --- the process --------------------------------------------------------------------------------------------------------------------


class Rig:
    """A local chain on a database of its own, with a journal kept as the follower keeps it."""

    def __init__(self, configuration: Configuration) -> None:
        assert configuration.database_url is not None
        self.said: list[str] = []
        self.chain = LocalChain(configuration, progress=self.said.append)
        self.chain.start()
        self.rpc = JsonRpc(self.chain.url)
        self.sender = Sender(KEYS[0])
        self._connection = psycopg.connect(configuration.database_url, autocommit=True)

    def head(self) -> int:
        return int(self.rpc.call("eth_blockNumber"), 16)

    def hash_at(self, number: int) -> bytes:
        return bytes.fromhex(self.rpc.call("eth_getBlockByNumber", [hex(number), False])["hash"][2:])

    def send(self, count: int) -> None:
        for _ in range(count):
            self.rpc.call("eth_sendRawTransaction", [self.sender.transaction(to=DEVELOPMENT_ACCOUNTS[3])])

    def sent(self) -> int:
        return int(self.rpc.call("eth_getTransactionCount", [DEVELOPMENT_ACCOUNTS[0], "latest"]), 16)

    def journal(self, *, up_to: int) -> list[JournalBlock]:
        for number in range(1, up_to + 1):
            save(self._connection, read_block(self.rpc, number))
        return list(blocks_from(self._connection, 0))

    def wait_for_head(self, number: int) -> None:
        until(lambda: self.head() >= number)

    def close(self) -> None:
        self._connection.close()
        self.rpc.close()
        self.chain.stop()


def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait until a condition holds; an outage meanwhile means not yet."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except Unreachable:
            pass  # the door is shut while the chain is made again
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


@pytest.fixture
def rig(home: Path, fresh_postgres_url: str, anvil_binary: Path) -> Iterator[Rig]:
    made = Rig(Configuration(home=home, database_url=fresh_postgres_url, anvil=anvil_binary, block_seconds=0.1))
    yield made
    made.close()


def test_a_transaction_is_mined_and_confirmed_without_being_asked(rig: Rig) -> None:
    rig.send(2)
    until(lambda: int(rig.rpc.call("eth_getTransactionCount", [DEVELOPMENT_ACCOUNTS[0], "latest"]), 16) == 2)
    mined = rig.head()
    rig.wait_for_head(mined + 2)
    now = time.time()
    latest = rig.rpc.call("eth_getBlockByNumber", ["latest", False])
    assert abs(int(latest["timestamp"], 16) - now) < 10


@pytest.mark.crash
def test_after_kill_9_of_the_node_every_journalled_block_is_back_and_the_address_is_the_same(rig: Rig) -> None:
    rig.send(3)
    rig.wait_for_head(5)
    journal = rig.journal(up_to=rig.head())
    node_pid = rig.chain.node_pid
    assert node_pid is not None
    os.kill(node_pid, signal.SIGKILL)
    until(lambda: rig.chain.node_pid not in (None, node_pid) and rig.head() >= journal[-1].number)
    for block in journal:
        assert rig.hash_at(block.number) == block.hash
    assert any("the node died" in line for line in rig.chain.news())


@pytest.mark.crash
def test_blocks_that_were_not_journalled_are_gone_and_the_chain_goes_on_from_the_journal(rig: Rig) -> None:
    rig.send(1)
    rig.wait_for_head(2)
    journal = rig.journal(up_to=2)
    rig.send(1)
    until(lambda: rig.sent() == 2)
    # An empty block could come back just as it was: this one has the second transaction in it or behind it.
    lost = rig.head()
    lost_hash = rig.hash_at(lost)
    node_pid = rig.chain.node_pid
    assert node_pid is not None
    os.kill(node_pid, signal.SIGKILL)
    until(lambda: rig.chain.node_pid not in (None, node_pid) and rig.head() >= lost)
    assert [rig.hash_at(block.number) for block in journal] == [block.hash for block in journal]
    assert rig.hash_at(lost) != lost_hash
    assert rig.sent() == 1


@pytest.mark.crash
def test_while_blocks_are_made_again_nobody_sees_half_a_chain(rig: Rig) -> None:
    rig.send(1)
    rig.wait_for_head(4)
    for _ in range(400):
        rig.rpc.call("evm_mine")
    head = rig.head()
    rig.journal(up_to=head)
    node_pid = rig.chain.node_pid
    assert node_pid is not None
    os.kill(node_pid, signal.SIGKILL)
    seen: list[int] = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and (not seen or rig.chain.node_pid == node_pid):
        try:
            seen.append(rig.head())
        except Unreachable:
            time.sleep(0.005)
    assert seen
    assert min(seen) >= head


@pytest.mark.crash
def test_after_kill_9_of_the_whole_process_its_node_dies_too_and_a_start_brings_all_back(rig: Rig) -> None:
    rig.send(2)
    rig.wait_for_head(4)
    journal = rig.journal(up_to=rig.head())
    url = rig.chain.url
    assert rig.chain.pid is not None
    assert rig.chain.node_pid is not None
    anvil = processes.name_of(rig.chain.node_pid)
    assert anvil is not None
    os.kill(rig.chain.pid, signal.SIGKILL)
    assert anvil.wait_gone(10)
    assert rig.chain.start() == url
    assert [rig.hash_at(block.number) for block in journal] == [block.hash for block in journal]


@pytest.mark.crash
def test_a_kill_in_the_middle_of_a_recovery_only_delays_it(rig: Rig) -> None:
    rig.send(2)
    rig.wait_for_head(3)
    for _ in range(300):
        rig.rpc.call("evm_mine")
    journal = rig.journal(up_to=rig.head())
    for wait_seconds in (0.05, 0.3, 0.5):
        node_pid = rig.chain.node_pid
        if node_pid is not None and (name := processes.name_of(node_pid)) is not None:
            name.send(signal.SIGKILL)
        time.sleep(wait_seconds)
        for found in children_named_anvil(rig):
            found.send(signal.SIGKILL)
    until(lambda: rig.head() >= journal[-1].number, seconds=120)
    assert rig.hash_at(journal[-1].number) == journal[-1].hash


def children_named_anvil(rig: Rig) -> list[processes.ProcessName]:
    children = Path(f"/proc/{rig.chain.pid}/task/{rig.chain.pid}/children")
    pids = [int(pid) for pid in children.read_text(encoding="utf-8").split()] if children.exists() else []
    return [name for pid in pids if (name := processes.name_of(pid)) is not None]


@pytest.mark.crash
def test_a_chain_whose_supervisor_was_killed_is_ended_and_not_attached_to(home: Path, fresh_postgres_url: str, anvil_binary: Path) -> None:
    configuration = Configuration(home=home, database_url=fresh_postgres_url, anvil=anvil_binary)
    # A thread's child has no tie to its parent's life: as where the kernel has no such tie, or has not yet acted on it.
    program = (
        "import sys, threading, time; from pathlib import Path\n"
        "from muniment.infra.configuration import Configuration; from muniment.infra.localchain.local_chain import LocalChain\n"
        "configuration = Configuration(home=Path(sys.argv[1]), database_url=sys.argv[2], anvil=Path(sys.argv[3]))\n"
        "chain = LocalChain(configuration, progress=lambda message: None)\n"
        "thread = threading.Thread(target=chain.start); thread.start(); thread.join(); print(chain.pid, flush=True); time.sleep(600)"
    )
    supervisor = subprocess.Popen(
        [sys.executable, "-c", program, str(home), fresh_postgres_url, str(anvil_binary)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    left = processes.name_of(int(supervisor.stdout.readline()))
    assert left is not None
    supervisor.kill()
    supervisor.communicate()
    assert left.is_running()
    with LocalChain(configuration, progress=silent) as chain:
        assert chain.owns
        assert not left.is_running()
        rpc = JsonRpc(chain.url)
        assert int(rpc.call("eth_chainId"), 16) == CHAIN_ID
        rpc.close()


@pytest.mark.crash
def test_of_many_that_start_at_once_one_starts_the_chain_and_the_others_attach(
    home: Path, fresh_postgres_url: str, anvil_binary: Path
) -> None:
    configuration = Configuration(home=home, database_url=fresh_postgres_url, anvil=anvil_binary)
    chains = [LocalChain(configuration, progress=silent) for _ in range(4)]
    with ThreadPoolExecutor(len(chains)) as pool:
        addresses = set(pool.map(LocalChain.start, chains))
    try:
        assert len(addresses) == 1
        assert len({chain.pid for chain in chains}) == 1
        assert [chain.owns for chain in chains].count(True) == 1
    finally:
        for chain in chains:
            chain.stop()


def test_a_second_manager_attaches_and_its_stop_only_lets_go(rig: Rig, home: Path, fresh_postgres_url: str, anvil_binary: Path) -> None:
    second = LocalChain(Configuration(home=home, database_url=fresh_postgres_url, anvil=anvil_binary), progress=silent)
    assert second.start() == rig.chain.url
    assert not second.owns
    second.stop()
    assert rig.chain.is_running()
    assert rig.head() >= 0


def test_a_journal_that_does_not_replay_stops_the_start_with_the_reason(home: Path, fresh_postgres_url: str, anvil_binary: Path) -> None:
    with psycopg.connect(fresh_postgres_url) as connection:
        save(connection, JournalBlock(1, b"\5" * 32, bytes.fromhex(GENESIS_HASH[2:]), GENESIS_TIMESTAMP_SECONDS + 1, ()))
    chain = LocalChain(Configuration(home=home, database_url=fresh_postgres_url, anvil=anvil_binary), progress=silent)
    with pytest.raises(LocalChainFailed) as refusal:
        chain.start()
    assert refusal.value.facts["refusal"] == "chain.replay_differs"
    assert not chain.is_running()


def test_messages_are_told_once_and_the_oldest_are_let_go() -> None:
    state = ChainState(pid=1, started="x", state="starting", supervisor_pid=2, supervisor_started="y")
    for number in range(120):
        state.tell(str(number), state=None)
    assert state.messages_after(118) == ["118", "119"]
    assert state.messages_after(120) == []
    assert len(state.messages_after(0)) == 50
