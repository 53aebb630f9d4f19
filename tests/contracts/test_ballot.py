# SPDX-License-Identifier: Apache-2.0
"""Votes: who may cast how much, once, by which way, and what the ballot then says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from muniment.infra.evm import contract_artifacts
from muniment.infra.evm.contract_artifacts import DecodedLog
from tests.contracts.chain import ZERO, Chain, refused
from tests.contracts.proofs import Tree
from tests.contracts.signing import ContractWallet, digest_of, kinds_of, sign, spoiled, unwilling_wallets
from tests.contracts.world import World

IN_FAVOUR, AGAINST, ABSTAIN = 1, 2, 3
AGENDA = b"\xa6" * 32
NO_PROOF: list[bytes] = []
NO_THRESHOLDS: list[int] = []
NO_CHOICES: list[int] = []
NO_PARTS: list[tuple[int, list[int]]] = []
DAY = 24 * 60 * 60
NOT_AGENT = "AgentRole: caller does not have the Agent role"
NOT_OWNER = "Ownable: caller is not the owner"
NOT_OPEN = "ballot: not open"
NO_BALLOT = "ballot: no such ballot"
HAS_VOTED = "ballot: account has voted"
WRONG_PROOF = "ballot: proof does not lead to the root"
NOT_ITS_PROXY = "ballot: neither the account nor its proxy"
NOT_SIGNED = "ballot: signature is not the signer's"
PROXY = kinds_of(Proxy="address account,uint256 ballotId,address proxy,uint256 nonce,uint256 deadline")
VOTE = kinds_of(Vote="uint256 ballotId,address account,address voter,Part[] parts", Part="uint256 weight,uint8[] choices")


@dataclass
class Roll:
    """Who has how many votes, in the order of their places in the tree."""

    weights: dict[str, int]
    first: int = 0
    tree: Tree = field(init=False)

    def __post_init__(self) -> None:
        self.tree = Tree(["uint256", "address", "uint256"], [self._row(account) for account in self.weights])

    def _row(self, account: str) -> tuple[int, str, int]:
        return self.first + list(self.weights).index(account), account, self.weights[account]

    def call(self, account: str, *how: Any) -> tuple[Any, ...]:
        """Return index, account and weight, then `how`, then the proof, as the contract wants them."""
        return *self._row(account), *how, self.tree.proof(self._row(account))


class Meeting:
    """A ballot contract, its agent, and holders with 50, 30 and 20 votes of 100."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.owner, self.agent, self.stranger, self.dee = (chain.account(name) for name in ("owner", "agent", "stranger", "dee"))
        self.signers = {account.address: account for account in map(chain.signer, ("ann", "bob", "cat"))}
        self.ann, self.bob, self.cat = self.signers
        self.ballot = chain.deploy("ballot", sender=self.owner)
        self.ballot.fn("initialize", sender=self.owner)
        self.ballot.fn("addAgent", self.agent, sender=self.owner)
        self.roll = Roll({self.ann: 50, self.bob: 30, self.cat: 20})
        self.closes_at = chain.now + 7 * DAY

    def terms(self, *last: Any, quorum_bps: int = 0, total: int = 100, roll: Roll | None = None) -> tuple[Any, ...]:
        return ZERO, AGENDA, 0, (roll or self.roll).tree.root, total, self.closes_at, quorum_bps, *last

    def open(self, *thresholds_bps: int, candidates: int = 0, quorum_bps: int = 0, total: int = 100, roll: Roll | None = None) -> int:
        if candidates:
            terms = self.terms(candidates, quorum_bps=quorum_bps, total=total, roll=roll)
            return self.ballot.fn("open_election", *terms, sender=self.agent).answer
        terms = self.terms(list(thresholds_bps or (5_000,)), quorum_bps=quorum_bps, total=total, roll=roll)
        return self.ballot.fn("open_ballot", *terms, sender=self.agent).answer

    def vote(self, ballot: int, account: str, *choices: int, sender: str | None = None, roll: Roll | None = None) -> Any:
        return self.ballot.fn("vote", ballot, *(roll or self.roll).call(account, list(choices)), sender=sender or account)

    def split(self, ballot: int, account: str, *parts: tuple[int, list[int]], sender: str | None = None) -> Any:
        return self.ballot.fn("vote_split", ballot, *self.roll.call(account, list(parts)), sender=sender or account)

    def signed_vote(self, ballot: int, account: str, voter: str, parts: list[tuple[int, list[int]]], signature: bytes) -> Any:
        arguments = (ballot, *self.roll.call(account, voter, parts), signature)
        return self.ballot.fn("vote_by_signature", *arguments, sender=self.stranger)

    def close(self) -> None:
        self.chain.pass_time(self.closes_at - self.chain.now)

    def votes(self, ballot: int, motion: int = 0) -> tuple[int, int, int]:
        return self.ballot.view("result", ballot, motion)[:3]

    def is_carried(self, ballot: int, motion: int = 0) -> bool:
        return self.ballot.view("result", ballot, motion)[4]


