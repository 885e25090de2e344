# SPDX-License-Identifier: MIT
umask 022
mkdir -p app/v2
mkdir -p app/logs
mkdir -m 700 app/private
printf '#!/bin/sh\nexit 0\n' > app/v2/run.sh
chmod 755 app/v2/run.sh
ln -s run.sh app/v2/start
ln -s v2 app/current
mkfifo app/queue
