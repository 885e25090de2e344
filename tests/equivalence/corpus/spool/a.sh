# SPDX-License-Identifier: MIT
n=0
for letter in "$1"/*; do
	mv "$letter" "$2/${letter##*/}"
	n=$((n + 1))
done
echo "$n letters"
