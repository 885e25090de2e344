-- SPDX-License-Identifier: MIT
pragma synchronous = full;
create table item (id integer primary key, name text, amount integer);
create index by_name on item (name);
begin;
insert into item (name, amount) values ('bolt', 40), ('nut', 60), ('washer', 200);
commit;
begin;
update item set amount = amount - 5 where name = 'bolt';
insert into item (name, amount) values ('screw', 5);
commit;
begin;
delete from item where name = 'nut';
rollback;
select name, amount from item order by name;
