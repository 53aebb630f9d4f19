# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice How many investors hold a token in each country and each category, and how many may. Knows neither wallets nor registries: the
caller keeps a word per token and one per investor, and says when an investor becomes a holder and ceases to be one.
@dev An investor is counted where its word says so, whatever has become of its country since: a place is given back where it was taken.
Counting by a kind begins anew in an epoch of its own, so that what an earlier one left behind counts no more.
"""

# What investors are counted by.
COUNTRY: constant(uint256) = 0
CATEGORY: constant(uint256) = 1

# Of a token's word: counted by country 160, by category 161 | country epoch 208..215 | category epoch 216..223.
BY_COUNTRY: constant(uint256) = 2**160
BY_CATEGORY: constant(uint256) = 2**161
KIND_AT: constant(uint256) = 160
EPOCH_AT: constant(uint256) = 208
EPOCH_BITS: constant(uint256) = 8
EPOCH_MAX: constant(uint256) = 2**8 - 1

# Of an investor's word: its category 176..183 | counted in country 184..199, in epoch 200..207 | in category 208..223, in epoch
# 224..231. No epoch is zero.
CATEGORY_AT: constant(uint256) = 176
CATEGORY_MAX: constant(uint256) = 2**8 - 1
GROUP_AT: constant(uint256) = 184
GROUP_MAX: constant(uint256) = 2**16 - 1
COUNTED_EPOCH_AT: constant(uint256) = 200
COUNTED_BITS: constant(uint256) = 24
COUNTED: constant(uint256) = 2**24 - 1

# The places of a country or category in one word: holders 0..31 | cap 32..63 | capped 64.
HOLDERS_MAX: constant(uint256) = 2**32 - 1
CAP_AT: constant(uint256) = 32
CAPPED: constant(uint256) = 2**64

struct Places:
    holders: uint256
    is_capped: bool
    holders_max: uint256

_places: HashMap[address, HashMap[uint256, uint256]]


@internal
@pure
def _begun(kind: uint256, setup: uint256) -> uint256:
    """@dev The token's word with counting begun from zero, without caps."""
    assert self._epoch(kind, setup) < EPOCH_MAX, "rules: counting began too often"
    # Compared above: the neighbouring field does not pay for it.
    return unsafe_add(setup, 1 << (EPOCH_AT + EPOCH_BITS * kind)) | (1 << (KIND_AT + kind))


@internal
def _set_cap(kind: uint256, token: address, setup: uint256, group: uint256, is_capped: bool, holders_max: uint256):
    assert self._is_kept(kind, setup), "rules: holders are not counted"
    assert holders_max <= HOLDERS_MAX, "rules: limit is too large"
    key: uint256 = self._key(kind, setup, group)
    capped: uint256 = CAPPED if is_capped else 0
    self._places[token][key] = (self._places[token][key] & HOLDERS_MAX) | (holders_max << CAP_AT) | capped


@internal
@view
def _places_of(kind: uint256, token: address, setup: uint256, group: uint256) -> Places:
    places: uint256 = self._places[token][self._key(kind, setup, group)]
    return Places(
        holders=places & HOLDERS_MAX, is_capped=places & CAPPED != 0, holders_max=(places >> CAP_AT) & HOLDERS_MAX
    )


@internal
@view
def _is_full(kind: uint256, token: address, setup: uint256, group: uint256, is_vacated: bool) -> bool:
    """@dev Whether there is no place for one investor more. `is_vacated`: another gives up a place there in the same move."""
    places: uint256 = self._places[token][self._key(kind, setup, group)]
    if places & CAPPED == 0:
        return False
    holders: uint256 = places & HOLDERS_MAX
    cap: uint256 = (places >> CAP_AT) & HOLDERS_MAX
    return holders > cap or (holders == cap and not is_vacated)