@pytest.fixture
def meeting(chain: Chain) -> Meeting:
    return Meeting(chain)


def cast(ballot: int, account: str, weight: int, *choices: int, voter: str | None = None) -> DecodedLog:
    told = {"ballot_id": ballot, "account": account, "voter": voter or account, "weight": weight, "choices": choices}
    return DecodedLog("VoteCast", told)


# Opening


def test_the_contract_begins_once(meeting: Meeting) -> None:
    for caller in (meeting.owner, meeting.stranger):
        with refused("Initializable: contract is already initialized"):
            meeting.ballot.fn("initialize", sender=caller)
    assert meeting.ballot.view("owner") == meeting.owner


def test_a_ballot_is_opened_with_everything_that_decides_it(meeting: Meeting) -> None:
    security = meeting.chain.account("security")
    root = meeting.roll.tree.root
    terms = (security, AGENDA, 0, root, 100, meeting.closes_at, 2_500)
    done = meeting.ballot.fn("open_ballot", *terms, [5_000, 7_500], sender=meeting.agent)
    assert (done.answer, meeting.ballot.view("ballot_count")) == (1, 1)
    told = {"ballot_id": 1, "security": security, "agenda": AGENDA, "record_block": 0, "root": root, "total_weight": 100}
    told |= {"closes_at": meeting.closes_at, "quorum_bps": 2_500}
    assert done.logs == [DecodedLog("BallotOpened", {**told, "thresholds_bps": (5_000, 7_500), "candidates": 0})]
    assert meeting.ballot.view("terms", 1) == (security, AGENDA, 0, root, meeting.closes_at, 2_500, 2, 0, False)
    assert meeting.ballot.view("turnout", 1) == (0, 100, False, False)
    assert [meeting.ballot.view("result", 1, motion) for motion in (0, 1)] == [(0, 0, 0, 5_000, False), (0, 0, 0, 7_500, False)]
    done = meeting.ballot.fn("open_election", *terms, 3, sender=meeting.agent)
    assert done.answer == 2
    assert done.logs == [DecodedLog("BallotOpened", {**told, "ballot_id": 2, "thresholds_bps": (), "candidates": 3})]
    assert meeting.ballot.view("terms", 2) == (security, AGENDA, 0, root, meeting.closes_at, 2_500, 0, 3, False)
    with refused("ballot: no such motion"):
        meeting.ballot.view("result", 1, 2)
    with refused("ballot: no such motion"):
        meeting.ballot.view("result", 2, 0)
    for view, arguments in (("terms", [3]), ("turnout", [3]), ("result", [3, 0]), ("terms", [0])):
        with refused(NO_BALLOT):
            meeting.ballot.view(view, *arguments)


WRONG_TERMS: list[tuple[int, Any, str]] = [
    (2, 1, "ballot: record block is not over"),
    (2, 2**256 - 1, "ballot: record block is not over"),
    (3, b"\0" * 32, "ballot: root is zero"),
    (4, 0, "ballot: total weight does not fit 96 bits"),
    (4, 2**96, "ballot: total weight does not fit 96 bits"),
    (5, 0, "ballot: closing time lies in the past"),
    (5, 2**40, "ballot: closing time does not fit 40 bits"),
    (6, 10_001, "ballot: quorum is more than all"),
]


@pytest.mark.parametrize(("place", "value", "reason"), WRONG_TERMS)
@pytest.mark.parametrize(("act", "last"), [("open_ballot", [5_000]), ("open_election", 2)])
def test_terms_without_sense_are_refused(meeting: Meeting, act: str, last: Any, place: int, value: Any, reason: str) -> None:
    terms = list(meeting.terms(last))
    terms[place] = value
    with refused(reason):
        meeting.ballot.fn(act, *terms, sender=meeting.agent)


def test_the_widest_terms_fit(meeting: Meeting) -> None:
    terms = list(meeting.terms([10_000] * 16, quorum_bps=10_000, total=2**96 - 1))
    terms[5] = 2**40 - 1
    ballot = meeting.ballot.fn("open_ballot", *terms, sender=meeting.agent).answer
    assert meeting.ballot.view("turnout", ballot) == (0, 2**96 - 1, False, False)
    assert meeting.ballot.view("result", ballot, 15)[3] == 10_000
    terms[7] = 16
    election = meeting.ballot.fn("open_election", *terms, sender=meeting.agent).answer
    meeting.vote(election, meeting.ann, *range(16, 0, -1))


