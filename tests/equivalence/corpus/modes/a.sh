# SPDX-License-Identifier: MIT
chmod 755 *.sh
chmod 600 secret
