# SPDX-License-Identifier: Apache-2.0
"""Money, shares, price, ids, instants, refusals: the standard library and nothing else."""
