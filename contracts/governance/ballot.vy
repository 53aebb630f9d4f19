# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Votes of the holders of a security: motions (for, against, abstain) or the election of one among candidates (ranked choice,
counted off chain). Who had how many votes at the record block stands in a Merkle tree of (index, account, weight), of which this
contract knows the root, so a transfer after the record block moves no vote. Knows nothing of how the tree was made.

A vote is final once it is cast: holders who want to hear the debate first vote late. A holder votes itself, by signature (somebody
else then pays the gas), or through a proxy, who can be dismissed until it has voted. A holder for several people splits its weight.

Every vote is told by `VoteCast`; adding these up gives the tally again.
"""

from access import ownership
from access import agents
from crypto import account_signatures
from crypto import merkle
from crypto import signing_domain

initializes: ownership
initializes: agents[ownership := ownership]

exports: (ownership.owner, ownership.transferOwnership)
exports: (agents.addAgent, agents.removeAgent, agents.isAgent)

NAME: constant(String[64]) = "Muniment Ballot"
PROXY_TYPE: constant(bytes32) = keccak256(
    "Proxy(address account,uint256 ballotId,address proxy,uint256 nonce,uint256 deadline)"
)
VOTE_TYPE: constant(bytes32) = keccak256(
    "Vote(uint256 ballotId,address account,address voter,Part[] parts)Part(uint256 weight,uint8[] choices)"
)
PART_TYPE: constant(bytes32) = keccak256("Part(uint256 weight,uint8[] choices)")

CHOICES_MAX: constant(uint256) = 16
PARTS_MAX: constant(uint256) = 16
BPS: constant(uint256) = 10_000
BPS_HALF: constant(uint256) = 5_000

IN_FAVOUR: constant(uint8) = 1
AGAINST: constant(uint8) = 2
ABSTAIN: constant(uint8) = 3

# A ballot in one word, from the lowest bit: weight of all 96 | weight cast 96 | closes at 40 | motions 8 | candidates 8.
# A motion in one word: votes for 96 | votes against 96 | threshold 16. Who neither supports nor opposes a motion has abstained.
WEIGHT_MASK: constant(uint256) = 2**96 - 1
TIME_MASK: constant(uint256) = 2**40 - 1
CAST_SHIFT: constant(uint256) = 96
CLOSES_SHIFT: constant(uint256) = 192
MOTIONS_SHIFT: constant(uint256) = 232
CANDIDATES_SHIFT: constant(uint256) = 240
AGAINST_SHIFT: constant(uint256) = 96
THRESHOLD_SHIFT: constant(uint256) = 192

event BallotOpened:
    ballot_id: indexed(uint256)
    security: indexed(address)
    agenda: bytes32
    record_block: uint256
    root: bytes32
    total_weight: uint256
    closes_at: uint256
    quorum_bps: uint256
    thresholds_bps: DynArray[uint256, CHOICES_MAX]
    candidates: uint256

event BallotWithdrawn:
    ballot_id: indexed(uint256)

event ProxyAppointed:
    account: indexed(address)
    ballot_id: indexed(uint256)
    proxy: address

event VoteCast:
    ballot_id: indexed(uint256)
    account: indexed(address)
    voter: address
    weight: uint256
    choices: DynArray[uint8, CHOICES_MAX]

struct Terms:
    security: address
    agenda: bytes32
    record_block: uint256
    root: bytes32
    closes_at: uint256
    quorum_bps: uint256
    motions: uint256
    candidates: uint256
    is_withdrawn: bool

struct Turnout:
    cast: uint256
    total_weight: uint256
    has_quorum: bool
    is_closed: bool

struct Result:
    votes_for: uint256
    votes_against: uint256
    votes_abstained: uint256
    threshold_bps: uint256
    is_carried: bool

struct Part:
    weight: uint256
    choices: DynArray[uint8, CHOICES_MAX]

ballot_count: public(uint256)
_ballots: HashMap[uint256, uint256]
_roots: HashMap[uint256, bytes32]
_terms: HashMap[uint256, Terms]
_motions: HashMap[uint256, HashMap[uint256, uint256]]
# ballot -> index // 256 -> one bit an index: whoever votes first in a group of 256 pays for the word.
_voted: HashMap[uint256, HashMap[uint256, uint256]]
# ballot -> index -> weight given so far, of those who do not give all at once.
_given: HashMap[uint256, HashMap[uint256, uint256]]
# account -> ballot -> who votes in its place.
proxy_of: public(HashMap[address, HashMap[uint256, address]])
nonces: public(HashMap[address, uint256])


@external
def initialize():
    """@notice Makes the caller the owner, once."""
    ownership._begin()


# The agent's acts


@external
def open_ballot(
    security: address,
    agenda: bytes32,
    record_block: uint256,
    root: bytes32,
    total_weight: uint256,
    closes_at: uint256,
    quorum_bps: uint256,
    thresholds_bps: DynArray[uint256, CHOICES_MAX],
) -> uint256:
    """
    @notice Puts motions to the vote. Agent only.
    @param agenda Digest of the document that says what is voted on.
    @param record_block The weights are those after this block.
    @param root The root of all (index, account, weight); each index stands in it once.
    @param total_weight The sum of all weights; never is more than this cast.
    @param closes_at Unix seconds; votes count before it.
    @param quorum_bps The least turnout, in basis points of `total_weight`; abstentions are present.
    @param thresholds_bps For each motion the votes for it that carry it, in basis points of those for and against. At 5,000, a
    simple majority, as at any other: a tie carries nothing.
    @return The ballot's number, from 1.
    """
    assert len(thresholds_bps) > 0, "ballot: no motions"
    for threshold_bps: uint256 in thresholds_bps:
        assert threshold_bps >= BPS_HALF and threshold_bps <= BPS, "ballot: threshold is not between half and all"
    ballot_id: uint256 = self._open(security, agenda, record_block, root, total_weight, closes_at, quorum_bps, thresholds_bps, 0)
    for motion: uint256 in range(len(thresholds_bps), bound=CHOICES_MAX):
        self._motions[ballot_id][motion] = thresholds_bps[motion] << THRESHOLD_SHIFT
    return ballot_id


@external
def open_election(
    security: address,
    agenda: bytes32,
    record_block: uint256,
    root: bytes32,
    total_weight: uint256,
    closes_at: uint256,
    quorum_bps: uint256,
    candidates: uint256,
) -> uint256:
    """
    @notice Puts candidates to the vote. A vote is an order of candidates, from 1, the most wanted first; who is left out is not
    ranked. Only the turnout is counted here. Agent only; the rest is as in `open_ballot`.
    @return The ballot's number, from 1.
    """
    assert candidates > 1 and candidates <= CHOICES_MAX, "ballot: candidates are not between 2 and 16"
    return self._open(security, agenda, record_block, root, total_weight, closes_at, quorum_bps, [], candidates)


@external
def withdraw_ballot(ballot_id: uint256):
    """@notice Ends a ballot that has not closed, without a result: a wrong root, a meeting called off. Agent only."""
    agents._check_agent()
    ballot: uint256 = self._ballots[ballot_id]
    self._check_open(ballot)
    self._ballots[ballot_id] = ballot & ~(TIME_MASK << CLOSES_SHIFT)
    self._terms[ballot_id].is_withdrawn = True
    log BallotWithdrawn(ballot_id=ballot_id)


# Proxies


@external
def appoint_proxy(ballot_id: uint256, proxy: address):
    """@notice Lets `proxy` vote in the caller's place, beside the caller; the zero address dismisses it. What was cast stays cast."""
    self._appoint(msg.sender, ballot_id, proxy, self.nonces[msg.sender])


