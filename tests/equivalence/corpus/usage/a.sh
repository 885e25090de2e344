# SPDX-License-Identifier: MIT
echo "tool: no such option: $1" >&2
echo "usage: tool FILE" >&2
exit 2