def test_motions_and_candidates_are_a_few_with_thresholds_between_half_and_all(meeting: Meeting) -> None:
    for last, reason in (
        (NO_THRESHOLDS, "ballot: no motions"),
        ([4_999], "ballot: threshold is not between half and all"),
        ([5_000, 10_001], "ballot: threshold is not between half and all"),
        ([5_000] * 17, "no reason given"),
    ):
        with refused(reason):
            meeting.ballot.fn("open_ballot", *meeting.terms(last), sender=meeting.agent)
    for candidates in (0, 1, 17):
        with refused("ballot: candidates are not between 2 and 16"):
            meeting.ballot.fn("open_election", *meeting.terms(candidates), sender=meeting.agent)


def test_a_closing_time_of_now_is_past(meeting: Meeting) -> None:
    terms = list(meeting.terms([5_000]))
    terms[5] = meeting.chain.now
    with refused("ballot: closing time lies in the past"):
        meeting.ballot.fn("open_ballot", *terms, sender=meeting.agent)


def test_a_stranger_may_neither_open_nor_withdraw(meeting: Meeting) -> None:
    meeting.open()
    walked = {"initialize", "vote", "vote_split", "vote_by_signature", "appoint_proxy", "appoint_proxy_by_signature"}
    for act, arguments, reason in (
        ("open_ballot", meeting.terms([5_000]), NOT_AGENT),
        ("open_election", meeting.terms(2), NOT_AGENT),
        ("withdraw_ballot", (1,), NOT_AGENT),
        ("addAgent", (meeting.stranger,), NOT_OWNER),
        ("removeAgent", (meeting.agent,), NOT_OWNER),
        ("transferOwnership", (meeting.stranger,), NOT_OWNER),
    ):
        walked.add(act)
        with refused(reason):
            meeting.ballot.fn(act, *arguments, sender=meeting.stranger)
    named = contract_artifacts.load("ballot").functions.values()
    assert walked == {function.name for functions in named for function in functions if not function.is_view}


# Voting


def test_a_holder_casts_its_whole_weight_on_every_motion_at_once(meeting: Meeting) -> None:
    ballot = meeting.open(5_000, 5_000, 7_500)
    done = meeting.vote(ballot, meeting.ann, IN_FAVOUR, AGAINST, ABSTAIN)
    assert done.logs == [cast(ballot, meeting.ann, 50, IN_FAVOUR, AGAINST, ABSTAIN)]
    meeting.vote(ballot, meeting.bob, IN_FAVOUR, IN_FAVOUR, ABSTAIN)
    assert [meeting.votes(ballot, motion) for motion in range(3)] == [(80, 0, 0), (30, 50, 0), (0, 0, 80)]
    assert meeting.ballot.view("turnout", ballot) == (80, 100, True, False)
    assert [meeting.ballot.view("has_voted", ballot, index) for index in range(3)] == [True, True, False]


def test_a_vote_is_cast_once_and_stays(meeting: Meeting) -> None:
    ballot, other = meeting.open(), meeting.open()
    meeting.vote(ballot, meeting.ann, IN_FAVOUR)
    for choice in (IN_FAVOUR, AGAINST):
        with refused(HAS_VOTED):
            meeting.vote(ballot, meeting.ann, choice)
        with refused(HAS_VOTED):
            meeting.split(ballot, meeting.ann, (1, [choice]))
    meeting.vote(other, meeting.ann, AGAINST)
    assert (meeting.votes(ballot), meeting.votes(other)) == ((50, 0, 0), (0, 50, 0))


def test_only_the_weight_in_the_tree_counts(meeting: Meeting) -> None:
    ballot = meeting.open()
    index, account, weight, choices, proof = meeting.roll.call(meeting.ann, [IN_FAVOUR])
    for wrong in (
        (index + 1, account, weight, choices, proof),
        (index, account, weight + 1, choices, proof),
        (index, account, weight, choices, [*proof, b"\0" * 32]),
        (index, account, weight, choices, NO_PROOF),
    ):
        with refused(WRONG_PROOF):
            meeting.ballot.fn("vote", ballot, *wrong, sender=account)
    with refused(WRONG_PROOF):
        meeting.ballot.fn("vote", ballot, index, meeting.bob, weight, choices, proof, sender=meeting.bob)
    with refused(NOT_ITS_PROXY):
        meeting.ballot.fn("vote", ballot, index, account, weight, choices, proof, sender=meeting.bob)
    other = meeting.open(roll=Roll({meeting.ann: 49, meeting.bob: 51}))
    with refused(WRONG_PROOF):
        meeting.vote(other, meeting.ann, IN_FAVOUR)


