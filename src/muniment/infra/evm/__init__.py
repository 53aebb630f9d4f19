# SPDX-License-Identifier: Apache-2.0
"""The EVM node: calls, encoding, sending exactly once, following blocks."""
