# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Requests that wait for a price struck after them (forward pricing), for two sides: money in for units, units in for money.
Counts only: moves nothing, and knows neither tokens nor who may do what.
@dev Requests join the open round of their side. A cut-off closes the round; the strike says what all of it gives, and all requests of
the round have the same price. Nothing loops over requests: each controller's part is worked out when the controller comes next, from
what is left of the round, so that the parts add up to the whole without a residue; a part is rounded down.
"""

# The two sides: what is given is money in the first, units in the second; what is received is the other.
DEPOSITS: constant(uint256) = 0
REDEMPTIONS: constant(uint256) = 1

# Both amounts of a word: given 0..127 | received 128..255
AMOUNT_MAX: constant(uint256) = 2**128 - 1
RECEIVED_AT: constant(uint256) = 128

# What a controller has waiting in one round: amount 0..127 | round 128..255
ROUND_AT: constant(uint256) = 128

# The round that new requests join, and how many rounds are struck. At most one round waits between: cut off, not struck.
_open: uint256[2]
_struck: uint256[2]
_cut_off_at: uint256[2]
# What is left of a round to be worked out.
_rounds: HashMap[uint256, HashMap[uint256, uint256]]
# By the round's parity: of two rounds that follow each other, at most the later can take requests while the earlier waits.
_waiting: HashMap[uint256, HashMap[address, uint256[2]]]
_claimable: HashMap[uint256, HashMap[address, uint256]]


@internal
def _request(side: uint256, controller: address, amount: uint256):
    """@dev Adds to what the controller has in the open round."""
    assert amount > 0, "dealing: amount is zero"
    self._work_out(side, controller)
    round: uint256 = self._open[side]
    whole: uint256 = self._rounds[side][round] + amount
    assert whole <= AMOUNT_MAX, "dealing: amount does not fit"
    self._rounds[side][round] = whole
    waiting: uint256 = self._waiting[side][controller][round & 1]
    held: uint256 = waiting & AMOUNT_MAX
    assert held == 0 or waiting >> ROUND_AT == round, "dealing: claim what is due first"
    # A part of the whole fits where the whole does.
    self._waiting[side][controller][round & 1] = unsafe_add(held, amount) | (round << ROUND_AT)


@internal
def _take_back(side: uint256, controller: address, patience_seconds: uint256) -> uint256:
    """@dev Removes what the controller has in the open round, and, after so long without a strike, in the round that was cut off."""
    self._work_out(side, controller)
    total: uint256 = 0
    is_patience_over: bool = block.timestamp >= self._cut_off_at[side] + patience_seconds
    for parity: uint256 in range(2):
        waiting: uint256 = self._waiting[side][controller][parity]
        amount: uint256 = waiting & AMOUNT_MAX
        round: uint256 = waiting >> ROUND_AT
        if amount > 0 and (round == self._open[side] or (round >= self._struck[side] and is_patience_over)):
            self._waiting[side][controller][parity] = 0
            self._rounds[side][round] = unsafe_sub(self._rounds[side][round], amount)  # It is part of the round.
            total += amount
    assert total > 0, "dealing: nothing to take back"
    return total


@internal
def _cut_off(side: uint256) -> bool:
    """@dev Closes the open round when it holds something and no earlier one waits for its price."""
    round: uint256 = self._open[side]
    if round > self._struck[side]:
        if self._rounds[side][self._struck[side]] > 0:
            return False
        self._struck[side] = round  # Everything was taken back: nobody waits for that price.
    if self._rounds[side][round] == 0:
        return False
    self._open[side] = round + 1
    self._cut_off_at[side] = block.timestamp
    return True


@internal
@view
def _to_strike(side: uint256) -> uint256:
    """@dev What was given in the round that was cut off and waits for its price; 0 where none does."""
    round: uint256 = self._struck[side]
    return self._rounds[side][round] if round < self._open[side] else 0


@internal
def _strike(side: uint256, received: uint256):
    """@dev Says what the waiting round receives; the caller has checked that it fits its bits."""
    round: uint256 = self._struck[side]
    self._rounds[side][round] |= received << RECEIVED_AT
    self._struck[side] = round + 1


@internal
def _work_out(side: uint256, controller: address):
    """@dev Moves what the controller had in struck rounds to what can be claimed."""
    for parity: uint256 in range(2):
        waiting: uint256 = self._waiting[side][controller][parity]
        amount: uint256 = waiting & AMOUNT_MAX
        round: uint256 = waiting >> ROUND_AT
        if amount == 0 or round >= self._struck[side]:
            continue
        left: uint256 = self._rounds[side][round]
        part: uint256 = self._part(left, amount)
        claimable: uint256 = self._claimable[side][controller]
        given: uint256 = (claimable & AMOUNT_MAX) + amount
        received: uint256 = (claimable >> RECEIVED_AT) + part
        if given > AMOUNT_MAX or received > AMOUNT_MAX:
            continue  # Stays as it is until the rest is claimed.
        self._waiting[side][controller][parity] = 0
        # The amount is part of what is left of the round, and so is what it receives.
        self._rounds[side][round] = unsafe_sub(unsafe_sub(left, amount), part << RECEIVED_AT)
        self._claimable[side][controller] = given | (received << RECEIVED_AT)


@internal
@pure
def _part(whole: uint256, given: uint256) -> uint256:
    """@dev What `given` of a word's given receives of its received, rounded down. 128 bits each: the product fits."""
    return unsafe_mul(whole >> RECEIVED_AT, given) // (whole & AMOUNT_MAX)


