# SPDX-License-Identifier: Apache-2.0
"""Rules as frozen values with their sources, and the one decision over them. Reads and writes nothing."""
