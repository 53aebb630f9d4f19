# SPDX-License-Identifier: Apache-2.0
"""Assets described, identified and put on the chain; securities drafted and deployed, paused. Who may hold them is decided above."""
