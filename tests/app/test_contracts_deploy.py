# SPDX-License-Identifier: Apache-2.0
"""`muniment contracts deploy` and `verify` against a real node: what is foretold comes true, and what was cut short goes on."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_hash.auto import keccak

from muniment.app import deploy_command
from muniment.app.cli import main
from muniment.app.deployment_plan import NOT_IN_SUITE, SUITE
from muniment.infra.evm import contract_artifacts
from muniment.infra.evm import deployment as sending
from muniment.infra.evm.client import Evm
from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.localchain.anvil import DEVELOPMENT_ACCOUNTS
from muniment.units.ids import Address
from tests.app.command_line import Ended

AGENT, OWNER = DEVELOPMENT_ACCOUNTS[1], DEVELOPMENT_ACCOUNTS[2]
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
COIN = 10**18
TAIL = "5af43d82803e903d91602b57fd5bf3"
"""How an ERC-1167 clone ends."""


@dataclass
class Deployer:
    """Somebody with a key of their own, some coin and an empty folder."""

    rpc: JsonRpc
    key: bytes
    folder: Path

    @property
    def address(self) -> Address:
        return Address(Account.from_key(self.key).address)

    @property
    def evm(self) -> Evm:
        return Evm(self.rpc)

    @property
    def key_file(self) -> Path:
        return self.private_file("key", self.key.hex())

    def private_file(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.write_text(text, encoding="utf-8")
        file.chmod(0o600)
        return file

    def run(self, *arguments: str) -> Ended:
        """Run `muniment contracts …` on the node."""
        return run("contracts", *arguments, "--rpc", self.rpc.url)

    def deploy(self, name: str, *arguments: str) -> Ended:
        """Deploy with the key, printing JSON."""
        return self.run("deploy", name, "--key-file", str(self.key_file), "--json", *arguments)

    def ask(self, contract: str, address: str, function: str, *arguments: Any) -> Any:
        artifact = contract_artifacts.load(contract)
        answer = self.evm.call(Address(address), artifact.encode_call(function, *arguments))
        return artifact.decode_output(function, answer)


def run(*arguments: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(list(arguments))
    return Ended(int(end.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture
def deployer(chain_rpc: JsonRpc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployer:
    for name in ("CHAIN_RPC_URL", "CHAIN_RPC_URL_FILE", "DEPLOYER_KEY", "DEPLOYER_KEYSTORE_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUNIMENT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    made = Deployer(chain_rpc, keccak(os.urandom(32)), tmp_path)
    chain_rpc.call("anvil_setBalance", [made.address, hex(100 * COIN)])
    return made


def test_the_suite_stands_where_a_dry_run_said_for_the_gas_that_it_said(deployer: Deployer) -> None:
    offices = ("--agent", AGENT, "--owner", OWNER)
    foretold = deployer.run("deploy", SUITE, "--dry-run", "--from", deployer.address, "--json", *offices).told
    assert deployer.evm.transaction_count(deployer.address) == 0, "nothing was sent"
    assert foretold["fee_wei"] == str(foretold["gas"] * int(foretold["base_fee_wei"]))

    told = deployer.deploy(SUITE, *offices).told
    assert told["contracts"] == foretold["contracts"]
    assert [step["step"] for step in told["transactions"]] == [step["step"] for step in foretold["transactions"]]
    for step, before in zip(told["transactions"], foretold["transactions"], strict=True):
        assert step["address"] == before["address"]
        assert 0.99 * step["gas"] <= before["gas"] <= step["gas"] + 10_000, step["step"]

    assert set(told["contracts"]) >= set(contract_artifacts.names()) - NOT_IN_SUITE
    for name, address in told["contracts"].items():
        verified = deployer.run("verify", address, "--json").told
        assert (verified["verified"], verified["contract"]) == (True, name.removesuffix(" (blueprint)"))
        assert verified["kind"] == ("blueprint" if name.endswith("(blueprint)") else "contract")
        if name in contract_artifacts.names() and "owner" in contract_artifacts.load(name).functions:
            assert deployer.ask(name, address, "owner") == OWNER, name
        if name in contract_artifacts.names() and "isAgent" in contract_artifacts.load(name).functions:
            assert deployer.ask(name, address, "isAgent", AGENT) is True, name
    registers = ("title_deed", "asset_registry", "security_factory")
    vault = told["contracts"]["title_vault"]
    assert [deployer.ask("title_vault", vault, name.replace("title_deed", "title_register")) for name in registers] == [
        told["contracts"][name] for name in registers
    ]


def test_a_run_that_was_cut_short_goes_on_and_sends_nothing_twice(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """The process ends here."""

    broadcast, calls = sending._broadcast, 0

    def dies_at_the_fourth(evm: Evm, raw: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise Killed
        broadcast(evm, raw)

    monkeypatch.setattr(sending, "_broadcast", dies_at_the_fourth)
    with pytest.raises(Killed), contextlib.redirect_stderr(io.StringIO()):
        main(["contracts", "deploy", SUITE, "--rpc", deployer.rpc.url, "--key-file", str(deployer.key_file)])
    monkeypatch.setattr(sending, "_broadcast", broadcast)
    looked = deployer.deploy(SUITE, "--dry-run").told
    assert (looked["dry_run"], looked["sent"]) == (True, 3)

    told = deployer.deploy(SUITE).told
    assert [step["was_done_before"] for step in told["transactions"]] == [True] * 3 + [False] * (len(told["transactions"]) - 3)
    assert deployer.evm.transaction_count(deployer.address) == len(told["transactions"])
    again = deployer.deploy(SUITE).told
    assert all(step["was_done_before"] for step in again["transactions"])
    assert deployer.evm.transaction_count(deployer.address) == len(told["transactions"])
    record = json.loads((deployer.folder / "deployment-31337-suite.json").read_text(encoding="utf-8"))
    assert record["contracts"] == told["contracts"]
    assert deployer.key.hex() not in json.dumps(record)


def test_one_contract_is_told_what_it_needs(deployer: Deployer) -> None:
    refused = deployer.deploy("payment_token").refusal
    assert refused["code"] == "app.deployment_arguments"
    assert "name (string), symbol (string), decimals (uint8)" in refused["message"]
    for wrong in ('["Test Dollar", "tUSD", "six"]', '["Test Dollar", "tUSD", 6, 7]'):
        assert deployer.deploy("payment_token", "--arguments", wrong).refusal["code"] == "app.deployment_arguments"
    told = deployer.deploy("payment_token", "--arguments", '["Test Dollar", "tUSD", 6]').told
    address = told["contracts"]["payment_token"]
    assert [deployer.ask("payment_token", address, what) for what in ("name", "symbol", "decimals")] == ["Test Dollar", "tUSD", 6]
    assert [step["step"] for step in told["transactions"]] == ["create payment_token", "payment_token.initialize"]


def test_a_contract_whose_constructor_takes_structs_gets_them_from_json(deployer: Deployer) -> None:
    kinds = [deployer.deploy(SUITE, "--dry-run").told["contracts"]]
    names = [name for name in kinds[0] if name.endswith(" (blueprint)")]
    made = deployer.deploy(SUITE).told["contracts"]
    parts = [[made[name], "0x" + contract_artifacts.load(name.removesuffix(" (blueprint)")).init_code_hash.hex()] for name in names]
    told = deployer.deploy("security_factory", "--arguments", json.dumps([parts, made["claim_verifier"]])).told
    assert deployer.ask("security_factory", told["contracts"]["security_factory"], "blueprints")[0][0] == parts[0][0]
    refused = deployer.deploy("security_factory", "--arguments", json.dumps([[["0x00"]]]), "--record", "other.json").refusal
    assert refused["code"] == "app.deployment_arguments"


def test_the_key_comes_from_a_file_a_keystore_or_the_environment_only(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert deployer.run("deploy", "title_deed", "--json").refusal["code"] == "chain.no_deployer_key"
    assert deployer.run("deploy", "title_deed", "--dry-run", "--json").refusal["code"] == "chain.no_deployer_key"

    document = json.dumps(Account.encrypt(deployer.key, "correct horse", iterations=2))
    keystore = deployer.private_file("keystore.json", document)
    by_keystore = ("deploy", "title_deed", "--keystore", str(keystore), "--dry-run", "--json")
    password = deployer.private_file("password", "correct horse")
    assert deployer.run(*by_keystore, "--password-file", str(password)).told["deployer"] == deployer.address
    refused = deployer.run(*by_keystore).refusal
    assert (refused["code"], refused["facts"]["problem"]) == ("chain.keystore_refused", "the password is wrong")
    monkeypatch.setenv("DEPLOYER_KEYSTORE_PASSWORD", "correct horse")
    assert deployer.run(*by_keystore).told["deployer"] == deployer.address
    for broken in ("{}", "no json", "[]"):
        deployer.private_file("keystore.json", broken)
        assert deployer.run(*by_keystore).refusal["facts"]["problem"] == "it is not a keystore of version 3"

    monkeypatch.setenv("DEPLOYER_KEY", deployer.key.hex())
    assert deployer.run("deploy", "title_deed", "--dry-run", "--json").told["deployer"] == deployer.address
    for bad in ("zz", "00" * 32, "01" * 31):
        monkeypatch.setenv("DEPLOYER_KEY", bad)
        ended = deployer.run("deploy", "title_deed", "--dry-run", "--json")
        assert (ended.code, ended.refusal["code"]) == (2, "infra.bad_private_key")
        assert bad not in ended.out
    deployer.key_file.chmod(0o644)
    exposed = deployer.run("deploy", "title_deed", "--key-file", str(deployer.folder / "key"), "--json").refusal
    assert exposed["code"] == "configuration.secret_exposed"


def nowhere(*, chain_id: int, rpc_url: str) -> bool:
    """Say that this is not the local chain."""
    assert (chain_id, rpc_url.startswith("http://127.0.0.1")) == (31337, True)
    return False


def test_a_development_key_signs_on_the_local_chain_of_this_machine_only(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    deployer.private_file("known", DEVELOPMENT_KEY)
    arguments = ("deploy", "title_deed", "--key-file", str(deployer.folder / "known"), "--json")
    with monkeypatch.context() as patched:
        patched.setattr(deploy_command, "development_keys_allowed", nowhere)
        refused = deployer.run(*arguments)
        assert (refused.code, refused.refusal["code"]) == (2, "infra.development_key_refused")
        assert deployer.run(*arguments, "--dry-run").refusal["code"] == "infra.development_key_refused"
    assert deployer.run(*arguments).code == 0


def test_an_empty_purse_is_refused_before_anything_is_sent(deployer: Deployer) -> None:
    deployer.rpc.call("anvil_setBalance", [deployer.address, hex(10**12)])
    ended = deployer.deploy("title_deed")
    assert (ended.code, ended.refusal["code"]) == (2, "chain.not_enough_coin")
    assert deployer.address in ended.refusal["message"]
    assert deployer.evm.transaction_count(deployer.address) == 0


def test_a_record_of_something_else_is_not_taken_up(deployer: Deployer) -> None:
    record = ("--record", str(deployer.folder / "record.json"))
    assert deployer.deploy("title_deed", *record).code == 0
    for arguments in (("title_vault", *record), ("title_deed", *record, "--agent", AGENT)):
        ended = deployer.deploy(*arguments)
        assert (ended.code, ended.refusal["code"]) == (2, "chain.record_of_another_deployment")
    (deployer.folder / "record.json").write_text("{", encoding="utf-8")
    assert deployer.deploy("title_deed", *record).refusal["code"] == "chain.record_of_another_deployment"


def test_a_nonce_that_was_used_otherwise_ends_the_plan(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    def says_no(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sending, "_broadcast", says_no)
        assert deployer.deploy("title_deed").code == 130
    other = Account.sign_transaction(
        {"chainId": 31337, "nonce": 0, "to": AGENT, "value": 1, "gas": 21_000, "gasPrice": 10**10}, deployer.key
    )
    deployer.evm.send_raw(bytes(other.raw_transaction))
    ended = deployer.deploy("title_deed")
    assert (ended.code, ended.refusal["code"]) == (2, "chain.nonce_taken")


def test_a_contract_that_somebody_took_over_is_not_gone_on_with(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast, raws = sending._broadcast, list[bytes]()

    def is_overtaken(evm: Evm, raw: bytes) -> None:
        broadcast(evm, raw)
        raws.append(raw)
        if len(raws) == 1:
            step = json.loads((deployer.folder / "deployment-31337-title_deed.json").read_text(encoding="utf-8"))["transactions"]
            receipt = None
            while receipt is None:
                receipt = evm.receipt(step["create title_deed"][0]["hash"])
            theft = contract_artifacts.load("title_deed").encode_call("initialize")
            deployer.rpc.call("eth_sendTransaction", [{"from": AGENT, "to": receipt.contract_address, "data": "0x" + theft.hex()}])

    monkeypatch.setattr(sending, "_broadcast", is_overtaken)
    ended = deployer.deploy("title_deed")
    assert (ended.code, ended.refusal["code"]) == (2, "chain.would_be_refused")
    assert "Initializable: contract is already initialized" in ended.refusal["message"]
    assert len(raws) == 1, "nothing more was sent"


def test_a_plan_that_would_fail_is_refused_before_anything_is_sent(deployer: Deployer) -> None:
    ended = deployer.deploy("title_deed", "--agent", AGENT, "--agent", AGENT)
    assert (ended.code, ended.refusal["code"]) == (2, "chain.would_be_refused")
    assert f"title_deed.addAgent {AGENT}” would be refused: Roles: account already has role" in ended.refusal["message"]
    assert deployer.evm.transaction_count(deployer.address) == 0


def test_a_transaction_that_is_not_mined_is_an_outage_and_is_sent_again_with_a_higher_bid(
    manual_chain_rpc: JsonRpc, deployer: Deployer
) -> None:
    slow = Deployer(manual_chain_rpc, deployer.key, deployer.folder)
    manual_chain_rpc.call("anvil_setBalance", [slow.address, hex(100 * COIN)])
    ended = slow.deploy("title_vault", "--wait", "0.5")
    assert (ended.code, ended.refusal["code"], ended.refusal["retry"]) == (3, "outage.rpc", True)
    assert "is sent and not mined" in ended.refusal["message"]
    slow.deploy("title_vault", "--wait", "0.5")
    file = slow.folder / "deployment-31337-title_vault.json"
    assert len(json.loads(file.read_text(encoding="utf-8"))["transactions"]["create title_vault"]) == 1, "the same bytes again"
    manual_chain_rpc.call("anvil_setNextBlockBaseFeePerGas", [hex(50 * 10**9)])
    manual_chain_rpc.call("evm_mine")
    slow.deploy("title_vault", "--wait", "0.5")
    bids = [entry["max_fee"] for entry in json.loads(file.read_text(encoding="utf-8"))["transactions"]["create title_vault"]]
    assert len(bids) == 2 and bids[1] > 2 * bids[0]
    manual_chain_rpc.call("evm_setAutomine", [True])
    manual_chain_rpc.call("evm_mine")
    told = slow.deploy("title_vault").told
    assert [step["was_done_before"] for step in told["transactions"]] == [True, False]


def test_a_clone_is_followed_and_a_foreign_contract_is_a_finding(deployer: Deployer) -> None:
    vault = deployer.deploy("title_vault").told["contracts"]["title_vault"]
    for behind, verified in ((vault, True), (AGENT, False)):
        clone = created(deployer, "363d3d373d3d3d363d73" + behind[2:].lower() + TAIL)
        ended = deployer.run("verify", clone, "--json")
        told = ended.told
        assert (ended.code, told["verified"], told["clone_of"], told["runtime_bytes"]) == (0 if verified else 1, verified, behind, 45)
    assert "is a clone of" in deployer.run("verify", created(deployer, "363d3d373d3d3d363d73" + vault[2:].lower() + TAIL)).out
    ended = deployer.run("verify", created(deployer, "00"), "--json")
    assert (ended.code, ended.told["verified"], ended.told["runtime_bytes"]) == (1, False, 1)
    ended = deployer.run("verify", vault, "--contract", "title_deed", "--json")
    assert (ended.code, ended.told["verified"], ended.told["contract"], ended.told["nearest"]) == (1, False, "title_deed", "title_deed")
    told = deployer.run("verify", vault, "--contract", "title_vault", "--json").told
    code = contract_artifacts.load("title_vault").deployed_bytecode
    assert (told["runtime_bytes"], told["code_keccak256"], told["immutables"]) == (len(code), "0x" + keccak(code).hex(), "0x")


def created(deployer: Deployer, runtime: str) -> str:
    """Put some code on the chain: PUSH1 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN, then the code."""
    init_code = f"60{len(runtime) // 2:02x}80600a3d393df300{runtime}"
    sent = deployer.rpc.call("eth_sendTransaction", [{"from": AGENT, "data": "0x" + init_code, "gas": hex(200_000)}])
    receipt = None
    while receipt is None:
        receipt = deployer.evm.receipt(sent)
    assert receipt.succeeded and receipt.contract_address is not None
    return receipt.contract_address


def test_people_read_what_it_costs_and_where_it_stands(deployer: Deployer) -> None:
    look = deployer.run("deploy", "title_vault", "--dry-run", "--from", deployer.address)
    assert "nothing is sent" in look.out and "create title_vault" in look.out and "coin" in look.out
    done = deployer.run("deploy", "title_vault", "--key-file", str(deployer.key_file))
    assert "create title_vault: " in done.err and "recorded in deployment-31337-title_vault.json" in done.out
    address = done.out.split()[0]
    assert address in look.out
    half = deployer.run("deploy", "title_vault", "--key-file", str(deployer.key_file), "--dry-run")
    assert "2 of 2 transactions are sent" in half.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["deploy", "no_such_thing"], "app.no_such_contract"),
        (["deploy", "title_deed", "--arguments", "{}"], "app.bad_arguments"),
        (["deploy", "title_deed", "--arguments", "not json"], "app.bad_arguments"),
        (["deploy", "suite", "--salt", "0x12"], "app.bad_arguments"),
        (["deploy", "title_deed", "--agent", "0x0"], "parties.not_an_address"),
        (["verify", AGENT], "app.no_code"),
        (["verify", AGENT, "--contract", "no_such_thing"], "app.no_such_contract"),
    ],
)
def test_what_makes_no_sense_is_refused(deployer: Deployer, arguments: list[str], code: str) -> None:
    more = ["--key-file", str(deployer.key_file)] if arguments[0] == "deploy" else []
    ended = deployer.run(*arguments, *more, "--json")
    assert (ended.code, ended.refusal["code"]) == (2, code)
    assert ended.refusal["cure"]


def test_a_node_is_named_and_its_password_never_on_the_command_line(deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("contracts", "verify", AGENT, "--json").refusal["code"] == "app.no_node"
    secret = "http://user:hunter2@127.0.0.1:1"
    ended = run("contracts", "verify", AGENT, "--rpc", secret, "--json")
    assert (ended.code, ended.refusal["code"]) == (2, "app.secret_in_argument")
    assert "hunter2" not in ended.out
    monkeypatch.setenv("CHAIN_RPC_URL_FILE", str(deployer.private_file("rpc", deployer.rpc.url)))
    assert run("contracts", "verify", AGENT, "--json").refusal["code"] == "app.no_code"
    assert run("contracts", "verify", AGENT, "--rpc", "http://127.0.0.1:1", "--json").code == 3


def test_a_salt_moves_the_suite_that_the_factory_makes(deployer: Deployer) -> None:
    look = ("deploy", SUITE, "--dry-run", "--from", deployer.address, "--json")
    usual, other = deployer.run(*look).told, deployer.run(*look, "--salt", "0x" + "11" * 32).told
    made = {name for name, address in usual["contracts"].items() if other["contracts"][name] != address}
    assert made and all(not name.endswith("(blueprint)") for name in made)
    assert "title_vault" not in made