@external
def appoint_proxy_by_signature(account: address, ballot_id: uint256, proxy: address, deadline: uint256, signature: Bytes[512]):
    """
    @notice Appoints or dismisses by the account's signature over its present nonce, up to and including `deadline` in Unix seconds.
    @dev Each appointment uses the nonce up, also one made by the account itself: an older signature cannot undo a newer word.
    """
    assert block.timestamp <= deadline, "ballot: deadline has passed"
    nonce: uint256 = self.nonces[account]
    terms: bytes32 = keccak256(abi_encode(PROXY_TYPE, account, ballot_id, proxy, nonce, deadline))
    self._check_signature(account, terms, signature)
    self._appoint(account, ballot_id, proxy, nonce)


# Voting


@external
def vote(
    ballot_id: uint256,
    index: uint256,
    account: address,
    weight: uint256,
    choices: DynArray[uint8, CHOICES_MAX],
    proof: DynArray[bytes32, merkle.PROOF_MAX],
):
    """
    @notice Casts the whole weight of `account` one way. The account or its proxy.
    @param index The account's place in the tree.
    @param choices For each motion 1 for, 2 against, 3 abstain; in an election the order of candidates.
    """
    ballot: uint256 = self._begin_vote(ballot_id, index, account, msg.sender, weight, proof)
    self._mark_voted(ballot_id, index)
    self._ballots[ballot_id] = self._count(ballot_id, ballot, account, msg.sender, weight, choices)


