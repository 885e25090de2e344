# SPDX-License-Identifier: MIT
with open("data", "rb") as file:
    data = file.read()
for at in range(0, len(data), 8):
    print(f"{at:04x}:" + "".join(f" {byte:02x}" for byte in data[at : at + 8]))
