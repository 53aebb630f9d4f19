# SPDX-License-Identifier: Apache-2.0
"""The law as data with citations, and the pure decisions that follow from it. What a token's contract enforces is in `rules`."""
