# SPDX-License-Identifier: Apache-2.0
"""Refusals: a code of its own under the context's name, a sentence whose facts every raise gives, a page that lists them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tidy.refusals import PAGE, PREFIXES, page, raised, refusals
from tests.tidy.rules import Rule
from tests.tidy.tree import REPOSITORY, Tree

OURS = Tree(REPOSITORY)
HEAD = '"""A."""\nfrom muniment.units.errors import MunimentError\n'


def codes_well_formed(tree: Tree) -> Iterator[str]:
    for refusal in refusals(tree).values():
        prefixes = PREFIXES.get(refusal.package, frozenset({refusal.package}))
        code = refusal.code or ""
        if not re.fullmatch(r"[a-z]+\.[a-z][a-z0-9]*(_[a-z0-9]+)*", code):
            yield f"{refusal.path}:{refusal.line}: {refusal.name} has the code {code!r}"
        elif code.partition(".")[0] not in prefixes:
            yield f"{refusal.path}:{refusal.line}: {code} does not begin with {' or '.join(sorted(prefixes))}"


def codes_unique(tree: Tree) -> Iterator[str]:
    seen: dict[str, str] = {}
    for refusal in refusals(tree).values():
        if refusal.code in seen:
            yield f"{refusal.path}:{refusal.line}: {refusal.code} is also {seen[refusal.code]}"
        seen[refusal.code or ""] = refusal.name


def sentences_there(tree: Tree) -> Iterator[str]:
    for refusal in refusals(tree).values():
        if not refusal.message or not refusal.message.rstrip("”").endswith((".", "}", "?")):
            yield f"{refusal.path}:{refusal.line}: {refusal.name} has no whole sentence as its message"
        if not refusal.meaning:
            yield f"{refusal.path}:{refusal.line}: {refusal.name} has no docstring"


def facts_given(tree: Tree) -> Iterator[str]:
    for path, line, refusal, given in raised(tree):
        if given is not None and not refusal.own_init and (missing := refusal.facts - given):
            yield f"{path}:{line}: {refusal.name} without {', '.join(sorted(missing))}"


RULES = (codes_well_formed, codes_unique, sentences_there, facts_given)
OFFENCES = (
    (codes_well_formed, 'class A(MunimentError):\n    """A."""\n    code = "parties.NotGood"\n    message = "A."\n'),
    (codes_well_formed, 'class A(MunimentError):\n    """A."""\n    code = "register.not_good"\n    message = "A."\n'),
    (codes_well_formed, 'class A(MunimentError):\n    """A."""\n    message = "A."\n'),
    (
        codes_unique,
        'class A(MunimentError):\n    """A."""\n    code = "parties.a"\n    message = "A."\nclass B(A):\n    """B."""\n',
    ),
    (sentences_there, 'class A(MunimentError):\n    """A."""\n    code = "parties.a"\n'),
    (sentences_there, 'class A(MunimentError):\n    code = "parties.a"\n    message = "A."\n'),
    (
        facts_given,
        'class A(MunimentError):\n    """A."""\n    code = "parties.a"\n    message = "{x}."\n    cure = "{y}"\ndef f(): raise A(x=1)\n',
    ),
)


@pytest.mark.parametrize("rule", RULES)
def test_every_refusal_keeps_the_rule(rule: Rule) -> None:
    assert list(rule(OURS)) == []


@pytest.mark.parametrize(("rule", "text"), OFFENCES)
def test_a_refusal_that_breaks_the_rule_is_found(rule: Rule, text: str, tmp_path: Path) -> None:
    path = tmp_path / "src/muniment/parties/errors.py"
    path.parent.mkdir(parents=True)
    path.write_text(HEAD + text, encoding="utf-8")
    assert len(list(rule(Tree(tmp_path)))) == 1


def test_a_good_refusal_passes_and_is_found_through_its_imports(tmp_path: Path) -> None:
    folder = tmp_path / "src/muniment/parties"
    folder.mkdir(parents=True)
    good = 'class A(MunimentError):\n    """A."""\n    code = "parties.a"\n    message = "{x}."\n'
    (folder / "errors.py").write_text(HEAD + good, encoding="utf-8")
    call = '"""A."""\nfrom muniment.parties import errors\nfrom muniment.parties.errors import A as B\nB(x=1)\nerrors.A(x=1)\n'
    (folder / "commands.py").write_text(call, encoding="utf-8")
    tree = Tree(tmp_path)
    assert [list(rule(tree)) for rule in RULES] == [[], [], [], []]
    assert [(line, refusal.code) for _, line, refusal, _ in raised(tree)] == [(4, "parties.a"), (5, "parties.a")]


def test_the_reference_page_lists_every_refusal_as_the_source_has_it() -> None:
    written = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert written == page(OURS), "write it again: python -m tests.tidy.refusals"
