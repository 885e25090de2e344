# SPDX-License-Identifier: MIT
number = 0
with open("in") as source:
    text = source.read()
while data := text[number * 10 : number * 10 + 10]:
    with open(f"piece.{number}", "w") as piece:
        piece.write(data)
    number += 1