@external
def vote_split(
    ballot_id: uint256,
    index: uint256,
    account: address,
    weight: uint256,
    parts: DynArray[Part, PARTS_MAX],
    proof: DynArray[bytes32, merkle.PROOF_MAX],
):
    """
    @notice Casts parts of the weight of `account` in different ways, as whoever holds for several people does; may be called again
    until the weight is used up. The account or its proxy.
    """
    ballot: uint256 = self._begin_vote(ballot_id, index, account, msg.sender, weight, proof)
    if self._given[ballot_id][index] == 0:
        self._mark_voted(ballot_id, index)
    self._cast_parts(ballot_id, ballot, index, account, msg.sender, weight, parts)


@external
def vote_by_signature(
    ballot_id: uint256,
    index: uint256,
    account: address,
    weight: uint256,
    voter: address,
    parts: DynArray[Part, PARTS_MAX],
    proof: DynArray[bytes32, merkle.PROOF_MAX],
    signature: Bytes[512],
):
    """
    @notice Casts what `voter`, the account or its proxy, has signed. Anybody may bring it, once: only an account that has not voted.
    """
    ballot: uint256 = self._begin_vote(ballot_id, index, account, voter, weight, proof)
    terms: bytes32 = keccak256(abi_encode(VOTE_TYPE, ballot_id, account, voter, self._parts_hash(parts)))
    self._check_signature(voter, terms, signature)
    self._mark_voted(ballot_id, index)
    self._cast_parts(ballot_id, ballot, index, account, voter, weight, parts)


# Views


@external
@view
def terms(ballot_id: uint256) -> Terms:
    """@notice What a ballot was opened with, and whether it was withdrawn."""
    self._check_exists(ballot_id)
    return self._terms[ballot_id]


@external
@view
def has_voted(ballot_id: uint256, index: uint256) -> bool:
    """@notice Whether the account at this place in the tree has cast its weight, or has begun to split it."""
    return self._has_voted(ballot_id, index)


@external
@view
def given(ballot_id: uint256, index: uint256) -> uint256:
    """@notice The weight that the account at this place has cast so far; zero when it has cast all at once."""
    return self._given[ballot_id][index]


@external
@view
def turnout(ballot_id: uint256) -> Turnout:
    """@notice The weight cast of all, whether that makes the quorum (compared exactly, nothing is rounded), and whether voting is over."""
    self._check_exists(ballot_id)
    ballot: uint256 = self._ballots[ballot_id]
    return Turnout(
        cast=(ballot >> CAST_SHIFT) & WEIGHT_MASK,
        total_weight=ballot & WEIGHT_MASK,
        has_quorum=self._has_quorum(ballot_id),
        is_closed=self._is_closed(ballot_id),
    )


@external
@view
def result(ballot_id: uint256, motion: uint256) -> Result:
    """
    @notice How a motion, from 0, stands. It is carried when voting is over with a quorum, and of the votes for and against at least
    the threshold, and more than half, are for it. Compared exactly: nothing is rounded.
    """
    self._check_exists(ballot_id)
    ballot: uint256 = self._ballots[ballot_id]
    assert motion < (ballot >> MOTIONS_SHIFT) & 255, "ballot: no such motion"
    tally: uint256 = self._motions[ballot_id][motion]
    votes_for: uint256 = tally & WEIGHT_MASK
    votes_against: uint256 = (tally >> AGAINST_SHIFT) & WEIGHT_MASK
    threshold_bps: uint256 = tally >> THRESHOLD_SHIFT
    is_decided: bool = self._is_closed(ballot_id) and self._has_quorum(ballot_id)
    is_enough: bool = votes_for > votes_against and votes_for * BPS >= (votes_for + votes_against) * threshold_bps
    return Result(
        votes_for=votes_for,
        votes_against=votes_against,
        votes_abstained=((ballot >> CAST_SHIFT) & WEIGHT_MASK) - votes_for - votes_against,
        threshold_bps=threshold_bps,
        is_carried=is_decided and is_enough,
    )


