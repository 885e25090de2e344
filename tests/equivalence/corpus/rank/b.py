# SPDX-License-Identifier: MIT
with open("in") as source:
    rows = sorted((line.split() for line in source), key=lambda row: int(row[1]))
text = "".join(f"{row[0]}\n" for row in rows)
with open("ranks", "w") as target:
    target.write(text)
print(text, end="")
