# SPDX-License-Identifier: Apache-2.0
"""The tidy rules: each takes a tree and returns what breaks it, one sentence per place. The tests that apply them are `test_rules`."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tests.tidy.tree import SourceFile, Tree

Rule: TypeAlias = Callable[[Tree], Iterator[str]]

LICENCE = "SPDX-License-Identifier: Apache-2.0"
LICENCE_LINE = {
    ".py": f"# {LICENCE}",
    ".sh": f"# {LICENCE}",
    ".vy": f"# {LICENCE}",
    ".vyi": f"# {LICENCE}",
    ".mako": f"# {LICENCE}",
    "": f"# {LICENCE}",
    ".ts": f"/* {LICENCE} */",
    ".js": f"/* {LICENCE} */",
    ".mjs": f"/* {LICENCE} */",
    ".css": f"/* {LICENCE} */",
    ".html": f"{{# {LICENCE} #}}",
}
SOURCES = frozenset(LICENCE_LINE)

VAGUE_NAMES = frozenset(["service", "util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc"])

CONTEXTS = (
    "access",
    "parties",
    "instruments",
    "register",
    "compliance",
    "settlement",
    "servicing",
    "notices",
    "trading",
    "offering",
    "funds",
    "gateway",
    "intelligence",
)
CONTEXT_FILES = (
    "README.md",
    "errors.py",
    "events.py",
    "model.py",
    "ports.py",
    "commands.py",
    "process.py",
    "store.py",
    "chain.py",
    "http.py",
)

# Where everything may be caught, and why. An entry that is no longer needed turns the rule red.
CATCHES_EVERYTHING: dict[str, str] = {
    "src/muniment/app/worker.py": "a loop outlives whatever its step raises: it is logged and the step is done again",
    "src/muniment/app/cli.py": "the outermost loop of a command: a person wants a sentence, and the log keeps the traceback",
    "src/muniment/app/http/operations.py": "whatever stops a readiness check is the answer to the question, and is logged",
    "src/muniment/infra/outbox.py": "a handler's failure of any kind leaves its event open, its error written down, and the others go on",
}

# Where a model may know `float`, and why.
KNOWS_FLOAT: dict[str, str] = {
    "src/muniment/instruments/model/json_text.py": "RFC 8785 spells a JSON number as an IEEE double; amounts of OCF are strings",
}

# Where the machine's clock may be read, and why.
READS_THE_CLOCK: dict[str, str] = {
    "src/muniment/infra/clock.py": "the one place that asks the machine for the time",
}


def licence_line(tree: Tree) -> Iterator[str]:
    """Every source file opens with its SPDX line; a script's stands below `#!`."""
    for file in tree.under("", suffixes=SOURCES):
        if file.suffix == "" and file.path == ".importlinter":
            continue
        first = file.lines[1:2] if file.text.startswith("#!") else file.lines[:1]
        if first != [LICENCE_LINE[file.suffix]]:
            yield f"{file.path}: line 1 is not `{LICENCE_LINE[file.suffix]}`"


def module_docstring(tree: Tree) -> Iterator[str]:
    """Every Python and Vyper module says in its docstring what lives there."""
    for file in tree.python():
        if not (ast.get_docstring(file.syntax) or "").strip():
            yield f"{file.path}: no module docstring"
    for file in tree.under("contracts", suffixes=frozenset({".vy", ".vyi"})):
        code = [line for line in file.lines if line.strip() and not line.startswith("#")]
        if not code or not code[0].startswith('"""'):
            yield f"{file.path}: no module docstring before the first statement"


def names_say_what(tree: Tree) -> Iterator[str]:
    """No file or folder is named after being a part; each is named after an idea of the field."""
    for file in tree.under("", suffixes=SOURCES):
        for name in (*file.path.split("/")[:-1], file.stem):
            if name.lower() in VAGUE_NAMES:
                yield f"{file.path}: `{name}` says nothing; name the idea"


def context_files(tree: Tree) -> Iterator[str]:
    """A context has the fixed files and no other, a README with its words and invariants among them; `model` and `commands` may be folders.

    A large model has folders by subject, one deep, with the data that it reads beside the code.
    """
    for context in CONTEXTS:
        home = f"src/muniment/{context}/"
        paths = [file.path.removeprefix(home) for file in tree.files if file.path.startswith(home)]
        if not paths:
            continue
        for path in paths:
            in_folder = re.fullmatch(r"model/([a-z_]+/)?[a-z_0-9]+\.(py|json)|commands/[a-z_]+\.py", path)
            if path not in {*CONTEXT_FILES, "__init__.py"} and not in_folder:
                yield f"{home}{path}: not one of {', '.join(CONTEXT_FILES)}, in model/ or in commands/"
        if "README.md" not in paths:
            yield f"{home}README.md: missing"
        elif "invariant" not in (tree.root / home / "README.md").read_text(encoding="utf-8").lower():
            yield f"{home}README.md: states no invariants"
        for name in ("model", "commands"):
            if f"{name}.py" in paths and any(path.startswith(f"{name}/") for path in paths):
                yield f"{home}{name}.py: beside a folder {name}/"


_UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


def nothing_unfinished(tree: Tree) -> Iterator[str]:
    """No reminder to finish something: it is done, or it is an issue."""
    for file in tree.under("", suffixes=SOURCES):
        for number, line in enumerate(file.lines, start=1):
            if _UNFINISHED.search(line):
                yield f"{file.path}:{number}: unfinished work"


STUB = "NotImplementedError"


def no_stub(tree: Tree) -> Iterator[str]:
    """Nothing raises `NotImplementedError`: what is offered works."""
    for file in tree.python():
        for node in file.nodes:
            if isinstance(node, ast.Raise) and any(isinstance(name, ast.Name) and name.id == STUB for name in ast.walk(node)):
                yield f"{file.path}:{node.lineno}: a stub"


def tests_run(tree: Tree) -> Iterator[str]:
    """No test is skipped or expected to fail."""
    for file in tree.python("tests"):
        for node in file.nodes:
            if (
                isinstance(node, ast.Attribute)
                and node.attr in {"skip", "skipif", "xfail", "importorskip"}
                and _root_name(node) == "pytest"
            ):
                yield f"{file.path}:{node.lineno}: pytest {node.attr}"
            if isinstance(node, ast.ImportFrom) and node.module in {"pytest", "unittest"}:
                for alias in node.names:
                    if alias.name in {"skip", "skipif", "skipIf", "xfail", "importorskip", "SkipTest"}:
                        yield f"{file.path}:{node.lineno}: {node.module} {alias.name}"


_SUPPRESSION = re.compile(r"#\s*(type:\s*ignore|pyrefly:\s*ignore|noqa)(?P<rest>[^#]*)")
_EXPLAINED = re.compile(r"(\[[\w, -]+\]|:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)\s+\S.*")


def suppression_explained(tree: Tree) -> Iterator[str]:
    """A checker is silenced for one code in one line, and the line says why."""
    for file in tree.python():
        for number, comment in _comments(file):
            found = _SUPPRESSION.search(comment)
            if found and not _EXPLAINED.fullmatch(found["rest"].rstrip()):
                yield f"{file.path}:{number}: `{found[0].strip()}` needs a code and then a reason"


def nothing_caught_wholesale(tree: Tree) -> Iterator[str]:
    """`except Exception` cleans up and raises again, or stands in an outermost loop that `CATCHES_EVERYTHING` names with the reason."""
    found: set[str] = set()
    for file in tree.python():
        for node in file.nodes:
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node.type) and not _raises_again(node):
                found.add(file.path)
                if file.path not in CATCHES_EVERYTHING:
                    yield f"{file.path}:{node.lineno}: catches everything; name the error"
    for path in CATCHES_EVERYTHING:
        if tree.has(path) and path not in found:
            yield f"{path}: stands in CATCHES_EVERYTHING without need"


def no_print(tree: Tree) -> Iterator[str]:
    """The package writes by its console or its log."""
    for file in tree.python("src"):
        for node in file.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                yield f"{file.path}:{node.lineno}: print"


def no_float_near_money(tree: Tree) -> Iterator[str]:
    """Units and models calculate in whole numbers and exact decimals: no float literal, no `float`, no `/`, no `timestamp()`."""
    for file in tree.python("src"):
        if not re.match(r"src/muniment/(units/|\w+/model(\.py|/))", file.path):
            continue
        names_float = [node for node in file.nodes if isinstance(node, ast.Name) and node.id == "float"]
        if file.path in KNOWS_FLOAT and not names_float:
            yield f"{file.path}: stands in KNOWS_FLOAT without need"
        refusals = {
            id(name)
            for node in file.nodes
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
            for name in ast.walk(node.args[1])
        }
        for node in file.nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                yield f"{file.path}:{node.lineno}: the float {node.value}"
            elif node in names_float and id(node) not in refusals and file.path not in KNOWS_FLOAT:
                yield f"{file.path}:{node.lineno}: `float`"
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                yield f"{file.path}:{node.lineno}: `/`; divide whole numbers with a named rounding"
            elif isinstance(node, ast.Attribute) and node.attr == "timestamp":
                yield f"{file.path}:{node.lineno}: `timestamp()` is a float"