def test_voting_ends_with_the_closing_time(meeting: Meeting) -> None:
    ballot = meeting.open()
    meeting.chain.pass_time(meeting.closes_at - meeting.chain.now - 1)
    meeting.vote(ballot, meeting.ann, IN_FAVOUR)
    assert (meeting.is_carried(ballot), meeting.ballot.view("turnout", ballot)[3]) == (False, False)
    meeting.chain.pass_time(1)
    assert (meeting.is_carried(ballot), meeting.ballot.view("turnout", ballot)[3]) == (True, True)
    for number in (ballot, 0, ballot + 1):
        with refused(NOT_OPEN):
            meeting.vote(number, meeting.bob, AGAINST)
        with refused(NOT_OPEN):
            meeting.split(number, meeting.bob, (1, [AGAINST]))
        with refused(NOT_OPEN):
            meeting.signed_vote(number, meeting.bob, meeting.bob, [(1, [AGAINST])], b"")
    with refused(NOT_OPEN):
        meeting.ballot.fn("withdraw_ballot", ballot, sender=meeting.agent)


def test_a_ballot_that_is_withdrawn_takes_no_votes_and_carries_nothing(meeting: Meeting) -> None:
    ballot = meeting.open(quorum_bps=5_000)
    meeting.vote(ballot, meeting.ann, IN_FAVOUR)
    done = meeting.ballot.fn("withdraw_ballot", ballot, sender=meeting.agent)
    assert done.logs == [DecodedLog("BallotWithdrawn", {"ballot_id": ballot})]
    with refused(NOT_OPEN):
        meeting.vote(ballot, meeting.bob, IN_FAVOUR)
    with refused(NOT_OPEN):
        meeting.ballot.fn("withdraw_ballot", ballot, sender=meeting.agent)
    meeting.close()
    assert meeting.ballot.view("terms", ballot)[-1] is True
    assert meeting.ballot.view("turnout", ballot) == (50, 100, True, False)
    assert (meeting.is_carried(ballot), meeting.votes(ballot)) == (False, (50, 0, 0))


def test_choices_are_one_for_each_motion_and_known(meeting: Meeting) -> None:
    ballot = meeting.open(5_000, 5_000)
    for choices, reason in (
        (NO_CHOICES, "ballot: choices are not one for each motion"),
        ([IN_FAVOUR], "ballot: choices are not one for each motion"),
        ([IN_FAVOUR] * 3, "ballot: choices are not one for each motion"),
        ([0, IN_FAVOUR], "ballot: no such choice"),
        ([IN_FAVOUR, 4], "ballot: no such choice"),
        ([IN_FAVOUR, 255], "ballot: no such choice"),
    ):
        with refused(reason):
            meeting.vote(ballot, meeting.ann, *choices)
    assert meeting.ballot.view("has_voted", ballot, 0) is False


@pytest.mark.parametrize("first", [0, 254, 255, 256, 2**128 - 1, 2**256 - 3])
def test_each_place_in_the_tree_has_a_mark_of_its_own(meeting: Meeting, first: int) -> None:
    roll = Roll(meeting.roll.weights, first=first)
    ballot = meeting.open(roll=roll)
    for voter, account in enumerate(roll.weights):
        assert [meeting.ballot.view("has_voted", ballot, first + place) for place in range(3)] == [place < voter for place in range(3)]
        meeting.vote(ballot, account, IN_FAVOUR, roll=roll)
        with refused(HAS_VOTED):
            meeting.vote(ballot, account, AGAINST, roll=roll)
    assert meeting.votes(ballot) == (100, 0, 0)


def test_the_greatest_weights_do_not_run_into_each_other(meeting: Meeting) -> None:
    most = 2**96 - 1
    roll = Roll({meeting.ann: most - 1, meeting.bob: 1, meeting.cat: 1})
    for choice, votes in ((IN_FAVOUR, (most, 0, 0)), (AGAINST, (0, most, 0)), (ABSTAIN, (0, 0, most))):
        ballot = meeting.open(9_999, 8_888, total=most, quorum_bps=10_000, roll=roll)
        meeting.vote(ballot, meeting.ann, choice, ABSTAIN, roll=roll)
        assert meeting.ballot.view("turnout", ballot) == (most - 1, most, False, False)
        meeting.vote(ballot, meeting.bob, choice, ABSTAIN, roll=roll)
        assert meeting.ballot.view("turnout", ballot) == (most, most, True, False)
        assert meeting.ballot.view("result", ballot, 0) == (*votes, 9_999, False)
        assert meeting.ballot.view("result", ballot, 1) == (0, 0, most, 8_888, False)
        with refused("ballot: more votes than the total weight"):
            meeting.vote(ballot, meeting.cat, choice, ABSTAIN, roll=roll)


def test_a_tree_with_more_votes_than_its_total_does_not_cast_them(meeting: Meeting) -> None:
    roll = Roll({meeting.ann: 60, meeting.bob: 41, meeting.cat: 2**256 - 1})
    ballot = meeting.open(roll=roll)
    meeting.vote(ballot, meeting.ann, IN_FAVOUR, roll=roll)
    for account in (meeting.bob, meeting.cat):
        with refused("ballot: more votes than the total weight"):
            meeting.vote(ballot, account, IN_FAVOUR, roll=roll)
    assert meeting.votes(ballot) == (60, 0, 0)


