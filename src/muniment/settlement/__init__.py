# SPDX-License-Identifier: Apache-2.0
"""Issue, transfer, burn, recover: what moves on the chain, and its reconciliation."""
