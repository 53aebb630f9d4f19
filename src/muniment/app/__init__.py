# SPDX-License-Identifier: Apache-2.0
"""Wiring, API, worker, command line and web: knows everything, decides nothing."""
