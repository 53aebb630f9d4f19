# SPDX-License-Identifier: Apache-2.0
"""Muniment: open infrastructure for digital securities."""
