#!/bin/sh
# SPDX-License-Identifier: MIT
# Transactions in both journal modes, and a second process that reads while the first writes.
set -eu
for mode in wal delete; do
    sqlite3 "$mode.db" <<END
pragma journal_mode=$mode;
pragma synchronous=full;
create table item(id integer primary key, name text, amount integer);
create index by_name on item(name);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into item select i, 'name' || (i * 7919 % 20011), i * i % 1009 from n;
commit;
update item set amount = amount + 1 where id % 3 = 0;
delete from item where id % 5 = 0;
END
    number=0
    while [ "$number" -lt 20 ]; do
        echo "insert into item values (100000 + $number, 'late', $number);"
        number=$((number + 1))
    done | sqlite3 "$mode.db"
    sqlite3 "$mode.db" 'select count(*), sum(amount), max(name) from item' \
        'select amount % 10, count(*) from item group by 1 order by 1' \
        'pragma integrity_check' vacuum
    sqlite3 "$mode.db" .dump | sha256sum
done
sqlite3 wal.db 'insert into item values (1, 2, 3, 4)' || echo "refused: $?"