@internal
def _claim_given(side: uint256, controller: address, given: uint256) -> uint256:
    """@dev Claims what so much of the given receives, rounded down; the last claim gets the rest."""
    self._work_out(side, controller)
    claimable: uint256 = self._claimable[side][controller]
    assert given > 0 and given <= claimable & AMOUNT_MAX, "dealing: more than is claimable"
    part: uint256 = self._part(claimable, given)
    self._claimable[side][controller] = unsafe_sub(unsafe_sub(claimable, given), part << RECEIVED_AT)  # Parts of it.
    return part


@internal
def _claim_received(side: uint256, controller: address, received: uint256) -> uint256:
    """@dev Claims so much of the received, for so much of the given, rounded up; the last claim takes the rest along."""
    self._work_out(side, controller)
    claimable: uint256 = self._claimable[side][controller]
    whole: uint256 = claimable >> RECEIVED_AT
    assert received > 0 and received <= whole, "dealing: more than is claimable"
    # 128 bits each and less than 2**128 more: it fits; and it is at most all that was given.
    given: uint256 = unsafe_add(unsafe_mul(claimable & AMOUNT_MAX, received), whole - 1) // whole
    self._claimable[side][controller] = unsafe_sub(unsafe_sub(claimable, given), received << RECEIVED_AT)
    return given


@internal
def _claim_all(side: uint256, controller: address) -> uint256:
    """@dev Claims everything at once."""
    self._work_out(side, controller)
    received: uint256 = self._claimable[side][controller] >> RECEIVED_AT
    assert received > 0, "dealing: more than is claimable"
    self._claimable[side][controller] = 0
    return received


@internal
@view
def _pending(side: uint256, controller: address) -> uint256:
    """@dev What the controller gave that has no price yet."""
    total: uint256 = 0
    for parity: uint256 in range(2):
        waiting: uint256 = self._waiting[side][controller][parity]
        if waiting >> ROUND_AT >= self._struck[side]:
            total += waiting & AMOUNT_MAX
    return total


@internal
@view
def _claimable_now(side: uint256, controller: address) -> (uint256, uint256):
    """@dev What the controller gave that has a price, and what it receives."""
    claimable: uint256 = self._claimable[side][controller]
    given: uint256 = claimable & AMOUNT_MAX
    received: uint256 = claimable >> RECEIVED_AT
    for parity: uint256 in range(2):
        waiting: uint256 = self._waiting[side][controller][parity]
        amount: uint256 = waiting & AMOUNT_MAX
        if amount > 0 and waiting >> ROUND_AT < self._struck[side]:
            given += amount
            received += self._part(self._rounds[side][waiting >> ROUND_AT], amount)
    return given, received
