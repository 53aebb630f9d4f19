# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice How a contract says no. Knows nothing of why.
@dev An `assert` with a text of its own brings the whole encoding of that text with it. The token has so many reasons that it would be
too large and too dear to deploy, so they share this one; what is asked before each costs the same.
"""


@internal
@pure
def _refuse(reason: String[64]):
    raise reason
