# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice What an investor acquired when, lot by lot, and how much of it is held back for a period. Knows neither balances nor rules.
@dev What is sent comes from the oldest lots (first in, first out), so what is held back is what was acquired within the period: a lot
that somebody else sends holds back itself, and nothing that was there before. Each lot carries the total up to it, and the last one
that has been held long enough is found by halving. How many lots there are, the caller remembers.
"""

# A lot in one word: acquired at 0..39 | all that the investor has acquired up to it 40..255.
INSTANT_MAX: constant(uint256) = 2**40 - 1
TOTAL_AT: constant(uint256) = 40
LOTS_MAX: constant(uint256) = 2**32 - 1
# So many lots of that size stay within 216 bits.
AMOUNT_MAX: constant(uint256) = 2**128 - 1

_lots: HashMap[address, HashMap[address, HashMap[uint256, uint256]]]


@internal
@view
def _held_back(token: address, investor: address, count: uint256, period_seconds: uint256) -> (uint256, uint256):
    """@dev What was acquired within the period, and when the last of it will have been held long enough; zeros when nothing was."""
    if count == 0:
        return 0, 0
    last: uint256 = self._lots[token][investor][count - 1]
    if self._free_at(last, period_seconds) <= block.timestamp:
        return 0, 0
    # Lots before `low` have been held long enough, those from `high` on have not.
    low: uint256 = 0
    high: uint256 = count - 1
    for _: uint256 in range(32):
        if low == high:
            break
        middle: uint256 = (low + high) // 2
        if self._free_at(self._lots[token][investor][middle], period_seconds) <= block.timestamp:
            low = middle + 1
        else:
            high = middle
    held_long: uint256 = 0
    if low > 0:
        held_long = self._lots[token][investor][low - 1] >> TOTAL_AT
    return (last >> TOTAL_AT) - held_long, self._free_at(last, period_seconds)


@internal
def _add_lot(token: address, investor: address, count: uint256, period_seconds: uint256, amount: uint256) -> uint256:
    """@dev Adds a lot acquired now, and returns how many there are then."""
    place: uint256 = count
    total: uint256 = min(amount, AMOUNT_MAX)
    if count > 0:
        last: uint256 = self._lots[token][investor][count - 1]
        if self._free_at(last, period_seconds) <= block.timestamp:
            # All have been held long enough: their places are used again.
            place = 0
        else:
            total += last >> TOTAL_AT
            if last & INSTANT_MAX == block.timestamp:
                place -= 1
    self._lots[token][investor][place] = (total << TOTAL_AT) | block.timestamp
    return place + 1


@internal
@pure
def _free_at(lot: uint256, period_seconds: uint256) -> uint256:
    return (lot & INSTANT_MAX) + period_seconds