def test_a_transfer_after_the_record_block_moves_no_vote(world: World) -> None:
    meeting = Meeting(world.chain)
    ann, bob, cat = world.holder("ann", 60), world.holder("bob", 40), world.register("cat")
    roll = Roll({wallet: world.balance(wallet) for wallet in (ann, bob)})
    ballot = meeting.open(roll=roll)
    world.token.fn("transfer", cat, 60, sender=ann)
    world.token.fn("transfer", bob, 20, sender=cat)
    meeting.vote(ballot, ann, IN_FAVOUR, roll=roll)
    meeting.vote(ballot, bob, AGAINST, roll=roll)
    index, _, weight, choices, proof = roll.call(ann, [IN_FAVOUR])
    with refused(WRONG_PROOF):
        meeting.ballot.fn("vote", ballot, index, cat, weight, choices, proof, sender=cat)
    assert meeting.votes(ballot) == (60, 40, 0)


# What is carried

CARRIED = [
    # threshold, quorum, for, against, abstain of 100: carried?
    (5_000, 0, 1, 0, 0, True),
    (5_000, 0, 0, 0, 0, False),
    (5_000, 0, 0, 0, 100, False),
    (5_000, 0, 50, 50, 0, False),
    (5_000, 0, 51, 49, 0, True),
    (5_000, 0, 1, 0, 99, True),
    (6_667, 0, 66, 33, 1, False),
    (6_666, 0, 66, 33, 1, True),
    (7_500, 0, 75, 25, 0, True),
    (7_500, 0, 74, 25, 1, False),
    (10_000, 0, 99, 1, 0, False),
    (10_000, 0, 99, 0, 1, True),
    (5_000, 2_500, 24, 0, 0, False),
    (5_000, 2_500, 24, 0, 1, True),
    (5_000, 2_501, 25, 0, 0, False),
    (5_000, 10_000, 99, 0, 0, False),
    (5_000, 10_000, 99, 0, 1, True),
]


@pytest.mark.parametrize(("threshold", "quorum", "votes_for", "against", "abstained", "is_carried"), CARRIED)
def test_a_motion_is_carried_by_quorum_and_threshold_exactly(
    meeting: Meeting, threshold: int, quorum: int, votes_for: int, against: int, abstained: int, *, is_carried: bool
) -> None:
    meeting.roll = Roll({meeting.ann: 100})
    ballot = meeting.open(threshold, quorum_bps=quorum)
    parts = [(weight, [choice]) for weight, choice in ((votes_for, IN_FAVOUR), (against, AGAINST), (abstained, ABSTAIN)) if weight]
    if parts:
        meeting.split(ballot, meeting.ann, *parts)
    assert meeting.is_carried(ballot) is False
    meeting.close()
    assert meeting.ballot.view("result", ballot, 0) == (votes_for, against, abstained, threshold, is_carried)


# Splitting


def test_a_holder_for_several_people_splits_its_weight(meeting: Meeting) -> None:
    ballot = meeting.open(5_000, 5_000)
    done = meeting.split(ballot, meeting.ann, (20, [IN_FAVOUR, AGAINST]), (5, [AGAINST, ABSTAIN]))
    assert done.logs == [cast(ballot, meeting.ann, 20, IN_FAVOUR, AGAINST), cast(ballot, meeting.ann, 5, AGAINST, ABSTAIN)]
    assert (meeting.ballot.view("given", ballot, 0), meeting.ballot.view("has_voted", ballot, 0)) == (25, True)
    meeting.split(ballot, meeting.ann, (25, [IN_FAVOUR, IN_FAVOUR]))
    assert [meeting.votes(ballot, motion) for motion in (0, 1)] == [(45, 5, 0), (25, 20, 5)]
    with refused("ballot: parts exceed the weight"):
        meeting.split(ballot, meeting.ann, (1, [IN_FAVOUR, IN_FAVOUR]))


def test_who_gives_all_at_once_in_parts_has_voted(meeting: Meeting) -> None:
    ballot = meeting.open()
    meeting.split(ballot, meeting.ann, (20, [IN_FAVOUR]), (30, [AGAINST]))
    assert (meeting.ballot.view("given", ballot, 0), meeting.ballot.view("has_voted", ballot, 0)) == (0, True)
    with refused(HAS_VOTED):
        meeting.split(ballot, meeting.ann, (1, [IN_FAVOUR]))
    with refused(HAS_VOTED):
        meeting.vote(ballot, meeting.ann, IN_FAVOUR)
    assert meeting.votes(ballot) == (20, 30, 0)


