# SPDX-License-Identifier: Apache-2.0
"""The pages that people read: what they show, how it is drawn, and the forms. They decide nothing; commands do."""
