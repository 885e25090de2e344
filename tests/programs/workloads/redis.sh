#!/bin/sh
# SPDX-License-Identifier: MIT
# A server on a socket of its own, loaded by its benchmark, then asked, saved and shut down.
set -eu
redis-server --port 0 --unixsocket redis.sock --save '' --enable-debug-command yes \
    --dir "$PWD" --logfile server.log &
server=$!
until redis-cli -s redis.sock ping 2>/dev/null | grep -q PONG; do
    kill -0 "$server"
    sleep 0.05
done
redis-benchmark -s redis.sock -q --csv -c 20 -n 2000 -P 4 -t set,get,incr,lpush,rpop,sadd,hset,mset
for number in 1 2 3 4 5 6 7 8 9 10; do
    redis-cli -s redis.sock append text "part $number "
done
redis-cli -s redis.sock get text
redis-cli -s redis.sock get counter:__rand_int__
redis-cli -s redis.sock dbsize
redis-cli -s redis.sock debug digest
redis-cli -s redis.sock bgsave
until redis-cli -s redis.sock info persistence | grep -q '^rdb_bgsave_in_progress:0'; do
    sleep 0.05
done
redis-cli -s redis.sock shutdown nosave
wait "$server"
echo "server: $?"
