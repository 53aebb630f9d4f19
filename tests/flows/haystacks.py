# SPDX-License-Identifier: Apache-2.0
"""Where personal data could leak to, as bytes, and the forms in which it could be written there. Holds no test."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eth_hash.auto import keccak

from muniment.infra.evm.rpc import JsonRpc
from muniment.infra.postgres.embedded import pg_dump

SHORT = 4
"""Anything shorter would be found by chance."""


def forms_of(value: str, *, hashes: bool = True) -> dict[str, bytes]:
    """Return how a value may be written: plain, escaped, in hexadecimal, in base64, or as an unsalted hash, raw and in hexadecimal.

    All in lower case, as `found_in` compares. An unsalted hash of something guessable is as good as the thing; of a random secret not.
    """
    text = value.encode()
    forms = {
        "plain": text.lower(),
        "hexadecimal": text.hex().encode(),
        "url": quote(value).lower().encode(),
        "json": json.dumps(value)[1:-1].lower().encode(),
        "base64": base64.b64encode(text).rstrip(b"=").lower(),
    }
    if not hashes:
        return forms
    for name, hashed in {"as it is": text, "case folded": value.casefold().encode()}.items():
        for algorithm, digest in {"keccak256": keccak(hashed), "sha256": hashlib.sha256(hashed).digest()}.items():
            forms[f"{algorithm} {name}"] = digest.lower()
            forms[f"{algorithm} {name} in hexadecimal"] = digest.hex().encode()
    return forms


def found_in(haystack: bytes, values: Mapping[str, str], *, hashes: bool = True) -> list[str]:
    """Return which values occur in which form, by their names only: what a test prints goes into a log too."""
    lowered = haystack.lower()
    hits: list[str] = []
    for name, value in values.items():
        assert len(value) >= SHORT, f"{name} is too short to be looked for"
        hits += [f"{name} ({form})" for form, needle in forms_of(value, hashes=hashes).items() if needle in lowered]
    return hits


def files_of(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what running processes wrote for people to read and what they left lying about: not the database, not the secrets."""
    for path in sorted(home.rglob("*")):
        parts = path.relative_to(home).parts
        if path.is_file() and parts[0] not in {"postgres", "secrets"}:
            yield "/".join(parts), path.read_bytes()


def database_files(home: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a stopped server: tables and indexes with their dead rows, and the write-ahead log."""
    for path in sorted((home / "postgres").rglob("*")):
        if path.is_file():
            yield str(path.relative_to(home)), path.read_bytes()


def dump_of(database_url: str) -> bytes:
    """Return every row of every table as text."""
    done = subprocess.run([str(pg_dump()), "--format=plain", "--no-owner", f"--dbname={database_url}"], capture_output=True, check=True)
    return done.stdout


def chain_of(rpc: JsonRpc) -> dict[str, bytes]:
    """Return all that anybody can read on the chain: each transaction's calldata and each event's topics and data."""
    head = int(rpc.call("eth_blockNumber"), 16)
    calldata: list[bytes] = []
    for number in range(head + 1):
        block: dict[str, Any] = rpc.call("eth_getBlockByNumber", [hex(number), True])
        calldata += [bytes.fromhex(transaction["input"][2:]) for transaction in block["transactions"]]
        calldata.append(bytes.fromhex(block["extraData"][2:]))
    logs: list[dict[str, Any]] = rpc.call("eth_getLogs", [{"fromBlock": "0x0", "toBlock": hex(head)}])
    events = [bytes.fromhex(part[2:]) for log in logs for part in (*log["topics"], log["data"])]
    # A separator keeps the end of one from making a hit with the beginning of the next.
    return {"calldata": b"\xff|\xff".join(calldata), "events": b"\xff|\xff".join(events)}
