# SPDX-License-Identifier: Apache-2.0
"""Who may hold a security and how much: rules, the identity registry, checks with every reason, freezes. Moves no shares."""
