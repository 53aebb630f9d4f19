# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice How an investor's record and a registry's settings lie in one word each, and when a record is eligible. Stores nothing.
@dev record: identity 0..159 | country 160..175 | verified_until 176..215 | claims held 216..230 | epoch 231..246 | grouped 247 |
     moved 248. settings: claims asked 216..230 | epoch 231..246 | linked 247.
     Claims are bits by the topic's place in the registry's list; bits of another epoch do not count. `grouped`: the investor has
     other wallets. `moved`: the wallet was lost and replaced; it stays with its investor but is no longer registered.
"""

COUNTRY_AT: constant(uint256) = 160
VERIFIED_UNTIL_AT: constant(uint256) = 176
CLAIMS_AT: constant(uint256) = 216
EPOCH_AT: constant(uint256) = 231
NO_EXPIRY: constant(uint256) = 2**40 - 1
EPOCH_MAX: constant(uint256) = 2**16 - 1
IDENTITY: constant(uint256) = 2**160 - 1
COUNTRY: constant(uint256) = (2**16 - 1) * 2**160
VERIFIED_UNTIL: constant(uint256) = (2**40 - 1) * 2**176
CLAIMS: constant(uint256) = (2**15 - 1) * 2**216
EPOCH: constant(uint256) = (2**16 - 1) * 2**231
GROUPED: constant(uint256) = 2**247
MOVED: constant(uint256) = 2**248
LINKED: constant(uint256) = 2**247


@internal
@pure
def _identity(record: uint256) -> address:
    return convert(record & IDENTITY, address)


@internal
@pure
def _country(record: uint256) -> uint256:
    return (record >> COUNTRY_AT) & (2**16 - 1)


@internal
@pure
def _verified_until(record: uint256) -> uint256:
    return (record >> VERIFIED_UNTIL_AT) & NO_EXPIRY


@internal
@view
def _is_eligible(record: uint256, settings: uint256) -> bool:
    """@dev Registered, not moved, not expired, and every claim asked for is held in the present epoch."""
    if record & IDENTITY == 0 or record & MOVED != 0:
        return False
    if (record >> VERIFIED_UNTIL_AT) & NO_EXPIRY <= block.timestamp:
        return False
    asked: uint256 = settings & CLAIMS
    if asked == 0:
        return True
    return record & asked == asked and (record ^ settings) & EPOCH == 0
