# SPDX-License-Identifier: Apache-2.0
"""Every refusal that the package declares, read from its source. `python -m tests.tidy.refusals` writes docs/reference/refusals.md."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.tidy.tree import REPOSITORY, SourceFile, Tree

ROOT = "MunimentError"
PAGE = "docs/reference/refusals.md"

# A context's codes begin with its name. The three packages that are no context have a few words of their own.
PREFIXES = {
    "units": frozenset({"units", "money", "shares", "time"}),
    "infra": frozenset({"infra", "configuration", "database", "chain"}),
    "app": frozenset({"app", "backup", "http", "up", "web"}),
}


@dataclass(frozen=True)
class Refusal:
    """One subclass of `MunimentError`, with what it says. `code`, `message` and `cure` are its own or inherited."""

    name: str
    path: str
    line: int
    bases: tuple[str, ...]
    meaning: str
    code: str | None
    message: str | None
    cure: str | None
    own_init: bool

    @property
    def package(self) -> str:
        """The package below `muniment` that declares it."""
        return self.path.removeprefix("src/muniment/").partition("/")[0]

    @property
    def facts(self) -> frozenset[str]:
        """The facts that its sentences name."""
        return fields(self.message) | fields(self.cure)


def fields(sentence: str | None) -> frozenset[str]:
    """Return the facts that a format string names."""
    return frozenset(name.partition(".")[0].partition("[")[0] for _, name, _, _ in string.Formatter().parse(sentence or "") if name)


def refusals(tree: Tree) -> dict[tuple[str, str], Refusal]:
    """Return every refusal below `src`, by module and class name."""
    classes = {
        (file.path, node.name): _read(file, node) for file in tree.python("src") for node in file.nodes if isinstance(node, ast.ClassDef)
    }
    imported = {file.path: imports(file) for file in tree.python("src")}

    def base_of(refusal: Refusal) -> Refusal | str | None:
        for base in refusal.bases:
            if base == ROOT:
                return ROOT
            home = imported[refusal.path].get(base, (refusal.path, base))
            if home in classes and (found := completed(classes[home])) is not None:
                return found
        return None

    def completed(refusal: Refusal) -> Refusal | None:
        base = base_of(refusal)
        if base is None:
            return None
        if isinstance(base, str):
            return refusal
        return replace(
            refusal,
            code=refusal.code or base.code,
            message=refusal.message or base.message,
            cure=refusal.cure or base.cure,
            own_init=refusal.own_init or base.own_init,
        )

    return {key: found for key, refusal in classes.items() if (found := completed(refusal)) is not None}


def imports(file: SourceFile) -> dict[str, tuple[str, str]]:
    """Return where each imported name comes from: local name to (path of the module's file, name there)."""
    found: dict[str, tuple[str, str]] = {}
    for node in file.nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("muniment"):
            home = "src/" + node.module.replace(".", "/")
            for alias in node.names:
                found[alias.asname or alias.name] = (f"{home}.py", alias.name)
    return found


def raised(tree: Tree) -> Iterator[tuple[str, int, Refusal, frozenset[str] | None]]:
    """Yield each place that makes a refusal: path, line, which, and the facts given (None where they are given by `**`)."""
    known = refusals(tree)
    for file in tree.python("src"):
        sources = imports(file)
        for node in file.nodes:
            if not isinstance(node, ast.Call):
                continue
            name, module = _called(node.func)
            if module:
                home = sources.get(module)
                key = (f"{home[0].removesuffix('.py')}/{home[1]}.py", name) if home else ("", name)
            else:
                key = sources.get(name, (file.path, name))
            if key in known:
                given = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                yield file.path, node.lineno, known[key], None if any(keyword.arg is None for keyword in node.keywords) else given


def page(tree: Tree) -> str:
    """Return the reference page of all refusals, by code."""
    lines = [
        "# Refusals",
        "",
        "Every refusal has a stable code. The command line, the API (as RFC 9457 problem details), the pages and the import reports",
        "show the same code, sentence, facts and cure. A word in braces stands for a fact of the case. This page is written by",
        "`python -m tests.tidy.refusals` from the source; a test compares them.",
    ]
    codes = {refusal.code: refusal for refusal in refusals(tree).values() if refusal.code}
    package = ""
    for refusal in sorted(codes.values(), key=lambda each: (each.package, each.code or "")):
        if refusal.package != package:
            package = refusal.package
            lines += ["", f"## {package}", "", "| code | when | what it says | what cures it |", "| --- | --- | --- | --- |"]
        cells = (f"`{refusal.code}`", refusal.meaning, refusal.message or "", refusal.cure or "–")
        lines.append("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _read(file: SourceFile, node: ast.ClassDef) -> Refusal:
    texts: dict[str, str] = {}
    for statement in node.body:
        target = (
            statement.targets[0]
            if isinstance(statement, ast.Assign)
            else statement.target
            if isinstance(statement, ast.AnnAssign)
            else None
        )
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str):
            texts[target.id] = value.value
    return Refusal(
        name=node.name,
        path=file.path,
        line=node.lineno,
        bases=tuple(
            base.id if isinstance(base, ast.Name) else base.attr for base in node.bases if isinstance(base, ast.Name | ast.Attribute)
        ),
        meaning=(ast.get_docstring(node) or "").partition("\n")[0],
        code=texts.get("code"),
        message=texts.get("message"),
        cure=texts.get("cure"),
        own_init=any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body),
    )


def _called(node: ast.expr) -> tuple[str, str]:
    if isinstance(node, ast.Name):
        return node.id, ""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.attr, node.value.id
    return "", ""


if __name__ == "__main__":
    (REPOSITORY / PAGE).write_text(page(Tree(REPOSITORY)), encoding="utf-8")
