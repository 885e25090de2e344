# SPDX-License-Identifier: MIT
counts = {}
with open("text") as file:
    for word in file.read().split():
        counts[word] = counts.get(word, 0) + 1
for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
    print(count, word)
