select "a" from "t" where "b" = 'x'
select "t"."a" from "sp"."t" where "t"."c" = 2
select a as "strange name" from t
insert into "t" ("a", "b") values (900, 'v')
select a from t where b = 'a "quoted" word'
update "t" set "b" = 'n' where "a" = 1
delete from "t" where "a" = 77777
select count(*) from "t" where "c" in (1, 2)
select "b", count(*) from "t" group by "b"
