# SPDX-License-Identifier: Apache-2.0
"""What every request meets before and after its handler: problems, sessions, headers, limits. No route of a context lives here."""
