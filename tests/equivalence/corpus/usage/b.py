# SPDX-License-Identifier: MIT
import sys

print(f"tool: no such option: {sys.argv[1]}\nusage: tool FILE", file=sys.stderr)
sys.exit(2)
