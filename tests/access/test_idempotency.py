# SPDX-License-Identifier: Apache-2.0
"""Idempotency keys: one key, one request, one effect, one answer."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from muniment.access.commands import idempotently
from muniment.access.errors import BadIdempotencyKey, IdempotencyConflict
from muniment.access.model import Actor, Role
from muniment.access.ports import Answer
from tests.access.unit import Installation, an_actor

REQUEST: dict[str, Any] = {"method": "POST", "path": "/v1/things", "body": {"shares": "10"}}


class Counter:
    """Counts how often the effect happened."""

    def __init__(self) -> None:
        self.runs = 0

    def run(self) -> Answer:
        self.runs += 1
        return Answer(status=201, body={"run": self.runs})


def send(installation: Installation, actor: Actor, key: str | None, counter: Counter, request: dict[str, Any] | None = None) -> Answer:
    with installation.begin(actor.tenant_id) as unit:
        return idempotently(actor, key, request or REQUEST, counter.run, unit=unit)


def test_the_same_request_again_gets_the_same_answer_without_a_second_effect(installation: Installation) -> None:
    owner, counter = installation.found().owner, Counter()
    assert [send(installation, owner, "k", counter) for _ in range(3)] == [Answer(201, {"run": 1})] * 3
    assert counter.runs == 1


def test_another_request_under_the_key_is_refused(installation: Installation) -> None:
    owner, counter = installation.found().owner, Counter()
    send(installation, owner, "k", counter)
    with pytest.raises(IdempotencyConflict):
        send(installation, owner, "k", counter, {**REQUEST, "body": {"shares": "11"}})
    with pytest.raises(IdempotencyConflict):
        send(installation, an_actor(owner.tenant_id, Role.OWNER), "k", counter)
    assert counter.runs == 1


def test_organisations_do_not_share_keys(installation: Installation) -> None:
    first, second, counter = installation.found().owner, installation.found().owner, Counter()
    send(installation, first, "k", counter)
    assert send(installation, second, "k", counter) == Answer(201, {"run": 2})


def test_a_refused_request_leaves_its_key_free(installation: Installation) -> None:
    owner, counter = installation.found().owner, Counter()

    def refuse() -> Answer:
        raise IdempotencyConflict

    with pytest.raises(IdempotencyConflict), installation.begin(owner.tenant_id) as unit:
        idempotently(owner, "k", REQUEST, refuse, unit=unit)
    assert send(installation, owner, "k", counter) == Answer(201, {"run": 1})


def test_two_at_once_make_one_effect(installation: Installation) -> None:
    owner, counter = installation.found().owner, Counter()
    barrier = threading.Barrier(4)
    answers: list[Answer] = []

    def go() -> None:
        barrier.wait()
        answers.append(send(installation, owner, "k", counter))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [Answer(201, {"run": 1})] * 4


def test_without_a_key_each_request_counts(installation: Installation) -> None:
    owner, counter = installation.found().owner, Counter()
    send(installation, owner, None, counter)
    assert send(installation, owner, None, counter) == Answer(201, {"run": 2})


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "é", "a\nb", "\x00"])
def test_an_unusable_key_is_refused(installation: Installation, key: str) -> None:
    owner = installation.found().owner
    with pytest.raises(BadIdempotencyKey):
        send(installation, owner, key, Counter())