def test_parts_are_some_and_together_at_most_the_weight(meeting: Meeting) -> None:
    ballot = meeting.open()
    for parts, reason in (
        (NO_PARTS, "ballot: no parts"),
        ([(0, [IN_FAVOUR])], "ballot: part has no weight"),
        ([(51, [IN_FAVOUR])], "ballot: parts exceed the weight"),
        ([(50, [IN_FAVOUR]), (1, [IN_FAVOUR])], "ballot: parts exceed the weight"),
        ([(1, [IN_FAVOUR]), (2**256 - 1, [IN_FAVOUR])], "ballot: parts exceed the weight"),
        ([(1, [IN_FAVOUR]), (1, NO_CHOICES)], "ballot: choices are not one for each motion"),
        ([(1, [IN_FAVOUR])] * 17, "no reason given"),
    ):
        with refused(reason):
            meeting.split(ballot, meeting.ann, *parts)
    assert (meeting.ballot.view("given", ballot, 0), meeting.votes(ballot)) == (0, (0, 0, 0))
    meeting.split(ballot, meeting.ann, *[(1, [IN_FAVOUR])] * 16)


def test_who_has_begun_to_split_goes_on_splitting(meeting: Meeting) -> None:
    ballot = meeting.open()
    meeting.split(ballot, meeting.ann, (10, [IN_FAVOUR]))
    with refused(HAS_VOTED):
        meeting.vote(ballot, meeting.ann, AGAINST)
    parts: list[tuple[int, list[int]]] = [(1, [AGAINST])]
    message = vote_message(ballot, meeting.ann, meeting.ann, parts)
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, VOTE, message)
    with refused(HAS_VOTED):
        meeting.signed_vote(ballot, meeting.ann, meeting.ann, parts, signature)
    assert meeting.votes(ballot) == (10, 0, 0)


# Elections


def test_an_order_of_candidates_is_told_and_its_weight_is_turnout(meeting: Meeting) -> None:
    election = meeting.open(candidates=3)
    assert meeting.vote(election, meeting.ann, 2, 3, 1).logs == [cast(election, meeting.ann, 50, 2, 3, 1)]
    assert meeting.split(election, meeting.bob, (10, [3]), (20, [1, 3])).logs == [
        cast(election, meeting.bob, 10, 3),
        cast(election, meeting.bob, 20, 1, 3),
    ]
    assert meeting.ballot.view("turnout", election) == (80, 100, True, False)
    for order, reason in (
        (NO_CHOICES, "ballot: no candidate is ranked"),
        ([0], "ballot: no such candidate"),
        ([1, 4], "ballot: no such candidate"),
        ([255], "ballot: no such candidate"),
        ([1, 2, 1], "ballot: candidate is ranked twice"),
    ):
        with refused(reason):
            meeting.vote(election, meeting.cat, *order)


# Proxies


def test_a_proxy_votes_in_the_accounts_place_until_it_is_dismissed(meeting: Meeting) -> None:
    ballot, other = meeting.open(), meeting.open()
    done = meeting.ballot.fn("appoint_proxy", ballot, meeting.dee, sender=meeting.ann)
    assert done.logs == [DecodedLog("ProxyAppointed", {"account": meeting.ann, "ballot_id": ballot, "proxy": meeting.dee})]
    assert meeting.ballot.view("proxy_of", meeting.ann, ballot) == meeting.dee
    meeting.ballot.fn("appoint_proxy", ballot, meeting.dee, sender=meeting.bob)
    meeting.ballot.fn("appoint_proxy", ballot, ZERO, sender=meeting.bob)
    done = meeting.vote(ballot, meeting.ann, IN_FAVOUR, sender=meeting.dee)
    assert done.logs == [cast(ballot, meeting.ann, 50, IN_FAVOUR, voter=meeting.dee)]
    for account, number in ((meeting.bob, ballot), (meeting.ann, other)):
        with refused(NOT_ITS_PROXY):
            meeting.vote(number, account, IN_FAVOUR, sender=meeting.dee)
        with refused(NOT_ITS_PROXY):
            meeting.split(number, account, (1, [IN_FAVOUR]), sender=meeting.dee)
    # What is cast stays cast, also for the account itself and after a dismissal.
    meeting.ballot.fn("appoint_proxy", ballot, ZERO, sender=meeting.ann)
    with refused(HAS_VOTED):
        meeting.vote(ballot, meeting.ann, AGAINST)


def test_an_account_may_vote_before_its_proxy_and_a_proxy_has_no_proxy(meeting: Meeting) -> None:
    ballot = meeting.open()
    meeting.ballot.fn("appoint_proxy", ballot, meeting.dee, sender=meeting.ann)
    meeting.ballot.fn("appoint_proxy", ballot, meeting.stranger, sender=meeting.dee)
    with refused(NOT_ITS_PROXY):
        meeting.vote(ballot, meeting.ann, IN_FAVOUR, sender=meeting.stranger)
    meeting.vote(ballot, meeting.ann, AGAINST)
    with refused(HAS_VOTED):
        meeting.vote(ballot, meeting.ann, IN_FAVOUR, sender=meeting.dee)


