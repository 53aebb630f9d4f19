# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice How an investor's record and a registry's settings lie in one word each, and when a record is eligible. Stores nothing.
@dev record: grouped 0 | moved 1 | headed 2 | head 3 | forgotten 4 | country 8..23 | verified_until 24..63 | claims held 64..78 | epoch 79..94 |
     identity 96..255. settings: live 7 | claims asked 64..78 | epoch 79..94 | an address 96..255.
     Claims are bits by the topic's place in the registry's list; bits of another epoch do not count. `grouped`: the investor has
     other wallets. `moved`: the wallet was lost and replaced; it stays with its investor but is no longer registered.
     `head`: no record of a wallet but of an identity, and 96..255 is one of its wallets. `headed`: a wallet that is an identity
     to others while it is filed under another identity itself. `forgotten`: no record, but there was one, of a wallet that may hold.
     A token's rules carry claims asked, epoch and live at the same places, so that one comparison serves for both.
"""

GROUPED: constant(uint256) = 1
MOVED: constant(uint256) = 2
HEADED: constant(uint256) = 4
HEAD: constant(uint256) = 8
FORGOTTEN: constant(uint256) = 16
NO_RECORD: constant(uint256) = 8 + 16
UNREGISTERED: constant(uint256) = 2 + 8 + 16
FLAGS: constant(uint256) = 255
LIVE: constant(uint256) = 128  # In settings.
COUNTRY_AT: constant(uint256) = 8
COUNTRY_MAX: constant(uint256) = 2**16 - 1
VERIFIED_UNTIL_AT: constant(uint256) = 24
NO_EXPIRY: constant(uint256) = 2**40 - 1
CLAIMS_AT: constant(uint256) = 64
CLAIMS: constant(uint256) = (2**15 - 1) * 2**64
EPOCH_AT: constant(uint256) = 79
EPOCH_MAX: constant(uint256) = 2**16 - 1
EPOCH: constant(uint256) = (2**16 - 1) * 2**79
IDENTITY_AT: constant(uint256) = 96


@internal
@pure
def _identity(record: uint256) -> address:
    return convert(record >> IDENTITY_AT, address)


@internal
@pure
def _country(record: uint256) -> uint256:
    return (record >> COUNTRY_AT) & COUNTRY_MAX


@internal
@pure
def _verified_until(record: uint256) -> uint256:
    return (record >> VERIFIED_UNTIL_AT) & NO_EXPIRY


@internal
@view
def _is_eligible(record: uint256, settings: uint256) -> bool:
    """
    @dev Registered, not moved, not expired, and every claim asked for is held in the present epoch; live, claims are for the caller
    to look at. What is not registered has no time until which it is verified.
    """
    if record & MOVED != 0 or (record >> VERIFIED_UNTIL_AT) & NO_EXPIRY <= block.timestamp:
        return False
    asked: uint256 = settings & CLAIMS
    if asked == 0 or settings & LIVE != 0:
        return True
    return record & asked == asked and (record ^ settings) & EPOCH == 0


@internal
@pure
def _without(word: uint256, field: uint256) -> uint256:
    """@dev The word with the bits of a field cleared, in less code than an inverted mask of 32 bytes."""
    return (word | field) ^ field
