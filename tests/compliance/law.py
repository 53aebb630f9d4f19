# SPDX-License-Identifier: Apache-2.0
"""How tests ask the law: a case as JSON, its judgement, and the codes of its reasons."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from muniment.compliance.model.law.case_file import read_case
from muniment.compliance.model.law.engine import Judgement, judge
from muniment.units.decisions import Refused

ON = "2026-07-01"


def a_case(
    packs: Sequence[str],
    *,
    terms: Mapping[str, Any] | None = None,
    investors: Iterable[Mapping[str, Any]] = (),
    register: Iterable[Mapping[str, Any]] = (),
    proposed: Mapping[str, Any] | None = None,
    evidence: Mapping[str, Any] | None = None,
    **more: Any,
) -> bytes:
    security = {"packs": list(packs), "terms": {"price": "10.00", **(terms or {})}, "evidence": evidence or {}}
    body = {"security": security, "investors": list(investors), "register": list(register), "proposed": proposed, **more}
    return json.dumps(body).encode()


def ask(packs: Sequence[str], **parts: Any) -> Judgement:
    case, proposal = read_case(a_case(packs, **parts))
    assert proposal is not None
    return judge(case, proposal)


def codes(judgement: Judgement) -> list[str]:
    """Return the codes of the reasons without their context."""
    decision = judgement.decision
    return [reason.code.removeprefix("compliance.") for reason in decision.reasons] if isinstance(decision, Refused) else []


def facts(judgement: Judgement, code: str) -> Mapping[str, Any]:
    """Return the facts of the one reason with that code."""
    assert isinstance(judgement.decision, Refused)
    (found,) = [reason for reason in judgement.decision.reasons if reason.code == f"compliance.{code}"]
    assert found.rule is not None
    assert found.citation
    assert found.cure
    return found.facts


def sale(to: str, quantity: int = 100, *, at: str = ON, **more: Any) -> dict[str, Any]:
    return {"kind": "sale", "to": to, "quantity": str(quantity), "at": at, **more}


def transfer(sender: str, to: str, quantity: int = 100, *, at: str = ON, **more: Any) -> dict[str, Any]:
    return {"kind": "transfer", "from": sender, "to": to, "quantity": str(quantity), "at": at, **more}


def american(investor_id: str, **more: Any) -> dict[str, Any]:
    return {"id": investor_id, "country": "US", **more}


def verified(investor_id: str, *, on: str = "2026-06-01", method: str = "letter", **more: Any) -> dict[str, Any]:
    """Return an accredited American whose accreditation was verified."""
    return american(investor_id, accredited=True, verification={"method": method, "verified_on": on}, **more)


def days_after(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days=days)).isoformat()
