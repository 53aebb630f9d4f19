# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice Refuses arguments that no function can mean. One text in the code, however many ask.
"""

from access import refusals


@internal
@pure
def _check_address(given: address):
    if given == empty(address):
        refusals._refuse("invalid argument - zero address")