@external
@view
def eip712Domain() -> (bytes1, String[64], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """@notice The signing domain (ERC-5267): name, version, chain and this contract."""
    return signing_domain._description(NAME)


@internal
def _open(
    security: address,
    agenda: bytes32,
    record_block: uint256,
    root: bytes32,
    total_weight: uint256,
    closes_at: uint256,
    quorum_bps: uint256,
    thresholds_bps: DynArray[uint256, CHOICES_MAX],
    candidates: uint256,
) -> uint256:
    agents._check_agent()
    assert record_block < block.number, "ballot: record block is not over"
    assert root != empty(bytes32), "ballot: root is zero"
    assert total_weight > 0 and total_weight <= WEIGHT_MASK, "ballot: total weight does not fit 96 bits"
    assert closes_at > block.timestamp, "ballot: closing time lies in the past"
    assert closes_at <= TIME_MASK, "ballot: closing time does not fit 40 bits"
    assert quorum_bps <= BPS, "ballot: quorum is more than all"
    ballot_id: uint256 = self.ballot_count + 1
    self.ballot_count = ballot_id
    motions: uint256 = len(thresholds_bps)
    # Each part was just compared with its width, and motions and candidates are at most 16: they do not overlap.
    self._ballots[ballot_id] = (
        total_weight | (closes_at << CLOSES_SHIFT) | (motions << MOTIONS_SHIFT) | (candidates << CANDIDATES_SHIFT)
    )
    self._roots[ballot_id] = root
    self._terms[ballot_id] = Terms(
        security=security,
        agenda=agenda,
        record_block=record_block,
        root=root,
        closes_at=closes_at,
        quorum_bps=quorum_bps,
        motions=motions,
        candidates=candidates,
        is_withdrawn=False,
    )
    log BallotOpened(
        ballot_id=ballot_id,
        security=security,
        agenda=agenda,
        record_block=record_block,
        root=root,
        total_weight=total_weight,
        closes_at=closes_at,
        quorum_bps=quorum_bps,
        thresholds_bps=thresholds_bps,
        candidates=candidates,
    )
    return ballot_id


@internal
def _appoint(account: address, ballot_id: uint256, proxy: address, nonce: uint256):
    self.nonces[account] = unsafe_add(nonce, 1)  # One a transaction: 2**256 of them do not come about.
    self.proxy_of[account][ballot_id] = proxy
    log ProxyAppointed(account=account, ballot_id=ballot_id, proxy=proxy)


@internal
@view
def _begin_vote(
    ballot_id: uint256, index: uint256, account: address, voter: address, weight: uint256, proof: DynArray[bytes32, merkle.PROOF_MAX]
) -> uint256:
    """@dev The ballot's word, when it is open, `voter` speaks for `account`, and that has `weight`."""
    ballot: uint256 = self._ballots[ballot_id]
    self._check_open(ballot)
    if voter != account:
        assert voter == self.proxy_of[account][ballot_id], "ballot: neither the account nor its proxy"
    leaf: bytes32 = keccak256(keccak256(abi_encode(index, account, weight)))
    assert merkle._root(leaf, proof) == self._roots[ballot_id], "ballot: proof does not lead to the root"
    return ballot


@internal
def _mark_voted(ballot_id: uint256, index: uint256):
    group: uint256 = index >> 8
    word: uint256 = self._voted[ballot_id][group]
    bit: uint256 = 1 << (index & 255)
    assert word & bit == 0, "ballot: account has voted"
    self._voted[ballot_id][group] = word | bit


@internal
def _cast_parts(
    ballot_id: uint256, ballot: uint256, index: uint256, account: address, voter: address, weight: uint256, parts: DynArray[Part, PARTS_MAX]
):
    assert len(parts) > 0, "ballot: no parts"
    given_before: uint256 = self._given[ballot_id][index]
    given: uint256 = given_before
    counted: uint256 = ballot
    for part: Part in parts:
        assert part.weight > 0, "ballot: part has no weight"
        assert part.weight <= weight - given, "ballot: parts exceed the weight"
        given = unsafe_add(given, part.weight)  # Just compared: at most the weight.
        counted = self._count(ballot_id, counted, account, voter, part.weight, part.choices)
    # Who gives all at once is done by the mark alone, and need not pay for a word of its own.
    if given < weight or given_before > 0:
        self._given[ballot_id][index] = given
    self._ballots[ballot_id] = counted


@internal
def _count(
    ballot_id: uint256, ballot: uint256, account: address, voter: address, weight: uint256, choices: DynArray[uint8, CHOICES_MAX]
) -> uint256:
    """@dev Adds the weight to each motion that it is for or against; returns the ballot's word with the weight cast."""
    cast: uint256 = (ballot >> CAST_SHIFT) & WEIGHT_MASK
    # The cast never exceeds the total, which the comparison keeps so; it bounds each motion's votes too, so no sum leaves its bits.
    assert weight <= unsafe_sub(ballot & WEIGHT_MASK, cast), "ballot: more votes than the total weight"
    candidates: uint256 = ballot >> CANDIDATES_SHIFT
    if candidates == 0:
        assert len(choices) == (ballot >> MOTIONS_SHIFT) & 255, "ballot: choices are not one for each motion"
        for motion: uint256 in range(len(choices), bound=CHOICES_MAX):
            choice: uint8 = choices[motion]
            if choice == IN_FAVOUR:
                self._motions[ballot_id][motion] += weight
            elif choice == AGAINST:
                self._motions[ballot_id][motion] += weight << AGAINST_SHIFT
            else:
                assert choice == ABSTAIN, "ballot: no such choice"
    else:
        self._check_order(candidates, choices)
    log VoteCast(ballot_id=ballot_id, account=account, voter=voter, weight=weight, choices=choices)
    return unsafe_add(ballot, weight << CAST_SHIFT)


@internal
@pure
def _check_order(candidates: uint256, choices: DynArray[uint8, CHOICES_MAX]):
    assert len(choices) > 0, "ballot: no candidate is ranked"
    ranked: uint256 = 0
    for choice: uint8 in choices:
        candidate: uint256 = convert(choice, uint256)
        assert candidate > 0 and candidate <= candidates, "ballot: no such candidate"
        assert ranked & (1 << candidate) == 0, "ballot: candidate is ranked twice"
        ranked |= 1 << candidate


@internal
@pure
def _parts_hash(parts: DynArray[Part, PARTS_MAX]) -> bytes32:
    """@dev EIP-712: an array is the hash of its members' words, without its length."""
    hashes: DynArray[bytes32, PARTS_MAX] = []
    for part: Part in parts:
        choices: Bytes[32 * (CHOICES_MAX + 2)] = abi_encode(part.choices)
        words: bytes32 = keccak256(slice(choices, 64, 32 * len(part.choices)))
        hashes.append(keccak256(abi_encode(PART_TYPE, part.weight, words)))
    encoded: Bytes[32 * (PARTS_MAX + 2)] = abi_encode(hashes)
    return keccak256(slice(encoded, 64, 32 * len(parts)))


@internal
@view
def _check_signature(signer: address, terms: bytes32, signature: Bytes[512]):
    digest: bytes32 = signing_domain._digest(NAME, terms)
    assert account_signatures._is_signed_by(signer, digest, signature), "ballot: signature is not the signer's"


@internal
@view
def _check_exists(ballot_id: uint256):
    assert self._ballots[ballot_id] != 0, "ballot: no such ballot"


@internal
@view
def _check_open(ballot: uint256):
    # No ballot, and a withdrawn one, close at zero.
    assert block.timestamp < (ballot >> CLOSES_SHIFT) & TIME_MASK, "ballot: not open"


@internal
@view
def _has_voted(ballot_id: uint256, index: uint256) -> bool:
    return self._voted[ballot_id][index >> 8] & (1 << (index & 255)) != 0


@internal
@view
def _is_closed(ballot_id: uint256) -> bool:
    terms: Terms = self._terms[ballot_id]
    return block.timestamp >= terms.closes_at and not terms.is_withdrawn


@internal
@view
def _has_quorum(ballot_id: uint256) -> bool:
    ballot: uint256 = self._ballots[ballot_id]
    cast: uint256 = (ballot >> CAST_SHIFT) & WEIGHT_MASK
    return cast * BPS >= (ballot & WEIGHT_MASK) * self._terms[ballot_id].quorum_bps
