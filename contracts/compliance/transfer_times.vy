# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice When a token may move: windows from one instant to another, and hours of the day on days of the week, in UTC. Knows nothing of
who asks.
"""

WINDOWS_MAX: constant(uint256) = 16
DAY: constant(uint256) = 86_400
NEVER: constant(uint256) = max_value(uint256)

# A window in one word: opens at 0..39 | closes at 40..79. Hours in one word: opens 0..16 | closes 17..33 | weekdays 34..40.
INSTANT_MAX: constant(uint256) = 2**40 - 1
WINDOW_CLOSES_AT: constant(uint256) = 40
OF_DAY_MAX: constant(uint256) = 2**17 - 1
CLOSES_AT: constant(uint256) = 17
WEEKDAYS_AT: constant(uint256) = 34
HOURS_BITS: constant(uint256) = 41
ALL_WEEKDAYS: constant(uint256) = 2**7 - 1  # Bit 0 is Monday.

_windows: HashMap[address, DynArray[uint256, WINDOWS_MAX]]


@internal
def _set_windows(token: address, opens_at: DynArray[uint256, WINDOWS_MAX], closes_at: DynArray[uint256, WINDOWS_MAX]):
    assert len(opens_at) == len(closes_at), "rules: lists differ in length"
    windows: DynArray[uint256, WINDOWS_MAX] = []
    previous: uint256 = 0
    for i: uint256 in range(len(opens_at), bound=WINDOWS_MAX):
        assert opens_at[i] >= previous and closes_at[i] > opens_at[i], "rules: windows are out of order"
        assert closes_at[i] <= INSTANT_MAX, "rules: limit is too large"
        previous = closes_at[i]
        windows.append((closes_at[i] << WINDOW_CLOSES_AT) | opens_at[i])
    self._windows[token] = windows


@internal
@view
def _window_opens_at(token: address) -> uint256:
    """@dev The opening of the present window, else of the next, else never."""
    for window: uint256 in self._windows[token]:
        if block.timestamp < window >> WINDOW_CLOSES_AT:
            return window & INSTANT_MAX
    return NEVER


@internal
@pure
def _hours(opens_at: uint256, closes_at: uint256, weekdays: uint256) -> uint256:
    assert opens_at < closes_at and closes_at <= DAY, "rules: hours are out of order"
    assert weekdays <= ALL_WEEKDAYS, "rules: limit is too large"
    return opens_at | (closes_at << CLOSES_AT) | (weekdays << WEEKDAYS_AT)


@internal
@view
def _hours_open_at(hours: uint256) -> uint256:
    """@dev The opening of the present hours, else of the next, else never."""
    today: uint256 = block.timestamp // DAY
    for ahead: uint256 in range(8):
        # The first day of Unix time was a Thursday.
        if (hours >> (WEEKDAYS_AT + (today + ahead + 3) % 7)) & 1 == 0:
            continue
        midnight: uint256 = (today + ahead) * DAY
        if block.timestamp < midnight + ((hours >> CLOSES_AT) & OF_DAY_MAX):
            return midnight + (hours & OF_DAY_MAX)
    return NEVER
