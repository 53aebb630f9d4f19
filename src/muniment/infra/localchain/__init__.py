# SPDX-License-Identifier: Apache-2.0
"""The local chain: an anvil node installed from npm, mined on demand, and re-made from the journal after any stop. No business words."""
