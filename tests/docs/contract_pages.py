# SPDX-License-Identifier: Apache-2.0
"""One page for each contract of the build, from its source, its artifact, the table of reasons and the measured gas. Writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from eth_hash.auto import keccak

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.compile import CODE_BYTES_MAX, CONTRACTS
from muniment.infra.evm.contract_artifacts import ContractArtifact, ContractFunction
from tests.docs.contract_source import SOURCES, Source, source

REPOSITORY = Path(__file__).parents[2]
HEAD = "<!-- Made by `python -m tests.docs.reference`; change the source and run it again. -->"
TRUST = SOURCES / "trust.md"
GAS_SNAPSHOT = REPOSITORY / "bench" / "gas_snapshot.json"

# Interface id -> standard. Facts: the standards' own pages.
INTERFACES = {
    "0x01ffc9a7": "ERC-165",
    "0x150b7a02": "ERC-721 receiver",
    "0x3edbb4c4": "ERC-7943, fungible",
    "0x49064906": "ERC-4906, metadata updates",
    "0x5b5e139f": "ERC-721 metadata",
    "0x7f5828d0": "ERC-173, ownership",
    "0x80ac58cd": "ERC-721",
    "0x84b0196e": "ERC-5267, EIP-712 domain",
    "0x9d8ff7da": "ERC-2612, permit",
    "0x36372b07": "ERC-20",
    "0xa219a025": "ERC-20 metadata",
    "0xbf1ef5fe": "ERC-7943, non-fungible",
    "0x620ee8e4": "ERC-7540, asynchronous redemption",
    "0xce3bbe50": "ERC-7540, asynchronous deposit",
    "0xe3bc4e65": "ERC-7540, operators",
    "0x2f0a18c5": "ERC-7575",
    "0x1626ba7e": "ERC-1271, signatures of contracts",
}

# Which measured figures belong to which contract; a figure that stands nowhere here is on the index.
GAS: Mapping[str, tuple[str, ...]] = {
    "security_token": (
        "transfer",
        "transfer_erc3643_calls",
        "transfer_new_holder",
        "transfer_multi_wallet",
        "transfer_multi_wallet_from",
        "transfer_multi_wallet_both",
        "transfer_live_lockup",
        "transfer_from",
        "batch_transfer_per_recipient",
        "mint_new_holder",
        "batch_mint_per_investor",
        "forced_transfer",
        "recovery",
    ),
    "joint_compliance": (
        "register_investor",
        "register_investor_batch_each",
        "register_claim",
        "register_claim_batch_each",
        "new_investor_total",
    ),
    "security_factory": ("deploy_suite", "deploy_suite_clone", "deploy_issuer_suite"),
    "delivery_versus_payment": ("settle_first_trade", "settle_later_whole", "settle_later_partial", "settle_per_fill_100_over_20"),
    "payout": ("push_per_recipient", "claim"),
    "ballot": ("vote",),
}


def pages() -> dict[str, Callable[[], str]]:
    """Return every page by its path below docs/reference."""
    made: dict[str, Callable[[], str]] = {f"contracts/{name}.md": partial(contract_page, name) for name in contract_artifacts.names()}
    return made | {"contracts/README.md": index_page}


def index_page() -> str:
    """Return the page that lists the contracts."""
    lines = [
        "# Contracts",
        "",
        HEAD,
        "",
        "What stands on the chain, one page a contract: who may call what, events, refusals, limits, whom one trusts. How to put them on a",
        "chain: [Deploy the contracts](../../how-to/deploy-the-contracts.md).",
        "",
        f"Vyper 0.4.3, `-O gas`, EVM *prague*. A contract's code has at most {CODE_BYTES_MAX:,} bytes (EIP-170).",
        "",
        "| contract | bytes | decides |",
        "| --- | ---: | --- |",
    ]
    for name in contract_artifacts.names():
        decides = _first_sentence(_source(name).notes.notice)
        lines.append(f"| [{name}]({name}.md) | {len(contract_artifacts.load(name).deployed_bytecode):,} | {decides} |")
    snapshot = _gas_snapshot()
    if snapshot:
        placed = {key for name in contract_artifacts.names() for key in GAS.get(name, ())}
        lines += ["", "## Measured gas", "", "Gas used by whole transactions, from `bench/gas_snapshot.json`:", ""]
        lines += ["| what | gas | contract |", "| --- | ---: | --- |"]
        for key, gas in sorted(snapshot.items()):
            owners = [name for name in contract_artifacts.names() if key in GAS.get(name, ())]
            shown = ", ".join(f"[{name}]({name}.md)" for name in owners) if key in placed else ""
            lines.append(f"| `{key}` | {gas:,} | {shown} |")
    return "\n".join(lines) + "\n"


def contract_page(name: str) -> str:
    """Return the page of one contract."""
    artifact, file = contract_artifacts.load(name), _source(name)
    lines = [f"# {name}", "", HEAD, "", file.notes.notice, ""]
    if file.notes.details:
        lines += [file.notes.details, ""]
    lines += [
        f"Source: `contracts/{CONTRACTS[name]}`; {len(artifact.deployed_bytecode):,} bytes of code of {CODE_BYTES_MAX:,} (EIP-170).",
        "",
        "## Trust and upgrade",
        "",
        _trust()[name],
        "",
    ]
    functions = [function for named in artifact.functions.values() for function in named]
    acts, views = ([each for each in functions if each.is_view is is_view] for is_view in (False, True))
    if acts:
        lines += ["## Who may do what", "", "Where a text stands in place of a role, everybody else is refused with it.", ""]
        lines += ["| act | who |", "| --- | --- |"]
        lines += [f"| [`{each.name}`](#{_anchor(artifact, each)}) | {file.callers_of(each.name)} |" for each in _one_of_each_name(acts)]
        lines += ["", "## Acts", ""]
        for act in acts:
            lines += _function(artifact, file, act)
    if views:
        lines += ["## Views", ""]
        for view in views:
            lines += _function(artifact, file, view)
    lines += [*_events(artifact), *_refusals(name, file, functions), *_interfaces(file), *_limits(file), *_gas(name)]
    return "\n".join(lines).rstrip() + "\n"


def _function(artifact: ContractArtifact, file: Source, function: ContractFunction) -> Iterator[str]:
    notes, inputs, outputs = file.notes_of(function.name), _entries(artifact, function, "inputs"), _entries(artifact, function, "outputs")
    shown, answered = (", ".join(f"{_type(entry)} {entry['name']}".strip() for entry in side) for side in (inputs, outputs))
    yield f"### {_heading(artifact, function)}"
    yield ""
    answers = f" → `{answered}`" if outputs else ""
    yield f"`0x{function.selector.hex()}` `{function.name}({shown})`{answers}"
    yield ""
    if notes.notice:
        yield notes.notice
        yield ""
    if notes.details:
        yield notes.details
        yield ""
    told = [f"- `{name}`: {text}" for name, text in notes.parameters]
    if notes.returns:
        told.append(f"- Answers: {notes.returns}")
    refusals = [f"`{each.text}`" if each.is_error else f"“{each.text}”" for each in file.refusals_of(function.name)]
    if refusals:
        told.append(f"- Refuses: {', '.join(refusals)}")
    if told:
        yield from told
        yield ""


def _events(artifact: ContractArtifact) -> Iterator[str]:
    if not artifact.events:
        return
    yield from ("## Events", "", "| event | topic |", "| --- | --- |")
    for event in sorted(artifact.events.values(), key=lambda event: event.name):
        parameters = ", ".join(f"{kind}{' indexed' if is_indexed else ''} {name}" for name, kind, is_indexed in event.parameters)
        yield f"| `{event.name}({parameters})` | `0x{event.topic.hex()}` |"
    yield ""


def _refusals(name: str, file: Source, functions: list[ContractFunction]) -> Iterator[str]:
    published = [row for row in contract_artifacts.reasons() if row.contract == name]
    texts = {refusal.text: refusal for function in functions for refusal in file.refusals_of(function.name)}
    if not texts and not published:
        return
    yield from ("## Refusals", "", "| text of the revert | our code | `check_transfer` answers |", "| --- | --- | ---: |")
    for refusal in sorted(texts.values(), key=lambda refusal: (refusal.is_error, refusal.text)):
        rows = [row for row in published if row.revert == refusal.text]
        if refusal.is_error:
            yield f"| `{refusal.text}` (`0x{keccak(refusal.text.encode())[:4].hex()}`) | | |"
        elif not rows:
            yield f"| {refusal.text} | | |"
        else:
            yield from (f"| {row.revert} | `{row.code}` | {row.chain_code} |" for row in rows)
    for row in published:
        if row.revert not in texts:
            yield f"| {row.revert} | `{row.code}` | {row.chain_code} |"
    yield ""


def _interfaces(file: Source) -> Iterator[str]:
    ids = file.interface_ids()
    if ids:
        yield from ("## Interfaces", "", "`supportsInterface` (ERC-165) says yes to:", "")
        yield from (f"- `{each}` {INTERFACES.get(each.lower(), '')}".rstrip() for each in ids)
        yield ""


def _limits(file: Source) -> Iterator[str]:
    limits = file.limits()
    if limits:
        yield from ("## Limits", "", "| bound | value |", "| --- | ---: |")
        yield from (f"| `{name}` | {value} |" for name, value in sorted(limits.items()))
        yield ""


def _gas(name: str) -> Iterator[str]:
    snapshot = _gas_snapshot()
    measured = [(key, snapshot[key]) for key in GAS.get(name, ()) if key in snapshot]
    if measured:
        yield from ("## Gas", "", "Whole transactions, from `bench/gas_snapshot.json`:", "", "| what | gas |", "| --- | ---: |")
        yield from (f"| `{key}` | {gas:,} |" for key, gas in measured)
        yield ""


def _entries(artifact: ContractArtifact, function: ContractFunction, side: str) -> list[Mapping[str, Any]]:
    for entry in artifact.abi:
        if entry["type"] == "function" and entry["name"] == function.name and len(entry["inputs"]) == len(function.inputs):
            return list(entry[side])
    raise KeyError(function.signature)


def _type(entry: Mapping[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    parts = ", ".join(f"{_type(part)} {part['name']}" for part in entry["components"])
    return f"({parts}){entry['type'].removeprefix('tuple')}"


def _one_of_each_name(functions: list[ContractFunction]) -> list[ContractFunction]:
    return list({function.name: function for function in reversed(functions)}.values())[::-1]


def _heading(artifact: ContractArtifact, function: ContractFunction) -> str:
    """Return the function's name, with the number of arguments where it is not the only one of that name."""
    alone = len(artifact.functions[function.name]) == 1
    return function.name if alone else f"{function.name} with {len(function.inputs)} arguments"


def _anchor(artifact: ContractArtifact, function: ContractFunction) -> str:
    """Return where the function's heading is, as pages make an anchor of a heading."""
    return _heading(artifact, function).lower().replace(" ", "-")


def _first_sentence(notice: str) -> str:
    return re.split(r"(?<=[.:])\s", notice, maxsplit=1)[0].rstrip(":") or "–"


def _source(name: str) -> Source:
    return source(SOURCES / CONTRACTS[name])


@cache
def _trust() -> Mapping[str, str]:
    """Return what contracts/trust.md says of each contract, by name."""
    sections = re.split(r"^## (\w+)$", TRUST.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(sections[1::2], sections[2::2], strict=True)}


@cache
def _gas_snapshot() -> Mapping[str, int]:
    """Return the measured figures; none where nothing was measured yet."""
    try:
        return dict(json.loads(GAS_SNAPSHOT.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
