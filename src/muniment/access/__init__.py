# SPDX-License-Identifier: Apache-2.0
"""Users, organisations (tenants), roles, sessions, who may do what, four eyes, the audit log."""