_CLOCK_CALLS = frozenset(
    {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.gmtime", "time.localtime"}
)


def time_is_injected(tree: Tree) -> Iterator[str]:
    """Only `infra/clock.py` and the places in `READS_THE_CLOCK` ask the machine for the time."""
    found: set[str] = set()
    for file in tree.python("src"):
        for node in file.nodes:
            if isinstance(node, ast.Attribute):
                asked = f"{_last_name(node.value)}.{node.attr}" in _CLOCK_CALLS
            elif isinstance(node, ast.ImportFrom):
                asked = node.module == "time" and any(f"time.{alias.name}" in _CLOCK_CALLS for alias in node.names)
            else:
                continue
            if asked:
                found.add(file.path)
                if file.path not in READS_THE_CLOCK:
                    yield f"{file.path}:{node.lineno}: asks the machine for the time; take a Clock"
    for path in READS_THE_CLOCK:
        if tree.has(path) and path not in found:
            yield f"{path}: stands in READS_THE_CLOCK without need"


def locks_name_no_host(tree: Tree) -> Iterator[str]:
    """Lock files pin by hash and name no host; a `uv.lock` would name one on each line."""
    for file in tree.files:
        if file.path.endswith("uv.lock"):
            yield f"{file.path}: names hosts; requirements.lock is ours"
        elif file.path.endswith("requirements.lock"):
            yield from _python_lock(file)
        elif file.path.endswith("package-lock.json"):
            yield from _node_lock(file)


def _python_lock(file: SourceFile) -> Iterator[str]:
    for number, line in enumerate(file.lines, start=1):
        if re.search(r"https?://|^\s*(-i|--(extra-)?index-url|-f|--find-links|--trusted-host)\b", line):
            yield f"{file.path}:{number}: names a host"
    pins = re.split(r"\n(?=[A-Za-z0-9])", "\n".join(line for line in file.lines if not line.lstrip().startswith("#")))
    for pin in pins:
        if pin.strip() and "--hash=sha256:" not in pin:
            yield f"{file.path}: {pin.splitlines()[0]} has no hash"


def _node_lock(file: SourceFile) -> Iterator[str]:
    for name, package in json.loads(file.text).get("packages", {}).items():
        if "resolved" in package and not package.get("link"):
            yield f"{file.path}: {name} has a `resolved` field"
        if name and not package.get("link") and "integrity" not in package:
            yield f"{file.path}: {name} has no `integrity`"


_MACHINE_PATH = re.compile(r"(?<![\w.~$}<-])/(work|root|home|Users)/[\w.-]")


def no_path_of_one_machine(tree: Tree) -> Iterator[str]:
    """No file knows where somebody keeps it."""
    for file in tree.files:
        for number, line in enumerate(file.lines, start=1):
            if _MACHINE_PATH.search(line):
                yield f"{file.path}:{number}: a path of one machine"


# What must be absent, by import name, and what stands in its place.
ABSENT_MODULES = {
    "web3": "infra.evm speaks JSON-RPC by httpx",
    "requests": "httpx",
    "aiohttp": "httpx",
    "psycopg2": "psycopg 3",
    "sqlite3": "PostgreSQL only",
    "redis": "PostgreSQL only",
    "celery": "infra.jobs",
    "pickle": "msgspec; unpickling runs what a stranger wrote",
    "random": "secrets; a seeded generator belongs to tests",
}


def nothing_absent_comes_back(tree: Tree) -> Iterator[str]:
    """The package imports none of the libraries that we decided against."""
    for file in tree.python("src"):
        for number, module in _imports(file):
            top = module.partition(".")[0]
            if top in ABSENT_MODULES:
                yield f"{file.path}:{number}: imports {top}; we use {ABSENT_MODULES[top]}"


def units_stand_alone(tree: Tree) -> Iterator[str]:
    """`units` needs the standard library and itself."""
    for file in tree.python("src/muniment/units"):
        for number, module in _imports(file):
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and not module.startswith("muniment.units"):
                yield f"{file.path}:{number}: imports {module}"


def one_way_to_the_node(tree: Tree) -> Iterator[str]:
    """Only `infra` speaks JSON-RPC; every other part asks it. There is therefore one block follower and one sender."""
    for file in tree.python("src"):
        if file.path.startswith("src/muniment/infra/"):
            continue
        for node in file.nodes:
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"(eth|anvil|evm|net|debug)_[a-zA-Z]+", node.value)
            ):
                yield f"{file.path}:{node.lineno}: calls the node's {node.value}"


_CONTRACT_IMPORT = re.compile(r"^\s*(?:from\s+(?P<source>[\w.]+)\s+import|import\s+(?P<module>[\w.]+))")


