# SPDX-License-Identifier: Apache-2.0
"""The contracts of others, from npm under the lock beside this file: the ERC-3643 reference, ONCHAINID and OpenZeppelin's ERC-20.

For measuring and testing only. Their licences (GPL-3.0, CC-BY-NC, ISC, MIT) stay with them: nothing of theirs is committed or shipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from muniment.infra.evm.contract_artifacts import ContractArtifact, read
from muniment.infra.node import NodeTools, find_node

HERE = Path(__file__).parent
HOME = HERE.parents[1] / "build" / "peers"
INSTALL_SECONDS_MAX = 600
COMPILE_SECONDS_MAX = 120

# The rules that a plain ERC-20 is compiled by: as most are deployed.
OPTIMIZER_RUNS = 200
EVM_VERSION = "prague"

PURPOSE = "the contracts that ours are compared with"


class PeersNotInstalled(Exception):
    """npm could not bring the packages, or the compiler refused; the message says what it said."""


@cache
def packages() -> Path:
    """Return the folder `node_modules` with the locked packages, installing them the first time (needs npm's registry)."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = HOME / hashlib.sha256(lock).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "complete"
    guard = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not done.exists():
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copyfile(HERE / name, folder / name)
            # `npm ci` takes exactly what the lock says and compares each package's SHA-512; no package's script runs.
            _run([*_tools().npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder=folder)
            done.touch()
    finally:
        os.close(guard)
    return folder / "node_modules"


@cache
def trex(name: str) -> ContractArtifact:
    """Return a contract of the ERC-3643 reference as its package ships it compiled, such as `Token` or `IdentityRegistry`."""
    return _shipped(packages() / "@tokenysolutions" / "t-rex" / "artifacts" / "contracts", name)


@cache
def onchainid(name: str) -> ContractArtifact:
    """Return a contract of ONCHAINID as its package ships it compiled, such as `Identity` or `ClaimIssuer`."""
    return _shipped(packages() / "@onchain-id" / "solidity" / "artifacts" / "contracts", name)


def version_of(package: str) -> str:
    """Return the version of a package as the lock has it."""
    return str(json.loads((packages() / package / "package.json").read_text(encoding="utf-8"))["version"])


@cache
def plain_token() -> ContractArtifact:
    """Return OpenZeppelin's ERC-20 with an open mint, compiled by the locked solc."""
    settings = {
        "optimizer": {"enabled": True, "runs": OPTIMIZER_RUNS},
        "evmVersion": EVM_VERSION,
        "outputSelection": {"*": {"PlainToken": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]}},
    }
    source = (HERE / "plain_token.sol").read_text(encoding="utf-8")
    asked = {"language": "Solidity", "sources": {"plain_token.sol": {"content": source}}, "settings": settings}
    folder = packages()
    command = [*_tools().node, str(folder / "solc" / "solc.js"), "--standard-json", "--base-path", str(folder)]
    told = _run(command, folder=folder, given=json.dumps(asked))
    # solc-js may say a line about itself before the object.
    answer: dict[str, Any] = json.loads(told[told.index("{") :])
    errors = [error["formattedMessage"] for error in answer.get("errors", ()) if error["severity"] == "error"]
    if errors:
        raise PeersNotInstalled("\n".join(errors))
    made = answer["contracts"]["plain_token.sol"]["PlainToken"]
    code = made["evm"]
    return read("PlainToken", abi=made["abi"], bytecode=code["bytecode"]["object"], deployed_bytecode=code["deployedBytecode"]["object"])


def _shipped(folder: Path, name: str) -> ContractArtifact:
    found = [path for path in folder.rglob(f"{name}.json") if path.parent.name == f"{name}.sol"]
    if len(found) != 1:
        raise PeersNotInstalled(f"{len(found)} artifacts are called {name} in {folder}")
    shipped = json.loads(found[0].read_text(encoding="utf-8"))
    return read(name, abi=shipped["abi"], bytecode=shipped["bytecode"], deployed_bytecode=shipped["deployedBytecode"])


@cache
def _tools() -> NodeTools:
    return find_node(purpose=PURPOSE)


def _run(command: list[str], *, folder: Path, given: str | None = None) -> str:
    seconds = INSTALL_SECONDS_MAX if given is None else COMPILE_SECONDS_MAX
    ran = subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=seconds, check=False)
    if ran.returncode != 0:
        raise PeersNotInstalled(ran.stderr.strip() or f"{command[-1]} ended with {ran.returncode}")
    return ran.stdout
