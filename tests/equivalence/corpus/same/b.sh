# SPDX-License-Identifier: MIT
for path in "$1"/*; do
	name=${path##*/}
	sum=$(cksum < "$path" | tr ' ' _)
	eval "first=\$seen_$sum"
	if [ -n "$first" ]; then
		echo "$name is as $first"
		rm "$1/$name"
	else
		eval "seen_$sum=$name"
	fi
done
