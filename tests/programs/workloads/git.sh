#!/bin/sh
# SPDX-License-Identifier: MIT
# A clone, commits, a merge, a rebase, and gc; every date given, so that every hash is the same.
set -eu
HOME=$PWD
GIT_CONFIG_NOSYSTEM=1
GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_AUTHOR_DATE='1700001000 +0000'
GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org GIT_COMMITTER_DATE='1700001000 +0000'
export HOME GIT_CONFIG_NOSYSTEM GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_AUTHOR_DATE \
    GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL GIT_COMMITTER_DATE

git clone --no-local origin.git work
cd work
git config gc.auto 0
git config pack.threads 1
for number in 1 2 3 4 5; do
    seq 1 $((100 * number)) >"new$number"
    git add "new$number"
    git commit -m "Add $number"
done
git checkout -b side HEAD~2
echo side >side
git add side
git commit -m Side
git merge -m Merge origin/topic
git rebase main
git checkout main
git merge --ff-only side
git push origin main
git gc --prune=now
git fsck --full
git ls-files -s
git log --graph --format='%H %an %s'
git status --short
