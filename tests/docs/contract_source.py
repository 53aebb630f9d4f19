# SPDX-License-Identifier: Apache-2.0
"""What a Vyper source says of itself: its notes, who may call what, why it refuses, its limits. Reads sources, compiles nothing."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from vyper import ast as vyper_ast
from vyper.ast import parse_to_ast

SOURCES = Path(__file__).parents[2] / "contracts"

# What the modules under contracts/access check, in a reader's words.
ROLES = {
    "_begin": "anybody, once: the caller becomes the owner",
    "_check_owner": "owner",
    "_check_agent": "agent",
    "_check_owner_or_agent": "owner or agent",
}
_SELECTOR = re.compile(r"0x[0-9a-fA-F]{8}\b")
_ERROR = re.compile(r"""method_id\(\s*["'](\w+\([^"']*\))["']""")
_TAG = re.compile(r"^@(\w+)\s*", re.MULTILINE)
_ABOUT_CALLER = re.compile(r"\bcaller (is|may|does)\b")
_COMPARES_CALLER = re.compile(r"msg\.sender\s*(==|!=|in\b)|(==|!=)\s*msg\.sender")
_LIMITS = ("_MAX", "_MIN")


@dataclass(frozen=True)
class Notes:
    """A NatSpec comment by its tags."""

    notice: str = ""
    details: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    returns: str = ""

    @classmethod
    def of(cls, text: str) -> Notes:
        """Return what a docstring says; text before any tag is the notice."""
        parts = _TAG.split(textwrap.dedent(text).strip())
        tagged = [("notice", parts[0]), *zip(parts[1::2], parts[2::2], strict=True)]
        found: dict[str, list[str]] = {}
        for tag, body in tagged:
            if body.strip():
                found.setdefault(tag, []).append(" ".join(body.split()))
        parameters = tuple((name, body.strip()) for name, _, body in (each.partition(" ") for each in found.get("param", [])))
        return cls(" ".join(found.get("notice", [])), " ".join(found.get("dev", [])), parameters, " ".join(found.get("return", [])))


@dataclass(frozen=True)
class Refusal:
    """One way to say no: a text, or an error by its signature."""

    text: str
    is_error: bool = False
    is_about_caller: bool = False


class Source:
    """One file, with the modules that it imports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text = path.read_text(encoding="utf-8")
        self._syntax: Any = parse_to_ast(self._text, resolved_path=str(path))

    @cached_property
    def notes(self) -> Notes:
        """What the file says that it is."""
        docstring = getattr(self._syntax, "doc_string", None)
        return Notes.of("" if docstring is None else docstring.value)

    @cached_property
    def functions(self) -> dict[str, Any]:
        """The functions that stand in this file, by name."""
        return {function.name: function for function in self._syntax.get_children(vyper_ast.FunctionDef)}

    @cached_property
    def modules(self) -> dict[str, Source]:
        """The modules that this file imports, by the name that it uses; interfaces are none."""
        found: dict[str, Source] = {}
        for each in self._syntax.get_children(vyper_ast.ImportFrom):
            path = SOURCES / (each.module or "").replace(".", "/") / f"{each.name}.vy"
            if path.is_file():
                found[each.alias or each.name] = source(path)
        return found

    def reach(self) -> Iterator[Source]:
        """Yield this file and every module below it, once each."""
        seen: set[Path] = set()
        waiting: list[Source] = [self]
        while waiting:
            found = waiting.pop(0)
            if found.path not in seen:
                seen.add(found.path)
                yield found
                waiting.extend(found.modules.values())

    def find(self, name: str) -> tuple[Source, Any] | None:
        """Return the external function of that name and the file in which it stands: this one, or a module."""
        for found in self.reach():
            function = found.functions.get(name)
            if function is not None and any(decorator.id == "external" for decorator in function.decorator_list):
                return found, function
        return None

    def notes_of(self, name: str) -> Notes:
        """Return what an external function, or a public variable, says of itself."""
        found = self.find(name)
        if found is not None:
            docstring = getattr(found[1], "doc_string", None)
            return Notes.of("" if docstring is None else docstring.value)
        for each in self.reach():
            comment = each.comment_above_variable(name)
            if comment:
                return Notes(notice=comment)
        return Notes()

    def comment_above_variable(self, name: str) -> str:
        """Return the comment lines directly above a variable's declaration."""
        for variable in self._syntax.get_children(vyper_ast.VariableDecl):
            if variable.target.id == name:
                lines = self._text.splitlines()
                above: list[str] = []
                line = variable.lineno - 2
                while line >= 0 and lines[line].startswith("# "):
                    above.insert(0, lines[line].removeprefix("# "))
                    line -= 1
                return " ".join(above)
        return ""

    def refusals_of(self, name: str) -> tuple[Refusal, ...]:
        """Return every refusal that a call of this function can end in by this contract's own word, in the order of the source."""
        found = self.find(name)
        return () if found is None else tuple({refusal.text: refusal for refusal in _refusals(*found)}.values())

    def callers_of(self, name: str) -> str:
        """Return who may call the function: the roles that it checks, else what it says to everybody else, else anybody."""
        found = self.find(name)
        if found is None:
            return "anybody"
        roles = [ROLES[called] for called in dict.fromkeys(_called_names(*found)) if called in ROLES]
        if roles:
            return " or ".join(roles)
        to_others = dict.fromkeys(refusal.text for refusal in _refusals(*found) if refusal.is_about_caller)
        return ", ".join(f"“{text}”" for text in to_others) or "anybody"

    def interface_ids(self) -> list[str]:
        """Return the ERC-165 ids that `supportsInterface` says yes to."""
        found = self.find("supportsInterface")
        if found is None:
            return []
        file, function = found
        text = function.node_source_code
        for variable in file._syntax.get_children(vyper_ast.VariableDecl):
            if variable.is_constant and variable.target.id in text:
                text += variable.node_source_code
        return list(dict.fromkeys(_SELECTOR.findall(text)))

    def limits(self) -> dict[str, str]:
        """Return the bounds that the sources name, as they are written."""
        found: dict[str, str] = {}
        for each in self.reach():
            for variable in each._syntax.get_children(vyper_ast.VariableDecl):
                if variable.is_constant and variable.target.id.endswith(_LIMITS):
                    found.setdefault(variable.target.id, variable.value.node_source_code)
        return found


@cache
def source(path: Path) -> Source:
    """Return the file, read once."""
    return Source(path)


def _own_calls(file: Source, function: Any) -> Iterator[tuple[int, str, Source, Any]]:
    """Yield the internal functions of ours that a function calls: place in the source, name, file, function."""
    for call in function.get_descendants(vyper_ast.Call):
        target = call.func
        if not isinstance(target, vyper_ast.Attribute) or not isinstance(target.value, vyper_ast.Name):
            continue
        holder = file if target.value.id == "self" else file.modules.get(target.value.id)
        if holder is not None and target.attr in holder.functions:
            yield call.lineno, target.attr, holder, holder.functions[target.attr]


def _called_names(file: Source, function: Any, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    for _, name, holder, called in _own_calls(file, function):
        yield name
        # Inside a role's check there are no further roles.
        if name not in ROLES and id(called) not in seen:
            yield from _called_names(holder, called, seen | {id(called)})


def _refusals(file: Source, function: Any, seen: frozenset[int] = frozenset()) -> Iterator[Refusal]:
    told: list[tuple[int, list[Refusal]]] = [(line, [refusal]) for line, refusal in _own_refusals(function)]
    for line, _, holder, called in _own_calls(file, function):
        if id(called) not in seen:
            told.append((line, list(_refusals(holder, called, seen | {id(called)}))))
    for _, refusals in sorted(told, key=lambda each: each[0]):
        yield from refusals


def _own_refusals(function: Any) -> Iterator[tuple[int, Refusal]]:
    for each in function.get_descendants(vyper_ast.Assert):
        if isinstance(each.msg, vyper_ast.Str):
            yield each.lineno, Refusal(each.msg.value, is_about_caller=_is_about_caller(each.test, each.msg.value))
    for each in function.get_descendants(vyper_ast.Raise):
        if isinstance(each.exc, vyper_ast.Str):
            yield each.lineno, _conditional(each, each.exc.value)
    for each in function.get_descendants(vyper_ast.Call):
        name = getattr(each.func, "attr", getattr(each.func, "id", ""))
        if name.endswith("_refuse"):
            for argument in each.args:
                if isinstance(argument, vyper_ast.Str):
                    yield each.lineno, _conditional(each, argument.value)
        elif name == "raw_revert":
            for signature in _ERROR.findall(each.node_source_code):
                yield each.lineno, Refusal(signature, is_error=True)


def _conditional(node: Any, text: str) -> Refusal:
    """Return a refusal that stands below an `if`."""
    condition = node.get_ancestor(vyper_ast.If)
    return Refusal(text, is_about_caller=_is_about_caller(None if condition is None else condition.test, text))


def _is_about_caller(condition: Any, text: str) -> bool:
    """Return whether a refusal says who may not call, rather than what may not be done: by its condition or its words."""
    compared = condition is not None and _COMPARES_CALLER.search(condition.node_source_code) is not None
    return compared or _ABOUT_CALLER.search(text) is not None
