# SPDX-License-Identifier: MIT
for name in "$@"; do
	wc -w < "$name" > "$name.n" &
done
wait
sum=0
for name in "$@"; do
	n=$(($(cat "$name.n")))
	echo "$name $n"
	sum=$((sum + n))
	rm -f "$name.n"
done > counts
echo "all $sum"
