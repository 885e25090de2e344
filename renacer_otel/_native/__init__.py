# SPDX-License-Identifier: MIT
"""Where the build puts the core: ``librenacer.so`` and ``_api.py``. Load it with engine.native."""
