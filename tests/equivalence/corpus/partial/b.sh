# SPDX-License-Identifier: MIT
status=0
for name in "$@"; do
	if [ ! -e "$name" ]; then
		echo "$name: missing" >&2
		status=1
		continue
	fi
	cat "$name"
done
exit $status
