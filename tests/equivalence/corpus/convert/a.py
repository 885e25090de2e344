# SPDX-License-Identifier: MIT
import csv
import json

with open("in.csv", newline="") as source:
    rows = list(csv.reader(source))[1:]
with open("out.json", "w") as target:
    for name, size in rows:
        target.write(json.dumps({"name": name, "size": int(size)}) + "\n")
print(len(rows), "rows")
