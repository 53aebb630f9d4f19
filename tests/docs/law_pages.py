# SPDX-License-Identifier: Apache-2.0
"""The page of all rules of law, and the schema of a case, from the rule book and the typed form."""

from __future__ import annotations

import json

from muniment.compliance.model.law.book import LawRule, rule_book
from muniment.compliance.model.law.case_file import case_schema
from muniment.compliance.model.law.checklists import items_of


def law_page(head: str) -> str:
    """Return the page of all rules and packs."""
    book = rule_book()
    lines = [
        "# Rules of law",
        "",
        head,
        "",
        f"As of {book.as_of}. A rule is asked on a sale by the issuer, a transfer or match between holders, a snapshot of the register",
        "(as it stands and as a move would leave it), a payment, or the classification of a person; a checklist asks for evidence that",
        "people gather, and what is disabled is no law and can never be selected. *Where it was read* says which figures were not read",
        "again: check the official text before you rely on them. None of this is legal advice.",
        "",
        "How days count: a period of days does not count the day it begins on and includes its last day, so that day 40 is refused and",
        "day 41 allowed; the same for months under Regulation S. Rule 144's holding period ends on the same day of the month, and where",
        "that month is shorter on its last day.",
        "",
        "## Packs",
        "",
        "| pack | what it is | rules |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{pack.pack_id}` | {pack.name} | {', '.join(f'`{rule_id}`' for rule_id in pack.rules)} |" for pack in book.packs.values()]
    lines += ["", "A rule's own id selects it alone.", ""]
    for rule in book.rules.values():
        lines += _rule(rule)
    return "\n".join(lines).rstrip() + "\n"


def _rule(rule: LawRule) -> list[str]:
    since = "" if rule.effective_from is None else f", from {rule.effective_from}"
    lines = [
        f"## `{rule.rule_id}`",
        "",
        f"{rule.citation}. Asked on: {rule.evaluated_on.value}; {rule.status.replace('_', ' ')}{since}.",
        "",
        f"{rule.test[0].upper()}{rule.test[1:]}.",
        "",
    ]
    lines += [f"- `{name}`: {json.dumps(value, ensure_ascii=False)}" for name, value in rule.params.items()]
    lines += [""] if rule.params else []
    items = items_of(rule)
    if items:
        lines += ["Evidence:", ""]
        lines += [f"- `{item.name}`: {item.what}" + (f" ({', '.join(item.answers)})" if item.answers else "") for item in items]
        lines += [""]
    lines += [f"Where it was read: {rule.source}.", ""]
    if rule.note:
        lines += [f"{rule.note[0].upper()}{rule.note[1:]}.", ""]
    return lines


def schema_text() -> str:
    """Return the JSON Schema of a case."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A question of law", **case_schema()}
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
