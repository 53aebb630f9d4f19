# SPDX-License-Identifier: Apache-2.0
"""Investors, their wallets, their claims; personal data under a key per person."""
