# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL, the EVM node, jobs, outbox, clock, keys: no business words."""
