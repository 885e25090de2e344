# SPDX-License-Identifier: MIT
import configparser
import json
import sys

parser = configparser.ConfigParser()
parser.read(sys.argv[1])
found = {name: dict(parser[name]) for name in parser.sections()}
with open(sys.argv[2], "w") as out:
    json.dump(found, out, indent=2, sort_keys=True)
    out.write("\n")