def contracts_are_ours(tree: Tree) -> Iterator[str]:
    """A contract imports our modules and the compiler's own interfaces; none delegates its storage to foreign code."""
    for file in tree.under("contracts", suffixes=frozenset({".vy", ".vyi"})):
        for number, line in enumerate(file.lines, start=1):
            found = _CONTRACT_IMPORT.match(line)
            source = (found["source"] or found["module"]) if found else ""
            top = source.lstrip(".").partition(".")[0]
            if source and not source.startswith(".") and top not in {"ethereum", "math"} and not _is_ours(tree, file, top):
                yield f"{file.path}:{number}: imports {source}"
            if re.search(r"is_delegate_call\s*=\s*True", line):
                yield f"{file.path}:{number}: delegates a call"


def _is_ours(tree: Tree, file: SourceFile, top: str) -> bool:
    beside = file.path.rpartition("/")[0]
    return any(tree.has(f"{folder}/{top}{suffix}") for folder in ("contracts", beside) for suffix in ("", ".vy", ".vyi"))


def pages_obey_the_content_security_policy(tree: Tree) -> Iterator[str]:
    """A template has no inline script, style or handler, and loads nothing from another host."""
    for file in tree.under("src", suffixes=frozenset({".html"})):
        for tag in re.finditer(r"<(script|style)\b([^>]*)>", file.text):
            if tag[1] == "style" or not re.search(r"\bsrc\s*=|type\s*=\s*\"application/(ld\+)?json\"", tag[2]):
                yield f"{file.path}: inline <{tag[1]}>"
        for handler in re.finditer(r"<[a-zA-Z][^<>]*\s(style|on[a-z]+)\s*=", file.text):
            yield f"{file.path}: inline {handler[1]}="
        for host in re.finditer(
            r"<(?:script|link|img|iframe|form)\b[^>]*\b(?:src|href|action)\s*=\s*[\"'](?:https?:)?//([^\"'/]+)", file.text
        ):
            yield f"{file.path}: loads from {host[1]}"


_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\((?P<image>[^)\s]+)\)")


def links_resolve(tree: Tree) -> Iterator[str]:
    """Every relative link of a page leads to a file, and its anchor to a heading there."""
    for file in tree.under("", suffixes=frozenset({".md"})):
        for found in _LINK.finditer(_without_code(file.text)):
            target = found["target"] or found["image"]
            if re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            path, _, anchor = target.partition("#")
            goal = (tree.root / file.path).parent / path if path else tree.root / file.path
            if not goal.exists():
                yield f"{file.path}: link to {target}"
            elif anchor and goal.suffix == ".md" and anchor not in _anchors(goal.read_text(encoding="utf-8")):
                yield f"{file.path}: {target} has no such heading"


def decisions_are_listed(tree: Tree) -> Iterator[str]:
    """Every decision has a number of its own and stands in the index."""
    numbers: dict[str, str] = {}
    for file in tree.under("docs/decisions", suffixes=frozenset({".md"})):
        name = file.path.rpartition("/")[2]
        if name == "README.md":
            continue
        number = re.fullmatch(r"([0-9]{4})-[a-z0-9-]+\.md", name)
        if not number:
            yield f"{file.path}: not named NNNN-what.md"
            continue
        if number[1] in numbers:
            yield f"{file.path}: {numbers[number[1]]} has the same number"
        numbers[number[1]] = name
        index = tree.root / "docs/decisions/README.md"
        if not index.exists() or f"({name})" not in index.read_text(encoding="utf-8"):
            yield f"{file.path}: not in docs/decisions/README.md"
        for heading in ("## Context", "## Decision", "## Reasons", "## Price", "## What would change it"):
            if heading not in file.lines:
                yield f"{file.path}: no `{heading}`"


CHECKLIST = "docs/asvs.csv"


def security_checklist_names_tests(tree: Tree) -> Iterator[str]:
    """Each line of the OWASP ASVS 5.0 checklist names a test that exists."""
    if not tree.has(CHECKLIST):
        return
    tests = {
        f"{file.path}::{node.name}"
        for file in tree.python("tests")
        for node in file.nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    rows = csv.DictReader(io.StringIO((tree.root / CHECKLIST).read_text(encoding="utf-8")))
    for number, row in enumerate(rows, start=2):
        if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", row["requirement"] or ""):
            yield f"{CHECKLIST}:{number}: {row['requirement']} is no requirement's number"
        if row["test"] not in tests:
            yield f"{CHECKLIST}:{number}: no test {row['test']}"


GROUND_PAGES = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "docs/glossary.md")


def ground_pages_are_there(tree: Tree) -> Iterator[str]:
    """The pages that every reader looks for exist."""
    for page in GROUND_PAGES:
        if not tree.has(page):
            yield f"{page}: missing"


def _comments(file: SourceFile) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(file.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _imports(file: SourceFile) -> Iterator[tuple[int, str]]:
    for node in file.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


def _catches_everything(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+\s+(.*?)\s*$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
