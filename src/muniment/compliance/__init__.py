# SPDX-License-Identifier: Apache-2.0
"""The rules of a security, their answer to a transfer, freezes."""
