# SPDX-License-Identifier: MIT
import subprocess

made = "".join(f"{n}\n" for n in range(100))
picked = subprocess.Popen(["grep", "7"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
with open("count", "w") as target:
    counted = subprocess.Popen(["grep", "-c", ""], stdin=picked.stdout, stdout=target)
    picked.stdout.close()
    picked.stdin.write(made.encode())
    picked.stdin.close()
    counted.wait()
picked.wait()
with open("count") as source:
    print(source.read(), end="")
