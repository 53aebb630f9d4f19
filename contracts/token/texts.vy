# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice The token's name and ticker. A text of up to 31 bytes lies in one word, with its length in the last byte, as nearly all do; a
longer one lies by itself.
"""

NAME: constant(uint256) = 0
SYMBOL: constant(uint256) = 1
TEXTS: constant(uint256) = 2
SHORT_MAX: constant(uint256) = 31
LENGTH: constant(uint256) = 255
LONG: constant(uint256) = 255  # In the place of a length: the text lies by itself.

_words: uint256[TEXTS]
_long: HashMap[uint256, String[64]]


@external
@view
def name() -> String[64]:
    return self._text(NAME)


@external
@view
def symbol() -> String[64]:
    return self._text(SYMBOL)


@internal
@view
def _text(place: uint256) -> String[64]:
    word: uint256 = self._words[place]
    length: uint256 = word & LENGTH
    if length == LONG:
        return self._long[place]
    return convert(slice(convert(word, bytes32), 0, length), String[64])


@internal
def _set_text(place: uint256, text: String[64]):
    """@param text Not empty."""
    if len(text) > SHORT_MAX:
        self._words[place] = LONG
        self._long[place] = text
    else:
        # Behind the length, an encoded text fills its word up with zeros.
        self._words[place] = convert(slice(abi_encode(text, ensure_tuple=False), 32, 32), uint256) | len(text)
