# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Which shares of a wallet are locked, and until when. Knows nothing of balances; the token keeps the instant at which the last
lockup of a wallet ends, hands it in, and keeps what it gets back.
@dev The tranches of a wallet are a chain from the one that unlocks last to the one that unlocks next, each kept under its instant. An
ended tranche is never read again: a chain is followed only as far as it lies in the future, and no lockup begins in the past.
"""

from access import refusals

TRANCHES_MAX: constant(uint256) = 16

# A tranche in one word: shares 0..103 | the instant of the tranche that unlocks before it 104..143, zero for none
SHARES: constant(uint256) = 2**104 - 1
BEFORE_AT: constant(uint256) = 104
INSTANT_MAX: constant(uint256) = 253402300799  # The end of the year 9999, which every calendar can show; it fits 40 bits.

event SharesLocked:
    wallet: indexed(address)
    shares: uint256
    unlocks_at: uint256

event SharesReleased:
    wallet: indexed(address)
    shares: uint256
    unlocks_at: uint256

struct Lockup:
    shares: uint256
    unlocks_at: uint256

_tranches: HashMap[address, HashMap[uint256, uint256]]


@internal
def _lock(wallet: address, last: uint256, shares: uint256, unlocks_at: uint256) -> uint256:
    """@dev Adds to the tranche of that instant, or opens one. Returns when the wallet's last lockup ends from now on."""
    if unlocks_at <= block.timestamp or unlocks_at > INSTANT_MAX:
        refusals._refuse("lockup: instant is out of range")
    after: uint256 = 0  # The tranche that unlocks next after this one, and the one that does so before it.
    before: uint256 = 0
    instant: uint256 = last
    tranches: uint256 = 0
    for _: uint256 in range(TRANCHES_MAX):
        if instant <= block.timestamp:
            break
        if instant >= unlocks_at:
            after = instant
        elif before == 0:
            before = instant
        tranches = unsafe_add(tranches, 1)  # At most sixteen.
        instant = self._tranches[wallet][instant] >> BEFORE_AT
    if after == unlocks_at:
        # The caller sees to it that no more is locked than held, so the sum fits its bits.
        self._tranches[wallet][after] = unsafe_add(self._tranches[wallet][after], shares)
    else:
        if tranches == TRANCHES_MAX:
            refusals._refuse("lockup: too many tranches")
        self._tranches[wallet][unlocks_at] = shares | (before << BEFORE_AT)
        if after != 0:
            self._tranches[wallet][after] = (self._tranches[wallet][after] & SHARES) | (unlocks_at << BEFORE_AT)
    log SharesLocked(wallet=wallet, shares=shares, unlocks_at=unlocks_at)
    return max(last, unlocks_at)


@internal
def _take(wallet: address, last: uint256, shares: uint256) -> uint256:
    """@dev Releases that many locked shares, those that unlock last first. Returns when the wallet's last lockup ends from now on."""
    instant: uint256 = last
    wanted: uint256 = shares
    for _: uint256 in range(TRANCHES_MAX):
        if wanted == 0 or instant <= block.timestamp:
            break
        tranche: uint256 = self._tranches[wallet][instant]
        taken: uint256 = min(tranche & SHARES, wanted)
        log SharesReleased(wallet=wallet, shares=taken, unlocks_at=instant)
        # The lesser of the two is taken from each.
        wanted = unsafe_sub(wanted, taken)
        tranche = unsafe_sub(tranche, taken)
        if tranche & SHARES != 0:
            self._tranches[wallet][instant] = tranche
            break
        instant = tranche >> BEFORE_AT
    return instant


@internal
def _carry(wallet: address, last: uint256, replacement: address, replacement_last: uint256) -> uint256:
    """@dev Moves every lockup of a wallet to another. Returns when the last lockup of that other ends from now on."""
    instant: uint256 = last
    joint_last: uint256 = replacement_last
    for _: uint256 in range(TRANCHES_MAX):
        if instant <= block.timestamp:
            break
        tranche: uint256 = self._tranches[wallet][instant]
        log SharesReleased(wallet=wallet, shares=tranche & SHARES, unlocks_at=instant)
        joint_last = self._lock(replacement, joint_last, tranche & SHARES, instant)
        instant = tranche >> BEFORE_AT
    return joint_last


@internal
@view
def _locked(wallet: address, last: uint256) -> uint256:
    """@dev How many shares are locked now."""
    total: uint256 = 0
    instant: uint256 = last
    for _: uint256 in range(TRANCHES_MAX):
        if instant <= block.timestamp:
            break
        tranche: uint256 = self._tranches[wallet][instant]
        # Sixteen numbers of 104 bits fit a word.
        total = unsafe_add(total, tranche & SHARES)
        instant = tranche >> BEFORE_AT
    return total


@internal
@view
def _falls_to(wallet: address, last: uint256, shares: uint256) -> uint256:
    """@dev The instant from which no more than `shares` are locked; zero when that is so now."""
    total: uint256 = 0
    instant: uint256 = last
    for _: uint256 in range(TRANCHES_MAX):
        if instant <= block.timestamp:
            break
        tranche: uint256 = self._tranches[wallet][instant]
        # Sixteen numbers of 104 bits fit a word.
        total = unsafe_add(total, tranche & SHARES)
        if total > shares:
            return instant
        instant = tranche >> BEFORE_AT
    return 0
