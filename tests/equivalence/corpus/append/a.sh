# SPDX-License-Identifier: MIT
for i in 0 1 2; do
	echo "entry $i" >> log
done