def proxy_message(meeting: Meeting, ballot: int, account: str, proxy: str, *, nonce: int = 0) -> dict[str, Any]:
    return {"account": account, "ballotId": ballot, "proxy": proxy, "nonce": nonce, "deadline": meeting.chain.now}


def test_a_proxy_is_appointed_by_signature_once(meeting: Meeting) -> None:
    ballot = meeting.open()
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, PROXY, proxy_message(meeting, ballot, meeting.ann, meeting.dee))
    arguments = (meeting.ann, ballot, meeting.dee, meeting.chain.now, signature)
    done = meeting.ballot.fn("appoint_proxy_by_signature", *arguments, sender=meeting.stranger)
    assert done.logs == [DecodedLog("ProxyAppointed", {"account": meeting.ann, "ballot_id": ballot, "proxy": meeting.dee})]
    assert meeting.ballot.view("nonces", meeting.ann) == 1
    meeting.ballot.fn("appoint_proxy", ballot, ZERO, sender=meeting.ann)
    assert meeting.ballot.view("nonces", meeting.ann) == 2
    with refused(NOT_SIGNED):
        meeting.ballot.fn("appoint_proxy_by_signature", *arguments, sender=meeting.stranger)
    meeting.chain.pass_time(1)
    with refused("ballot: deadline has passed"):
        meeting.ballot.fn("appoint_proxy_by_signature", *arguments, sender=meeting.stranger)


def test_a_signed_appointment_ends_with_the_accounts_next_word(meeting: Meeting) -> None:
    ballot = meeting.open()
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, PROXY, proxy_message(meeting, ballot, meeting.ann, meeting.dee))
    meeting.ballot.fn("appoint_proxy", ballot, ZERO, sender=meeting.ann)
    with refused(NOT_SIGNED):
        meeting.ballot.fn(
            "appoint_proxy_by_signature", meeting.ann, ballot, meeting.dee, meeting.chain.now, signature, sender=meeting.stranger
        )


def test_an_appointment_that_the_account_did_not_sign_is_refused(meeting: Meeting) -> None:
    ballot, other = meeting.open(), Meeting(meeting.chain)
    ann, now = meeting.ann, meeting.chain.now
    message = proxy_message(meeting, ballot, ann, meeting.dee)
    signature = sign(meeting.signers[ann], meeting.ballot, PROXY, message)
    elsewhere = sign(meeting.signers[ann], meeting.ballot, PROXY, message, chain_id=meeting.chain.chain_id + 1)
    cases = [
        (meeting.bob, ballot, meeting.dee, now, signature),
        (ann, ballot + 1, meeting.dee, now, signature),
        (ann, ballot, meeting.stranger, now, signature),
        (ann, ballot, meeting.dee, now + 1, signature),
        (ann, ballot, meeting.dee, now, elsewhere),
        (ann, ballot, meeting.dee, now, sign(meeting.signers[ann], other.ballot, PROXY, message)),
        (ZERO, ballot, meeting.dee, now, bytes(65)),
        *[(ann, ballot, meeting.dee, now, wrong) for wrong in spoiled(signature)],
    ]
    for wrong in cases:
        with refused(NOT_SIGNED):
            meeting.ballot.fn("appoint_proxy_by_signature", *wrong, sender=meeting.stranger)
    meeting.ballot.fn("appoint_proxy_by_signature", ann, ballot, meeting.dee, now, signature, sender=meeting.stranger)


# Votes by signature


def vote_message(ballot: int, account: str, voter: str, parts: list[tuple[int, list[int]]]) -> dict[str, Any]:
    told = [{"weight": weight, "choices": choices} for weight, choices in parts]
    return {"ballotId": ballot, "account": account, "voter": voter, "parts": told}


@pytest.mark.parametrize(
    "parts",
    [
        [(50, [IN_FAVOUR, ABSTAIN])],
        [(20, [IN_FAVOUR, AGAINST]), (30, [AGAINST, ABSTAIN])],
        [(1, [ABSTAIN, ABSTAIN])] * 16,
    ],
)
def test_anybody_brings_a_signed_vote_and_it_counts_once(meeting: Meeting, parts: list[tuple[int, list[int]]]) -> None:
    ballot = meeting.open(5_000, 5_000)
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, VOTE, vote_message(ballot, meeting.ann, meeting.ann, parts))
    done = meeting.signed_vote(ballot, meeting.ann, meeting.ann, parts, signature)
    assert done.logs == [cast(ballot, meeting.ann, weight, *choices) for weight, choices in parts]
    together = sum(weight for weight, _ in parts)
    assert meeting.ballot.view("turnout", ballot)[0] == together
    assert meeting.ballot.view("given", ballot, 0) == (together if together < 50 else 0)
    with refused(HAS_VOTED):
        meeting.signed_vote(ballot, meeting.ann, meeting.ann, parts, signature)


