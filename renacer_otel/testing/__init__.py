# SPDX-License-Identifier: MIT
"""What the pytest plugin does, loaded only once a test asks for it."""
