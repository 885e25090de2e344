# SPDX-License-Identifier: MIT
import base64
import sys

with open(sys.argv[1], "rb") as source:
    data = source.read()
text = base64.encodebytes(data).decode()
with open(sys.argv[2], "w") as out:
    out.write(text)
with open(sys.argv[2]) as back:
    back.read()
