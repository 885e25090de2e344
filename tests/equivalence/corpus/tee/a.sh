# SPDX-License-Identifier: MIT
cat "$1" | tee "$2" | tee -a "$3"
# done
