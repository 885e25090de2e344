# SPDX-License-Identifier: MIT
import csv
import sys

kept = 0
with open(sys.argv[1], newline="") as source, open(sys.argv[2], "w", newline="") as target:
    rows, out = csv.reader(source), csv.writer(target, lineterminator="\n")
    out.writerow(next(rows))
    for row in rows:
        if int(row[2]) > 10:
            out.writerow(row)
            kept += 1
print(kept, "rows", file=sys.stderr)
