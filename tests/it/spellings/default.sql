select 1
SELECT 1, 2.5, 'text', NULL
select a from t where a = 5
select a, b from t where b = 'it''s'
select a, b from t where b = 'a "quoted" word'
select * from t where a in (1)
select * from t where a in (1, 2, 3)
select * from t where b in ('x', 'y')
select * from t where a not in (4, 5)
select * from t where (a, c) in ((1, 2), (3, 4))
select * from t where a between 1 and 10
select * from t where b like 'x%'
select * from t where b like 'x\_%' escape '|'
select * from t where b not like '%y'
select * from t where b regexp '^a'
select * from t where a is null
select * from t where a is not null and b = ''
select * from t where a = -1
select * from t where a = - 1
select * from t where a > +3
select a + 1, a - 1, a * 2, a / 3, a % 4 from t
select a-1 from t
select -a from t
select a from t where c = 1e3
select a from t where c = .5
select a from t where a = 0x1F
select a from t where b = x'4142'
select a from t where a = 0b101
select a from t where a = b'101'
select a from t where b = _utf8'abc'
select a from t where b = _latin1 'abc'
select a from t where b = n'abc'
select a from t where b = 'abc' 'def'
select a from t where d = '2026-01-01'
select a from t where d > date'2026-01-01'
select a from t where d > timestamp '2026-01-01 00:00:00'
select a from t where d > now() - interval 1 day
select a from t where d > date_sub(now(), interval 5 minute)
select a from t order by a limit 10
select a from t order by a desc limit 5, 10
select a from t limit 10 offset 20
select count(*) from t
select count(distinct b) from t
select b, count(*) from t group by b having count(*) > 1
select b, sum(a) from t group by b with rollup
select group_concat(b separator ',') from t
select group_concat(distinct b order by b desc separator ';') from t
select max(a), min(a), avg(a) from t
select if(a = 1, 'one', 'other') from t
select case a when 1 then 'x' else 'y' end from t
select case when a > 1 then 2 end from t
select coalesce(b, 'none') from t
select concat(b, '-', a) from t
select cast(a as char) from t
select cast(b as unsigned) from t
select convert(b using utf8) from t
select distinct a from t
select t.a, u.a from t join u on t.a = u.a
select t.a from t left join u on u.a = t.a where u.a is null
select t.a from t inner join u using (a)
select t.a from t, u where t.a = u.a and t.c = 3
select t.a from t cross join u
select t.a from t natural join u
select x.a from t as x where x.a = 1
select x.a from t x where x.c = 1
select a from (select a from t where a > 1) as s
select a from t where a = (select max(a) from u)
select a from t where exists (select 1 from u where u.a = t.a)
select a from t where a in (select a from u where c = 7)
select a from t union select a from u
select a from t union all select a from u where a = 2
(select a from t) union (select a from u) order by a limit 3
select a from t force index (primary) where a = 1
select a from t use index (primary) where a = 2
select a from t ignore index (primary) where a = 3
select a from t where a = 1 for update
select a from t where a = 1 lock in share mode
select sql_no_cache a from t
select straight_join t.a from t join u on t.a = u.a
select `a` from `t` where `b` = 'x'
select `t`.`a` from `sp`.`t` where `t`.`c` = 2
select sp.t.a from sp.t
select a as `strange name` from t
select a /* comment */ from t -- rest
select a from t /* why */ where /* not */ a = 1
select /*!40001 sql_no_cache */ a from t
select @x
select @x := 5
select @@version
select @@global.max_connections
select @@session.sql_mode
select now(), curdate(), current_timestamp
select rand(), rand(3)
select database(), user(), connection_id()
select true, false
select a from t where a = true
select a from t where not a
select a from t where a = 1 or a = 2 and c = 3
select a from t where a = 1 && c = 2
select a from t where !(a = 1)
select a from t where a <> 1 and a != 2
select a from t where a <=> null
select a from t where a >= 1 and a <= 2
select a & 1, a | 2, a ^ 3, ~a, a << 1, a >> 2 from t
select a div 2, a mod 3 from t
select b from t where binary b = 'x'
select a from t where match (b) against ('x' in boolean mode)
insert into t (a, b) values (100, 'x')
insert into t (a, b) values (101, 'x'), (102, 'y'), (103, 'z')
insert into t values (104, 'x', 1, now())
insert into t set a = 105, b = 'q'
insert ignore into t (a) values (1)
insert into t (a, b) values (106, 'x') on duplicate key update b = values(b), c = c + 1
insert into u select a, c from t where a > 100000
insert into u (a, c) values (200, default)
insert into u (a, c) values (201, null)
insert into u (a, c) values (1 + 300, 2 * 3)
insert into u (a, c) value (400, 5)
replace into u (a, c) values (1, 2)
replace into u (a, c) values (1, 2), (3, 4)
update t set b = 'new' where a = 1
update t set b = 'new', c = c + 1 where a in (1, 2, 3) limit 5
update t join u on t.a = u.a set t.c = 5 where u.c = 6
update low_priority t set c = null where a = 9
delete from t where a = 99999
delete from t where a = 99998 limit 1
delete t from t join u on t.a = u.a where u.c = 12345
delete from t using t join u on t.a = u.a where u.c = 12346
do 0
do sleep(0)
SELECT A FROM t WHERE A = 1
Select   a	From  t
select a from t where b='x'and c=1
select(a)from t
select count( * ) from t
select substring(b, 1, 2), substr(b from 2 for 3), trim(leading 'x' from b), position('x' in b) from t
select extract(year from d) from t
select 'x' = b, 1 = a from t
select 1 from dual where 1 = 1
select a from t where a = 1 order by field(a, 3, 2, 1)
select char(77, 121), hex('a'), length(b) from t
select a from t where c = 1 and b = 'x\'y'
select a from t where c = 1 and b = "it's"
select a from t where c = 2 or b = 'new\nline'
select b from t where b like 'x\_%'
