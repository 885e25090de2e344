# SPDX-License-Identifier: MIT
"""Tokens as their issuers make them, made up: put together here, so that no scanner takes one for
real. What stands before the body is in two parts for the same reason."""

from __future__ import annotations

import random
import string

_DIGITS, _UPPER, _LOWER = string.digits, string.ascii_uppercase, string.ascii_lowercase
_ALNUM = _DIGITS + _UPPER + _LOWER
_HEX = "0123456789abcdef"
_BASE32 = _UPPER + "234567"
_URL = _ALNUM + "_-"

#: Name, the two parts of the beginning, and of each part of the body its characters and number;
#: a text stands for itself.
_FORMATS: list[tuple[str, str, str, list[tuple[str, int] | str]]] = [
    ("github classic", "gh", "p_", [(_ALNUM, 36)]),
    ("github fine-grained", "github", "_pat_", [(_ALNUM, 22), "_", (_ALNUM, 59)]),
    ("github oauth", "gh", "o_", [(_ALNUM, 36)]),
    ("github user", "gh", "u_", [(_ALNUM, 36)]),
    ("github server", "gh", "s_", [(_ALNUM, 36)]),
    ("github refresh", "gh", "r_", [(_ALNUM, 76)]),
    ("gitlab personal", "gl", "pat-", [(_URL, 20)]),
    ("gitlab deploy", "gl", "dt-", [(_URL, 20)]),
    ("gitlab runner", "gl", "rt-", [(_URL, 20)]),
    ("gitlab trigger", "gl", "ptt-", [(_HEX, 40)]),
    ("gitlab job", "gl", "cbt-", [(_URL, 24)]),
    ("slack bot", "xo", "xb-", [(_DIGITS, 12), "-", (_DIGITS, 12), "-", (_ALNUM, 24)]),
    ("slack user", "xo", "xp-", [(_DIGITS, 12), "-", (_DIGITS, 12), "-", (_HEX, 32)]),
    ("slack app", "xa", "pp-1-", [(_UPPER, 11), "-", (_DIGITS, 13), "-", (_HEX, 64)]),
    ("slack refresh", "xo", "xe-1-", [(_ALNUM, 60)]),
    (
        "slack webhook",
        "hooks.slack",
        ".com/services/",
        ["T", (_UPPER, 8), "/B", (_UPPER, 8), "/", (_ALNUM, 24)],
    ),
    ("aws access key", "AK", "IA", [(_BASE32, 16)]),
    ("aws temporary key", "AS", "IA", [(_BASE32, 16)]),
    ("google api key", "AI", "za", [(_URL, 35)]),
    ("google oauth", "ya", "29.", ["a0Af", (_URL, 60)]),
    ("google client secret", "GOC", "SPX-", [(_URL, 28)]),
    ("stripe secret", "sk_", "live_", [(_ALNUM, 24)]),
    ("stripe test", "sk_", "test_", [(_ALNUM, 24)]),
    ("stripe restricted", "rk_", "live_", [(_ALNUM, 99)]),
    ("stripe webhook", "wh", "sec_", [(_ALNUM, 32)]),
    ("twilio", "S", "K", [(_HEX, 32)]),
    ("sendgrid", "S", "G.", [(_URL, 22), ".", (_URL, 43)]),
    ("npm", "np", "m_", [(_ALNUM, 36)]),
    ("pypi", "py", "pi-", ["AgEIcHlwaS5vcmc", (_URL, 100)]),
    ("rubygems", "ruby", "gems_", [(_HEX, 48)]),
    ("json web token", "ey", "J", [(_ALNUM, 33), ".eyJ", (_ALNUM, 60), ".", (_URL, 43)]),
    ("azure client secret", "a1B", "8Q", ["~", (_URL, 34)]),
    ("digitalocean", "do", "p_v1_", [(_HEX, 64)]),
    ("digitalocean oauth", "do", "o_v1_", [(_HEX, 64)]),
    ("shopify", "sh", "pat_", [(_HEX, 32)]),
    ("shopify shared", "sh", "pss_", [(_HEX, 32)]),
    ("telegram", "12345", "67890:", ["AA", (_URL, 33)]),
    ("discord", "M", "T", [(_ALNUM, 24), ".", (_URL, 6), ".", (_URL, 38)]),
    ("mailgun", "ke", "y-", [(_HEX, 32)]),
    ("mailchimp", "0a", "1b", [(_HEX, 28), "-us12"]),
    ("openai", "s", "k-", [(_ALNUM, 48)]),
    ("openai project", "sk-", "proj-", [(_URL, 120)]),
    ("anthropic", "sk-", "ant-", ["api03-", (_URL, 93)]),
    ("hugging face", "h", "f_", [(_LOWER, 34)]),
    ("replicate", "r", "8_", [(_ALNUM, 37)]),
    ("groq", "gs", "k_", [(_ALNUM, 52)]),
    ("docker", "dckr", "_pat_", [(_URL, 27)]),
    ("vault service", "hv", "s.", [(_URL, 90)]),
    ("vault batch", "hv", "b.", [(_URL, 138)]),
    ("databricks", "da", "pi", [(_HEX, 32)]),
    ("linear", "lin_", "api_", [(_ALNUM, 40)]),
    ("notion", "sec", "ret_", [(_ALNUM, 43)]),
    ("notion new", "nt", "n_", [(_ALNUM, 46)]),
    ("planetscale", "pscale_", "tkn_", [(_URL, 43)]),
    ("planetscale password", "pscale_", "pw_", [(_URL, 43)]),
    ("postman", "PM", "AK-", [(_HEX, 24), "-", (_HEX, 34)]),
    ("square access", "EA", "AA", [(_URL, 60)]),
    ("square oauth", "sq0", "csp-", [(_URL, 43)]),
    ("heroku", "HR", "KU-", [(_URL, 60)]),
    ("grafana", "gl", "sa_", [(_ALNUM, 32), "_", (_HEX, 8)]),
    ("grafana cloud", "gl", "c_", ["eyJvIjoi", (_ALNUM, 60)]),
    ("new relic", "NR", "AK-", [(_UPPER, 27)]),
    ("sentry organization", "snt", "rys_", ["eyJpYXQiOj", (_ALNUM, 60), "_", (_ALNUM, 43)]),
    ("sentry user", "snt", "ryu_", [(_HEX, 64)]),
    ("supabase", "sb", "p_", [(_HEX, 40)]),
    ("terraform", "0aZ", "bcdefghijkl", [".atlasv1.", (_URL, 67)]),
    ("pulumi", "pu", "l-", [(_HEX, 40)]),
    ("airtable", "pa", "t", [(_ALNUM, 14), ".", (_HEX, 64)]),
    ("figma", "fi", "gd_", [(_URL, 40)]),
    ("atlassian", "ATA", "TT3", [(_URL, 180), "=", (_HEX, 8)]),
    ("doppler", "dp", ".pt.", [(_ALNUM, 43)]),
    ("dynatrace", "dt0", "c01.", [(_BASE32, 24), ".", (_BASE32, 64)]),
    ("netlify", "nf", "p_", [(_ALNUM, 36)]),
    ("tailscale", "ts", "key-auth-", [(_ALNUM, 12), "-", (_ALNUM, 32)]),
    ("brevo", "xkey", "sib-", [(_HEX, 64), "-", (_ALNUM, 16)]),
    ("sonarqube", "sq", "u_", [(_HEX, 40)]),
    ("age", "AGE-", "SECRET-KEY-1", [(_BASE32, 58)]),
    ("facebook", "E", "AA", [(_ALNUM, 160)]),
    ("alibaba", "LT", "AI", [(_ALNUM, 20)]),
    ("buildkite", "bk", "ua_", [(_HEX, 40)]),
    ("circleci", "CCI", "PAT_", [(_ALNUM, 22), "_", (_HEX, 40)]),
]

NAMES = [name for name, *_ in _FORMATS]


def token(name: str, seed: int = 0) -> str:
    """One of this name."""
    first, second, body = next(row[1:] for row in _FORMATS if row[0] == name)
    chance = random.Random(f"{name}/{seed}")
    made = first + second
    for part in body:
        made += part if isinstance(part, str) else "".join(chance.choices(part[0], k=part[1]))
    return made


def private_key(kind: str = "RSA ") -> str:
    """A block of PEM."""
    chance = random.Random(kind)
    lines = ["".join(chance.choices(_ALNUM + "+/", k=64)) for _ in range(4)]
    dashes = "-" * 5
    label = f"{kind}PRIVATE KEY"
    return "\n".join([f"{dashes}BEGIN {label}{dashes}", *lines, f"{dashes}END {label}{dashes}", ""])
