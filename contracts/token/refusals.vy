# SPDX-License-Identifier: Apache-2.0
# pragma version 0.4.3
"""
@notice How the token says no. Knows nothing of why.
@dev An `assert` with a text of its own brings the whole encoding of that text with it. The token has so many reasons that they would not
fit its code (EIP-170), so they share this one; what is asked before costs the same.
"""


@internal
@pure
def _refuse(reason: String[64]):
    raise reason