def test_a_proxy_signs_too_and_only_a_proxy(meeting: Meeting) -> None:
    ballot = meeting.open()
    parts: list[tuple[int, list[int]]] = [(30, [AGAINST])]
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, VOTE, vote_message(ballot, meeting.bob, meeting.ann, parts))
    with refused(NOT_ITS_PROXY):
        meeting.signed_vote(ballot, meeting.bob, meeting.ann, parts, signature)
    meeting.ballot.fn("appoint_proxy", ballot, meeting.ann, sender=meeting.bob)
    done = meeting.signed_vote(ballot, meeting.bob, meeting.ann, parts, signature)
    assert done.logs == [cast(ballot, meeting.bob, 30, AGAINST, voter=meeting.ann)]


def test_a_vote_that_nobody_signed_is_refused(meeting: Meeting) -> None:
    ballot, other = meeting.open(), Meeting(meeting.chain)
    parts: list[tuple[int, list[int]]] = [(20, [IN_FAVOUR]), (5, [AGAINST])]
    message = vote_message(ballot, meeting.ann, meeting.ann, parts)
    ann = meeting.signers[meeting.ann]
    signature = sign(ann, meeting.ballot, VOTE, message)
    elsewhere = sign(ann, meeting.ballot, VOTE, message, chain_id=meeting.chain.chain_id + 1)
    later = meeting.open()
    for number, changed, wrong in (
        (ballot, [(21, [IN_FAVOUR]), (5, [AGAINST])], signature),
        (ballot, [(20, [AGAINST]), (5, [AGAINST])], signature),
        (ballot, parts[:1], signature),
        (ballot, [*parts, (1, [AGAINST])], signature),
        (ballot, parts[::-1], signature),
        (ballot, NO_PARTS, signature),
        (later, parts, signature),
        (ballot, parts, elsewhere),
        (ballot, parts, sign(ann, other.ballot, VOTE, message)),
        *[(ballot, parts, each) for each in spoiled(signature)],
    ):
        with refused(NOT_SIGNED):
            meeting.signed_vote(number, meeting.ann, meeting.ann, changed, wrong)
    # Nobody has appointed the zero address, which must not make it everybody's proxy.
    with refused(NOT_SIGNED):
        meeting.signed_vote(ballot, meeting.ann, ZERO, parts, bytes(65))
    meeting.signed_vote(ballot, meeting.ann, meeting.ann, parts, signature)


def test_no_parts_are_no_vote_also_when_signed(meeting: Meeting) -> None:
    ballot = meeting.open()
    signature = sign(meeting.signers[meeting.ann], meeting.ballot, VOTE, vote_message(ballot, meeting.ann, meeting.ann, []))
    with refused("ballot: no parts"):
        meeting.signed_vote(ballot, meeting.ann, meeting.ann, [], signature)


def test_a_wallet_that_is_a_contract_votes_by_its_own_word(meeting: Meeting) -> None:
    wallet = ContractWallet(meeting.chain)
    meeting.roll = Roll({wallet.address: 60, meeting.bob: 40})
    ballot = meeting.open()
    parts: list[tuple[int, list[int]]] = [(60, [IN_FAVOUR])]
    with refused(NOT_SIGNED):
        meeting.signed_vote(ballot, wallet.address, wallet.address, parts, b"")
    wallet.approve(digest_of(meeting.ballot, VOTE, vote_message(ballot, wallet.address, wallet.address, parts)))
    meeting.signed_vote(ballot, wallet.address, wallet.address, parts, b"whatever")
    wallet.approve(digest_of(meeting.ballot, PROXY, proxy_message(meeting, ballot, wallet.address, meeting.dee)))
    appointment = (wallet.address, ballot, meeting.dee, meeting.chain.now, b"")
    meeting.ballot.fn("appoint_proxy_by_signature", *appointment, sender=meeting.stranger)
    assert (meeting.votes(ballot), meeting.ballot.view("proxy_of", wallet.address, ballot)) == ((60, 0, 0), meeting.dee)


def test_a_wallet_that_does_not_say_yes_has_not_signed(meeting: Meeting) -> None:
    for wallet in unwilling_wallets(meeting.chain):
        meeting.roll = Roll({wallet.address: 60, meeting.bob: 40})
        ballot = meeting.open()
        with refused(NOT_SIGNED):
            meeting.signed_vote(ballot, wallet.address, wallet.address, [(60, [IN_FAVOUR])], b"")


def test_the_signing_domain_is_published(meeting: Meeting) -> None:
    domain = (b"\x0f", "Muniment Ballot", "1", meeting.chain.chain_id, meeting.ballot.address, b"\0" * 32, ())
    assert meeting.ballot.view("eip712Domain") == domain