@internal
@view
def _cap(kind: uint256, token: address, setup: uint256, group: uint256) -> uint256:
    return (self._places[token][self._key(kind, setup, group)] >> CAP_AT) & HOLDERS_MAX


@internal
def _counted(token: address, setup: uint256, record: uint256, country: uint256) -> uint256:
    """@dev The word of an investor who holds: counted wherever it is not yet."""
    changed: uint256 = record
    if self._is_kept(COUNTRY, setup) and not self._is_counted(COUNTRY, setup, changed):
        changed = self._one_more(COUNTRY, token, setup, changed, country)
    if self._is_kept(CATEGORY, setup) and not self._is_counted(CATEGORY, setup, changed):
        changed = self._one_more(CATEGORY, token, setup, changed, self._category(changed))
    return changed


@internal
def _uncounted(token: address, setup: uint256, record: uint256) -> uint256:
    """@dev The word of an investor who no longer holds."""
    changed: uint256 = record
    if self._is_counted(COUNTRY, setup, changed):
        changed = self._one_fewer(COUNTRY, token, setup, changed)
    if self._is_counted(CATEGORY, setup, changed):
        changed = self._one_fewer(CATEGORY, token, setup, changed)
    return changed


@internal
def _moved(kind: uint256, token: address, setup: uint256, record: uint256, group: uint256) -> uint256:
    """@dev The word of an investor who is counted in another group than before, if at all."""
    if not self._is_counted(kind, setup, record):
        return record
    return self._one_more(kind, token, setup, self._one_fewer(kind, token, setup, record), group)


@internal
@pure
def _is_kept(kind: uint256, setup: uint256) -> bool:
    """@dev Whether investors are counted by this kind at all."""
    return (setup >> (KIND_AT + kind)) & 1 == 1


@internal
@pure
def _is_counted(kind: uint256, setup: uint256, record: uint256) -> bool:
    counted_epoch: uint256 = (record >> (COUNTED_EPOCH_AT + COUNTED_BITS * kind)) & EPOCH_MAX
    return self._is_kept(kind, setup) and counted_epoch == self._epoch(kind, setup)


@internal
@pure
def _group(kind: uint256, record: uint256) -> uint256:
    """@dev Where an investor who is counted is counted."""
    return (record >> (GROUP_AT + COUNTED_BITS * kind)) & GROUP_MAX


@internal
@pure
def _category(record: uint256) -> uint256:
    return (record >> CATEGORY_AT) & CATEGORY_MAX


@internal
@pure
def _in_category(record: uint256, category: uint256) -> uint256:
    return (record & ~(CATEGORY_MAX << CATEGORY_AT)) | (category << CATEGORY_AT)


@internal
@pure
def _epoch(kind: uint256, setup: uint256) -> uint256:
    return (setup >> (EPOCH_AT + EPOCH_BITS * kind)) & EPOCH_MAX


@internal
@pure
def _key(kind: uint256, setup: uint256, group: uint256) -> uint256:
    return (((kind << EPOCH_BITS) | self._epoch(kind, setup)) << 16) | group


@internal
def _one_more(kind: uint256, token: address, setup: uint256, record: uint256, group: uint256) -> uint256:
    key: uint256 = self._key(kind, setup, group)
    # Each investor is counted once and costs a transaction's gas: there are never 2**32.
    self._places[token][key] = unsafe_add(self._places[token][key], 1)
    counted: uint256 = (self._epoch(kind, setup) << 16) | group
    at: uint256 = GROUP_AT + COUNTED_BITS * kind
    return (record & ~(COUNTED << at)) | (counted << at)


@internal
def _one_fewer(kind: uint256, token: address, setup: uint256, record: uint256) -> uint256:
    key: uint256 = self._key(kind, setup, self._group(kind, record))
    # Whoever is counted in this epoch was added in it, so there is one at least.
    self._places[token][key] = unsafe_sub(self._places[token][key], 1)
    return record & ~(COUNTED << (GROUP_AT + COUNTED_BITS * kind))
