select a from t where b = 'x\'
select a from t where b = 'c:\dir' and c = 5
insert into t (a, b) values (901, 'back\')
select a from t where b like 'x\_%'
select a from t where b = "y\"
select a from t where b in ('\', '\\')
