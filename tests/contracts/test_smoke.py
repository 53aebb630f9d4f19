# SPDX-License-Identifier: Apache-2.0
"""The straight line once: a suite, a security, investors, an issue, a transfer, a payment."""

from __future__ import annotations

from tests.contracts.world import World


def test_a_security_is_issued_and_transferred(world: World) -> None:
    ann, bob = world.holder("ann", 100), world.holder("bob", 1)
    assert world.why_not(ann, bob, 40) == 0
    done = world.token.fn("transfer", bob, 40, sender=ann)
    assert done.answer is True
    assert [log.event for log in done.logs] == ["Transfer"]
    assert (world.balance(ann), world.balance(bob), world.holders()) == (60, 41, 2)
