# SPDX-License-Identifier: Apache-2.0
"""Who owns what: a projection of the chain, rebuilt at will."""
