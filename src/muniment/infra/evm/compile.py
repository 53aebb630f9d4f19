# SPDX-License-Identifier: Apache-2.0
"""Compiles the contracts with the pinned Vyper into one JSON file each; knows nothing of chains, and is not needed to run Muniment.

The build hook loads this file by its path, before the package is installed: only the standard library is imported, and the compiler
runs as a program of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

VYPER_VERSION = "0.4.3"
EVM_VERSION = "prague"
OPTIMIZE = "gas"
PROCESSES = 2
COMPILE_SECONDS_MAX = 120

# EIP-170; a blueprint (ERC-5202) stores three bytes more than the init code, under the same limit.
CODE_BYTES_MAX = 24_576
BLUEPRINT_PREAMBLE_BYTES = 3

# Artifact name -> source, under the contracts folder.
CONTRACTS = {
    "asset_registry": "registry/asset_registry.vy",
    "ballot": "governance/ballot.vy",
    "basket": "funds/basket.vy",
    "claim_topics_registry": "identity/claim_topics_registry.vy",
    "claim_verifier": "identity/claim_verifier.vy",
    "compliance": "compliance/compliance.vy",
    "delivery_versus_payment": "settlement/delivery_versus_payment.vy",
    "identity_registry": "identity/identity_registry.vy",
    "identity_registry_storage": "identity/identity_registry_storage.vy",
    "joint_compliance": "compliance/joint_compliance.vy",
    "payment_token": "token/payment_token.vy",
    "payout": "distribution/payout.vy",
    "plan_checkout": "checkout/plan_checkout.vy",
    "security_factory": "factory/security_factory.vy",
    "security_token": "token/security_token.vy",
    "subscription": "offering/subscription.vy",
    "title_deed": "title/title_deed.vy",
    "transfer_rules": "compliance/transfer_rules.vy",
    "title_vault": "title/title_vault.vy",
    "trusted_issuers_registry": "identity/trusted_issuers_registry.vy",
}
REASONS = "reasons.json"

_IMPORT = re.compile(r"^from\s+([\w.]+)\s+import\s+(\w+)", re.MULTILINE)
_SETTINGS = {"name": "vyper", "version": VYPER_VERSION, "evm_version": EVM_VERSION, "optimize": OPTIMIZE}


class ContractsNotBuilt(Exception):
    """The contracts could not be compiled; the message is the compiler's, or says what to install."""


def build(contracts_dir: Path, out: Path, *, progress: Callable[[str], None]) -> None:
    """Write `NAME.json` of every contract and `reasons.json` into `out`; leave alone what was built from the same sources.

    Each artifact holds `contract`, `abi`, `bytecode` (init code, 0x), `deployed_bytecode` (0x, before constants set at deployment)
    and `compiler` (name, version, settings, SHA-256 of the sources). `progress` is told one line a contract.

    Raises ContractsNotBuilt when the compiler is missing, another version, or refuses a source, and when code is too large for a
    chain (EIP-170).
    """
    sources = {name: contracts_dir / path for name, path in CONTRACTS.items()}
    missing = [str(path) for path in sources.values() if not path.is_file()]
    if missing:
        raise ContractsNotBuilt(f"no such source: {', '.join(missing)}")
    out.mkdir(parents=True, exist_ok=True)
    digests = {name: _sources_digest(path, contracts_dir) for name, path in sources.items()}
    stale = [name for name in sources if _built_digest(out / f"{name}.json") != digests[name]]
    if stale:
        _check_compiler()

    def compile_one(name: str) -> None:
        artifact = _compile(name, sources[name], contracts_dir=contracts_dir, digest=digests[name])
        _write(out / f"{name}.json", json.dumps(artifact, indent=1, sort_keys=True) + "\n")
        progress(f"{name}: {len(artifact['deployed_bytecode']) // 2 - 1} bytes")

    # The largest sources first, so that the last process does not run alone for long.
    stale.sort(key=lambda name: sources[name].stat().st_size, reverse=True)
    with ThreadPoolExecutor(max_workers=PROCESSES) as pool:
        for _ in pool.map(compile_one, stale):
            pass
    _write(out / REASONS, (contracts_dir / REASONS).read_text(encoding="utf-8"))
    for leftover in out.glob("*.json"):
        if leftover.name != REASONS and leftover.stem not in sources:
            leftover.unlink()


def _sources_digest(source: Path, contracts_dir: Path) -> str:
    """SHA-256 over the settings and every file that the source imports, directly or not."""
    seen: dict[str, bytes] = {}
    waiting = [source]
    while waiting:
        path = waiting.pop()
        place = path.relative_to(contracts_dir).as_posix()
        if place in seen:
            continue
        seen[place] = path.read_bytes()
        for package, module in _IMPORT.findall(seen[place].decode("utf-8")):
            stem = contracts_dir / package.replace(".", "/") / module
            waiting.extend(found for found in (stem.with_suffix(".vy"), stem.with_suffix(".vyi")) if found.is_file())
    whole = hashlib.sha256(json.dumps(_SETTINGS, sort_keys=True).encode())
    for place in sorted(seen):
        whole.update(place.encode() + b"\0" + hashlib.sha256(seen[place]).digest())
    return whole.hexdigest()


def _built_digest(artifact: Path) -> str | None:
    try:
        return json.loads(artifact.read_text(encoding="utf-8"))["compiler"]["sources_sha256"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        # Absent, cut short by a crash, or not ours: all are mended by compiling again.
        return None


def _check_compiler() -> None:
    found = _run_vyper(["--version"], cwd=None)
    if found.split("+")[0].strip() != VYPER_VERSION:
        raise ContractsNotBuilt(f"Vyper {VYPER_VERSION} is needed, found {found.strip()}; run: pip install vyper=={VYPER_VERSION}")


def _compile(name: str, source: Path, *, contracts_dir: Path, digest: str) -> dict[str, Any]:
    place = source.relative_to(contracts_dir).as_posix()
    flags = ["-f", "abi,bytecode,bytecode_runtime", "-O", OPTIMIZE, "--evm-version", EVM_VERSION, "-p", ".", "--disable-sys-path"]
    lines = _run_vyper([*flags, place], cwd=contracts_dir).split("\n")
    abi, bytecode, deployed = (line for line in lines if line)
    if len(deployed) // 2 - 1 > CODE_BYTES_MAX or len(bytecode) // 2 - 1 + BLUEPRINT_PREAMBLE_BYTES > CODE_BYTES_MAX:
        raise ContractsNotBuilt(f"{place}: {len(bytecode) // 2 - 1} bytes of init code do not fit {CODE_BYTES_MAX} (EIP-170)")
    compiler = _SETTINGS | {"sources_sha256": digest}
    return {"contract": name, "abi": json.loads(abi), "bytecode": bytecode, "deployed_bytecode": deployed, "compiler": compiler}


def _run_vyper(arguments: list[str], *, cwd: Path | None) -> str:
    # By module, not by the script beside it: an isolated build has the one without the other on its path.
    command = [sys.executable, "-c", "from vyper.cli.vyper_compile import _parse_cli_args; _parse_cli_args()", *arguments]
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False)
    if ran.returncode != 0:
        raise ContractsNotBuilt(ran.stderr.strip() or f"the compiler ended with {ran.returncode}")
    return ran.stdout


def _write(path: Path, text: str) -> None:
    """Replace the file whole, so that a build that is killed leaves no half of one."""
    # Two builds at once, as of two test processes, must not take each other's part away.
    part = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
