# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: connections, tenants, migrations, the embedded server."""
