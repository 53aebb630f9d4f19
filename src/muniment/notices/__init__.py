# SPDX-License-Identifier: Apache-2.0
"""Corporate actions: a cash dividend from declared to paid."""
