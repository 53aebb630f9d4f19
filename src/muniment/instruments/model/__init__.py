# SPDX-License-Identifier: Apache-2.0
"""Assets, identifiers, vehicles, securities and cap tables as frozen values and pure decisions. Nothing here reads or writes anything."""
