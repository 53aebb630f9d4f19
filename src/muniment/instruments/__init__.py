# SPDX-License-Identifier: Apache-2.0
"""Assets and the securities that stand for them."""
