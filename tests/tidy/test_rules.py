# SPDX-License-Identifier: Apache-2.0
"""The repository keeps every tidy rule, and every rule notices when it is broken. The rules are in `rules`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidy import rules
from tests.tidy.tree import REPOSITORY, Tree

OURS = Tree(REPOSITORY)
PYTHON = f'# {rules.LICENCE}\n"""What lives here."""\n'
DECISION = "# A\n\n## Context\n\n## Decision\n\n## Reasons\n\n## Price\n\n## What would change it\n"
CHECKLIST = "requirement,level,gist,test\n"
INDEX = "[A](0001-a.md)\n"

RULES: tuple[rules.Rule, ...] = (
    rules.licence_line,
    rules.module_docstring,
    rules.names_say_what,
    rules.context_files,
    rules.nothing_unfinished,
    rules.no_stub,
    rules.tests_run,
    rules.suppression_explained,
    rules.nothing_caught_wholesale,
    rules.no_print,
    rules.no_float_near_money,
    rules.time_is_injected,
    rules.locks_name_no_host,
    rules.no_path_of_one_machine,
    rules.nothing_absent_comes_back,
    rules.units_stand_alone,
    rules.one_way_to_the_node,
    rules.contracts_are_ours,
    rules.pages_obey_the_content_security_policy,
    rules.links_resolve,
    rules.decisions_are_listed,
    rules.security_checklist_names_tests,
    rules.ground_pages_are_there,
)

# One offence each: the rule, the file that breaks it, its text. Words that the rules look for are put together here.
OFFENCES: tuple[tuple[rules.Rule, str, str], ...] = (
    (rules.licence_line, "src/a.py", '"""Says what lives here."""\n'),
    (rules.licence_line, "contracts/a.vy", '# pragma version 0.4.3\n"""@notice A."""\n'),
    (rules.licence_line, "contracts/interfaces/A.vyi", "# pragma version 0.4.3\n"),
    (rules.licence_line, "web/src/a.ts", f"// {rules.LICENCE}\n"),
    (rules.licence_line, "web/styles/a.css", "body {}\n"),
    (rules.licence_line, "src/a.html", f"<!-- {rules.LICENCE} -->\n"),
    (rules.licence_line, "run.sh", "#!/bin/sh\nset -e\n"),
    (rules.licence_line, ".ci/run", "#!/bin/sh\nset -e\n"),
    (rules.module_docstring, "src/a.py", f"# {rules.LICENCE}\nX = 1\n"),
    (rules.module_docstring, "contracts/a.vy", f"# {rules.LICENCE}\nx: uint256\n"),
    (rules.names_say_what, "src/utils.py", PYTHON),
    (rules.names_say_what, "src/common/a.py", PYTHON),
    (rules.names_say_what, "web/src/helpers.ts", ""),
    (rules.context_files, "src/muniment/parties/verification.py", PYTHON),
    (rules.context_files, "src/muniment/parties/commands.py", PYTHON),
    (rules.context_files, "src/muniment/access/store/a.py", PYTHON),
    (rules.context_files, "src/muniment/parties/README.md", "# Parties\n"),
    (rules.nothing_unfinished, "src/a.py", PYTHON + "# TO" + "DO: more\n"),
    (rules.nothing_unfinished, "contracts/a.vy", "# FIX" + "ME\n"),
    (rules.no_stub, "src/a.py", PYTHON + "raise NotImplementedError\n"),
    (rules.no_stub, "src/b.py", PYTHON + "raise NotImplementedError('later')\n"),
    (rules.tests_run, "tests/test_a.py", PYTHON + "import pytest\n@pytest.mark.skip\ndef test_a(): ...\n"),
    (rules.tests_run, "tests/test_b.py", PYTHON + "import pytest\n@pytest.mark.skipif(True, reason='r')\ndef test_a(): ...\n"),
    (rules.tests_run, "tests/test_c.py", PYTHON + "import pytest\n@pytest.mark.xfail(reason='r')\ndef test_a(): ...\n"),
    (rules.tests_run, "tests/test_d.py", PYTHON + "import pytest\npytest.skip('r')\n"),
    (rules.tests_run, "tests/test_e.py", PYTHON + "from unittest import skipIf\n"),
    (rules.suppression_explained, "src/a.py", PYTHON + "X: int = ''  # type: " + "ignore\n"),
    (rules.suppression_explained, "src/b.py", PYTHON + "X: int = ''  # type: " + "ignore[assignment]\n"),
    (rules.suppression_explained, "src/c.py", PYTHON + "X: int = ''  # pyrefly: " + "ignore[bad-assignment]\n"),
    (rules.suppression_explained, "src/d.py", PYTHON + "import os  # no" + "qa\n"),
    (rules.suppression_explained, "src/e.py", PYTHON + "import os  # no" + "qa: F401\n"),
    (rules.nothing_caught_wholesale, "src/a.py", PYTHON + "try:\n    f()\nexcept Exception:\n    g()\n"),
    (rules.nothing_caught_wholesale, "src/b.py", PYTHON + "try:\n    f()\nexcept (ValueError, BaseException):\n    g()\n"),
    (rules.nothing_caught_wholesale, "src/c.py", PYTHON + "try:\n    f()\nexcept:\n    g()\n"),
    (rules.no_print, "src/a.py", PYTHON + "print('x')\n"),
    (rules.no_float_near_money, "src/muniment/units/a.py", PYTHON + "X = 1.1\n"),
    (rules.no_float_near_money, "src/muniment/servicing/model.py", PYTHON + "x = total / 3\n"),
    (rules.no_float_near_money, "src/muniment/parties/model/wallets.py", PYTHON + "x = float(y)\n"),
    (rules.no_float_near_money, "src/muniment/parties/model.py", PYTHON + "x = at.timestamp()\n"),
    (rules.time_is_injected, "src/a.py", PYTHON + "import datetime as dt\nX = dt.datetime.now(tz=dt.UTC)\n"),
    (rules.time_is_injected, "src/b.py", PYTHON + "from datetime import date\nX = date.today()\n"),
    (rules.time_is_injected, "src/c.py", PYTHON + "import time\nX = time.time()\n"),
    (rules.time_is_injected, "src/d.py", PYTHON + "from time import time_ns\n"),
    (rules.locks_name_no_host, "requirements.lock", "--index-url https://example.org/simple\n"),
    (rules.locks_name_no_host, "a/requirements.lock", "rich==15.0.0\n    # via muniment\n"),
    (rules.locks_name_no_host, "web/package-lock.json", '{"packages": {"a": {"resolved": "x", "integrity": "sha512-a"}}}'),
    (rules.locks_name_no_host, "b/package-lock.json", '{"packages": {"a": {"version": "1.0.0"}}}'),
    (rules.locks_name_no_host, "uv.lock", ""),
    (rules.no_path_of_one_machine, "docs/a.md", "Look into /ho" + "me/somebody/x.\n"),
    (rules.no_path_of_one_machine, "src/a.py", PYTHON + 'X = "/ro' + 'ot/.cache"\n'),
    (rules.nothing_absent_comes_back, "src/a.py", PYTHON + "import web3\n"),
    (rules.nothing_absent_comes_back, "src/b.py", PYTHON + "from requests.adapters import HTTPAdapter\n"),
    (rules.units_stand_alone, "src/muniment/units/a.py", PYTHON + "import msgspec\n"),
    (rules.units_stand_alone, "src/muniment/units/b.py", PYTHON + "from muniment.infra.clock import Clock\n"),
    (rules.one_way_to_the_node, "src/muniment/register/chain.py", PYTHON + 'logs = rpc.call("eth_getLogs", [])\n'),
    (rules.contracts_are_ours, "contracts/token/a.vy", "from snekmate.tokens import erc20\n"),
    (rules.contracts_are_ours, "contracts/token/b.vy", "import snekmate\n"),
    (rules.contracts_are_ours, "contracts/token/c.vy", "x: Bytes[32] = raw_call(t, d, max_outsize=32, is_delegate_call=True)\n"),
    (rules.pages_obey_the_content_security_policy, "src/a.html", "<script>alert(1)</script>"),
    (rules.pages_obey_the_content_security_policy, "src/b.html", "<p style='color: red'>x</p>"),
    (rules.pages_obey_the_content_security_policy, "src/c.html", "<button onclick='f()'>x</button>"),
    (rules.pages_obey_the_content_security_policy, "src/d.html", '<script src="https://example.org/a.js"></script>'),
    (rules.pages_obey_the_content_security_policy, "src/e.html", "<style>p {}</style>"),
    (rules.links_resolve, "docs/a.md", "[there](missing.md)\n"),
    (rules.links_resolve, "docs/b.md", "# One\n\n[there](#two)\n"),
    (rules.security_checklist_names_tests, "docs/asvs.csv", CHECKLIST + "2.2.1,1,a gist,tests/test_missing.py::test_a\n"),
    (rules.security_checklist_names_tests, "docs/asvs.csv", CHECKLIST + "V2,1,a gist,tests/test_good.py::test_a\n"),
    (rules.decisions_are_listed, "docs/decisions/0002-b.md", DECISION),
    (rules.decisions_are_listed, "docs/decisions/about-b.md", DECISION),
    (rules.decisions_are_listed, "docs/decisions/0001-b.md", DECISION),
    (rules.decisions_are_listed, "docs/decisions/0001-a.md", "# A\n\n## Context\n"),
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: rules.Rule) -> None:
    broken = list(rule(OURS))
    assert not broken, f"{rule.__doc__}\n" + "\n".join(broken)


@pytest.fixture
def tidy_tree(tmp_path: Path) -> Path:
    """A small tree that keeps every rule."""
    for path, text in {
        "src/good.py": PYTHON + "import os  # no" + "qa: F401  shows that an explained suppression passes\n",
        "src/cleans.py": PYTHON + "try:\n    f()\nexcept BaseException:\n    close()\n    raise\n",
        "src/muniment/units/a.py": PYTHON + "X = 1 // 2\nY = isinstance(X, float)\n",
        "src/muniment/infra/clock.py": PYTHON + "import datetime as dt\nX = dt.datetime.now(tz=dt.UTC)\n",
        "src/muniment/access/README.md": "# Access\n\nInvariants: none is broken.\n",
        "src/muniment/access/model.py": PYTHON,
        "src/page.html": f'{{# {rules.LICENCE} #}}\n<script type="module" src="/static/a.js"></script>\n',
        "contracts/access/ownership.vy": f'# {rules.LICENCE}\n# pragma version 0.4.3\n"""@notice A."""\n',
        "contracts/token/token.vy": f'# {rules.LICENCE}\n"""A."""\nfrom ethereum.ercs import IERC20\nfrom access import ownership\n',
        "run.sh": f"#!/bin/sh\n# {rules.LICENCE}\n",
        "requirements.lock": "rich==15.0.0 \\\n    --hash=sha256:00\n    # via muniment\n",
        "tests/test_good.py": PYTHON + "def test_a(): ...\n",
        "docs/asvs.csv": CHECKLIST + "2.2.1,1,a gist,tests/test_good.py::test_a\n",
        "docs/decisions/README.md": INDEX,
        "docs/decisions/0001-a.md": DECISION,
        **dict.fromkeys(rules.GROUND_PAGES, "# Page\n"),
    }.items():
        write(tmp_path, path, text)
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_tidy_tree_passes(rule: rules.Rule, tidy_tree: Path) -> None:
    assert list(rule(Tree(tidy_tree))) == []


@pytest.mark.parametrize(("rule", "path", "text"), OFFENCES, ids=[f"{rule.__name__}-{path}" for rule, path, _ in OFFENCES])
def test_an_offence_is_found_at_its_place(rule: rules.Rule, path: str, text: str, tidy_tree: Path) -> None:
    write(tidy_tree, path, text)
    broken = list(rule(Tree(tidy_tree)))
    assert broken
    assert all(place.startswith((path, f"{path.rpartition('/')[0]}/README.md: missing")) for place in broken), broken


@pytest.mark.parametrize("page", rules.GROUND_PAGES)
def test_a_missing_ground_page_is_noticed(page: str, tidy_tree: Path) -> None:
    (tidy_tree / page).unlink()
    assert list(rules.ground_pages_are_there(Tree(tidy_tree))) == [f"{page}: missing"]


def test_an_exemption_that_nothing_needs_is_noticed(tidy_tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(rules.CATCHES_EVERYTHING, "src/good.py", "no reason")
    monkeypatch.setitem(rules.READS_THE_CLOCK, "src/good.py", "no reason")
    monkeypatch.setitem(rules.KNOWS_FLOAT, "src/muniment/access/model.py", "no reason")
    assert list(rules.no_float_near_money(Tree(tidy_tree))) == ["src/muniment/access/model.py: stands in KNOWS_FLOAT without need"]
    assert list(rules.nothing_caught_wholesale(Tree(tidy_tree))) == ["src/good.py: stands in CATCHES_EVERYTHING without need"]
    assert list(rules.time_is_injected(Tree(tidy_tree))) == ["src/good.py: stands in READS_THE_CLOCK without need"]


def test_every_rule_has_an_offence_that_shows_it_red() -> None:
    shown = {rule.__name__ for rule, _, _ in OFFENCES} | {rules.ground_pages_are_there.__name__}
    assert shown == {rule.__name__ for rule in RULES}
