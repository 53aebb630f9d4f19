# SPDX-License-Identifier: Apache-2.0
"""The console blocks of a page: what is typed and what is shown, and whether what was printed is what is shown. Runs nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FENCE = re.compile(r"^```(?P<language>[a-z]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
PROMPT = "$ "
ANYTHING = "…"

# What differs from run to run, in the order in which it is looked for. Ids are kept: a later command of the page may name one.
_IDS = r"0x[0-9a-fA-F]{6,}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{64}"
_VOLATILE = re.compile(
    rf"(?P<id>{_IDS})|(?P<anything>…)|(?P<block>\bblock +[0-9]+)|(?P<instant>[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[T ][0-9:.]+)"
    r"|(?P<address>http://127\.0\.0\.1:[0-9]+)|(?P<seconds>\b[0-9]+\.[0-9] s\b)|(?P<password>\b[0-9a-f]{20}\b)"
)
_PATTERNS = {
    "anything": ".*",
    "block": r"block +[0-9]+",
    "instant": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+",
    "address": r"http://127\.0\.0\.1:[0-9]+",
    "seconds": r"[0-9]+\.[0-9] s",
    "password": "[0-9a-f]{20}",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """One command, the lines that the page shows below it, and where it stands."""

    line: int
    command: str
    shown: tuple[str, ...]


def commands_of(page: str) -> list[Typed]:
    """Return the commands of a page in their order; a backslash at a line's end joins the next line to it."""
    found: list[Typed] = []
    for block in FENCE.finditer(page):
        if block["language"] != "console":
            continue
        first = page.count("\n", 0, block.start("body")) + 1
        lines = block["body"].splitlines()
        assert lines and lines[0].startswith(PROMPT), f"line {first}: a console block begins with a command"
        index = 0
        while index < len(lines):
            at, command = first + index, lines[index].removeprefix(PROMPT)
            index += 1
            while command.endswith("\\"):
                command += "\n" + lines[index]
                index += 1
            shown = []
            while index < len(lines) and not lines[index].startswith(PROMPT):
                shown.append(lines[index])
                index += 1
            found.append(Typed(at, command, tuple(shown)))
    return found


def with_known_ids(command: str, known: Mapping[str, str]) -> str:
    """Return the command with the ids that the page shows replaced by those of this run."""
    return re.sub(_IDS, lambda found: known.get(found[0], found[0]), command)


def difference(shown: Sequence[str], printed: Sequence[str], known: dict[str, str]) -> str | None:
    """Return how what was printed differs from what the page shows, or None; the ids of both are added to `known`, in pairs.

    A line `…` stands for any lines. In a line, `…` stands for any text, and ids, addresses, blocks, instants and seconds for others of
    their kind; the same id on the page is the same id in the run. A page that shows nothing says nothing.
    """
    if not shown:
        return None
    printed = [line.rstrip() for line in printed]
    position, gap = 0, False
    for line in shown:
        if line.strip() == ANYTHING:
            gap = True
            continue
        pattern, ids = _pattern(line.rstrip(), known)
        while position < len(printed):
            matched = pattern.fullmatch(printed[position])
            position += 1
            if matched is not None:
                known |= {each: matched[f"id{number}"] for number, each in enumerate(ids)}
                break
            if not gap:
                return f"the page shows  {line!r}\nthe run printed {printed[position - 1]!r}"
        else:
            return f"the page shows  {line!r}\nthe run printed nothing like it"
        gap = False
    if position < len(printed) and not gap:
        return f"the page shows no more\nthe run printed {printed[position]!r}"
    return None


def _pattern(line: str, known: Mapping[str, str]) -> tuple[re.Pattern[str], list[str]]:
    parts: list[str] = []
    ids: list[str] = []
    end = 0
    for found in _VOLATILE.finditer(line):
        parts.append(re.escape(line[end : found.start()]))
        end = found.end()
        text = found[0]
        if found["id"] is None:
            assert found.lastgroup is not None
            parts.append(_PATTERNS[found.lastgroup])
        elif text in known:
            parts.append(re.escape(known[text]))
        elif text in ids:
            parts.append(f"(?P=id{ids.index(text)})")
        else:
            parts.append(f"(?P<id{len(ids)}>{_IDS})")
            ids.append(text)
    parts.append(re.escape(line[end:]))
    return re.compile("".join(parts)), ids
