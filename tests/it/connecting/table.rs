//! What is said, and what should come of it. `{p}`, `{s}` and `{n}` are the ports of the primary, of its standby and
//! of the server without TLS.

pub enum Judged {
    /// psql gets in, and so do we: the same server, user, database, and TLS or none.
    In,
    /// Neither gets in.
    Out,
    /// We decide otherwise, for this reason.
    Otherwise(#[allow(dead_code)] &'static str),
}
use Judged::{In, Otherwise, Out};

pub struct Row {
    pub said: &'static str,
    pub env: &'static [(&'static str, &'static str)],
    /// Below the home directory; closed to others unless the name has `open` in it.
    pub files: &'static [(&'static str, &'static str)],
    pub judged: Judged,
}

const fn row(judged: Judged, said: &'static str) -> Row {
    Row { said, env: &[], files: &[], judged }
}

impl Row {
    const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Row {
        self.env = env;
        self
    }
    const fn files(mut self, files: &'static [(&'static str, &'static str)]) -> Row {
        self.files = files;
        self
    }
}

const SERVICES: &str = "# ours\n[street]\nhost=127.0.0.1\nport={p}\nuser=sonde\npassword=sesame\ndbname=postgres\n\n[half]\nport={p}\n";

pub const ROWS: &[Row] = &[
    // The spelling of URLs and words.
    row(In, "postgres://postgres@127.0.0.1:{p}/postgres"),
    row(In, "postgresql://postgres@127.0.0.1:{p}/postgres?"),
    row(In, "postgres://postgres@localhost:{p}/postgres"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres"),
    row(In, "  host = 127.0.0.1   port={p} user = 'postgres' dbname=\\postgres"),
    row(In, "postgres://so%20nde:p%40ss%3Aw%2Ford%27%5C@127.0.0.1:{p}/o%27r%20ders"),
    row(In, "host=127.0.0.1 port={p} user='so nde' password='p@ss:w/ord\\'\\\\' dbname='o\\'r ders'"),
    row(In, "postgres://postgres@{socket%}:{p}/postgres"),
    row(In, "postgres:///postgres?host={socket}&port={p}&user=postgres"),
    row(In, "host={socket} port={p} user=postgres dbname=postgres sslmode=require"),
    row(In, "postgres://postgres@/postgres?host=127.0.0.1&port={p}"),
    row(In, "postgres://postgres@127.0.0.1:{p}/postgres?ssl=true"),
    row(In, "postgres://u@127.0.0.1:{p}/x?user=postgres&dbname=postgres"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/nowhere"),
    row(Out, "postgres://postgres@127.0.0.1:99999/postgres"),
    row(Out, "postgres://postgres@127.0.0.1:1/postgres"),
    row(Out, "postgres://postgres@nowhere.invalid:{p}/postgres"),
    row(Out, "postgres://postgres@[::1:{p}/postgres"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/post%gres"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/postgres?sslmod=require"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname='postgres"),
    row(Out, "host=127.0.0.1 port={p} user=postgres nonsense=1"),
    row(Out, "host=127.0.0.1 port user=postgres"),
    row(Otherwise("a password with an @ that was not encoded is understood"), "postgres://slip:ses@me@127.0.0.1:{p}/postgres"),
    // Passwords.
    row(In, "postgres://sonde:sesame@127.0.0.1:{p}/postgres"),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres?password=sesame"),
    row(Out, "postgres://sonde:wrong@127.0.0.1:{p}/postgres"),
    row(Out, "postgres://sonde@127.0.0.1:{p}/postgres"),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres").env(&[("PGPASSWORD", "sesame")]),
    row(Out, "postgres://sonde:wrong@127.0.0.1:{p}/postgres").env(&[("PGPASSWORD", "sesame")]),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "127.0.0.1:{p}:postgres:sonde:sesame\n")]),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "# mine\nx:*:*:*:no\n*:*:*:*:sesame")]),
    row(Out, "postgres://sonde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "*:*:*:*:wrong\n*:*:*:*:sesame\n")]),
    row(Out, "postgres://sonde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "127.0.0.1:{n}:*:sonde:sesame\n")]),
    row(In, "postgres://so%20nde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "*:*:*:so nde:p@ss\\:w/ord'\\\\\n")]),
    row(In, "postgres://so%20nde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "*:*:*:so\\ nde:p@ss\\:w/ord'\\\\\r\n")]),
    row(Out, "postgres://sonde@127.0.0.1:{p}/postgres").files(&[(".pgpass", "\\*:*:*:*:sesame\n")]),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres?passfile={home}/other").files(&[("other", "*:*:*:*:sesame\n")]),
    row(In, "postgres://sonde@127.0.0.1:{p}/postgres").env(&[("PGPASSFILE", "{home}/other")]).files(&[("other", "*:*:*:*:sesame\n")]),
    row(Out, "postgres://sonde@127.0.0.1:{p}/postgres?passfile={home}/open").files(&[("open", "*:*:*:*:sesame\n")]),
    row(In, "host=localhost hostaddr=127.0.0.1 port={p} user=sonde dbname=postgres").files(&[(".pgpass", "localhost:*:*:*:sesame\n")]),
    row(In, "hostaddr=127.0.0.1 port={p} user=sonde dbname=postgres").files(&[(".pgpass", "127.0.0.1:*:*:*:sesame\n")]),
    // Several places.
    row(In, "host=nowhere.invalid hostaddr=127.0.0.1 port={p} user=postgres dbname=postgres"),
    row(In, "postgres://postgres@nowhere.invalid:{p}/postgres?hostaddr=127.0.0.1"),
    row(Out, "host=127.0.0.1 hostaddr=localhost port={p} user=postgres dbname=postgres"),
    row(In, "host=127.0.0.1,127.0.0.1 port=1,{p} user=postgres dbname=postgres"),
    row(In, "postgres://postgres@127.0.0.1:1,nowhere.invalid,127.0.0.1:{p}/postgres"),
    row(In, "host=nowhere.invalid,localhost port={p} user=postgres dbname=postgres"),
    row(In, "host=nowhere.invalid,{socket} port={p} user=postgres dbname=postgres"),
    row(In, "hostaddr=127.0.0.1,127.0.0.1 port=1,{p} user=postgres dbname=postgres"),
    row(Out, "host=127.0.0.1,127.0.0.1 port=1,2,{p} user=postgres dbname=postgres"),
    row(Out, "host=127.0.0.1,127.0.0.1 hostaddr=127.0.0.1 port={p} user=postgres dbname=postgres"),
    row(Out, "host=127.0.0.1,127.0.0.1 port={p},{n} user=sonde dbname=postgres").files(&[(".pgpass", "*:{p}:*:*:wrong\n*:{n}:*:*:sesame\n")]),
    row(In, "postgres://postgres@127.0.0.1:{p},127.0.0.1:{p}/postgres?load_balance_hosts=random"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/postgres?load_balance_hosts=fair"),
    row(In, "postgres://postgres@127.0.0.1:{s},127.0.0.1:{p}/postgres?target_session_attrs=any"),
    row(In, "postgres://postgres@127.0.0.1:{s},127.0.0.1:{p}/postgres?target_session_attrs=read-write"),
    row(In, "postgres://postgres@127.0.0.1:{p},127.0.0.1:{s}/postgres?target_session_attrs=read-only"),
    row(In, "postgres://postgres@127.0.0.1:{s},127.0.0.1:{p}/postgres?target_session_attrs=primary"),
    row(In, "postgres://postgres@127.0.0.1:{p},127.0.0.1:{s}/postgres?target_session_attrs=standby"),
    row(In, "postgres://postgres@127.0.0.1:{p},127.0.0.1:{s}/postgres?target_session_attrs=prefer-standby"),
    row(In, "postgres://postgres@127.0.0.1:1,127.0.0.1:{p}/postgres?target_session_attrs=prefer-standby"),
    row(In, "postgres://reader@127.0.0.1:{p}/postgres?target_session_attrs=read-only"),
    row(In, "postgres://reader@127.0.0.1:{p}/postgres?target_session_attrs=primary"),
    row(Out, "postgres://reader@127.0.0.1:{p}/postgres?target_session_attrs=read-write"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/postgres?target_session_attrs=standby"),
    row(Out, "postgres://postgres@127.0.0.1:{s}/postgres?target_session_attrs=primary"),
    row(Out, "postgres://postgres@127.0.0.1:{p}/postgres?target_session_attrs=master"),
    row(In, "dbname=postgres").env(&[("PGTARGETSESSIONATTRS", "standby"), ("PGHOST", "127.0.0.1,127.0.0.1"), ("PGPORT", "{p},{s}"), ("PGUSER", "postgres")]),
    // TLS.
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=disable"),
    row(Otherwise("plain text first is no safer than TLS first"), "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=allow"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=prefer"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=require"),
    row(In, "host=127.0.0.1 port={n} user=postgres dbname=postgres sslmode=prefer"),
    row(Out, "host=127.0.0.1 port={n} user=postgres dbname=postgres sslmode=require"),
    row(In, "host=127.0.0.1 port={p} user=plainly dbname=postgres"),
    row(Out, "host=127.0.0.1 port={p} user=plainly dbname=postgres sslmode=require"),
    row(In, "host=127.0.0.1 port={p} user=tlsonly dbname=postgres"),
    row(Out, "host=127.0.0.1 port={p} user=tlsonly dbname=postgres sslmode=disable"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=verify-ca sslrootcert={crt}/ca.crt"),
    row(In, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify-full sslrootcert={crt}/ca.crt"),
    row(In, "postgres://postgres@localhost:{p}/postgres?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={crt}/ca.crt"),
    row(In, "host=localhost port={s} user=postgres dbname=postgres sslmode=verify-full sslrootcert={crt}/own.crt"),
    row(Out, "host=127.0.0.1 port={s} user=postgres dbname=postgres sslmode=verify-full sslrootcert={crt}/own.crt"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=verify-full sslrootcert={crt}/ca.crt"),
    row(Out, "hostaddr=127.0.0.1 port={p} user=postgres dbname=postgres sslmode=verify-full sslrootcert={crt}/ca.crt"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify-ca sslrootcert={crt}/other-ca.crt"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=require sslrootcert={crt}/other-ca.crt"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify-ca sslrootcert={crt}/nowhere.crt"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify-full"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslrootcert=system"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslrootcert=system sslmode=require"),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify_full"),
    row(In, "host=localhost port={p} user=postgres dbname=postgres sslmode=verify-full").files(&[(".postgresql/root.crt", "copy of ca.crt")]),
    row(Out, "host=localhost port={p} user=postgres dbname=postgres sslmode=require").files(&[(".postgresql/root.crt", "copy of other-ca.crt")]),
    row(In, "host=localhost port={p} user=postgres dbname=postgres").env(&[("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "{crt}/ca.crt")]),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres ssl_min_protocol_version=TLSv1.3 sslmode=require"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres ssl_max_protocol_version=TLSv1.2 sslmode=require"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres ssl_min_protocol_version=SSLv3"),
    row(In, "host=localhost port={p} user=postgres dbname=postgres sslsni=0 sslmode=require"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslnegotiation=direct sslmode=require"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres sslnegotiation=direct"),
    row(Out, "host=127.0.0.1 port={n} user=postgres dbname=postgres sslnegotiation=direct sslmode=require"),
    row(In, "host=127.0.0.1 port={p} user=certain dbname=postgres sslcert={crt}/client.crt sslkey={crt}/client.key"),
    row(Out, "host=127.0.0.1 port={p} user=certain dbname=postgres sslmode=require"),
    row(Out, "host=127.0.0.1 port={p} user=certain dbname=postgres sslcert={crt}/server.crt sslkey={crt}/server.key"),
    row(Out, "host=127.0.0.1 port={p} user=certain dbname=postgres sslcert={crt}/client.crt sslkey={home}/open.key").files(&[("open.key", "copy of client.key")]),
    row(Out, "host=127.0.0.1 port={p} user=certain dbname=postgres sslcert={crt}/client.crt sslkey={crt}/nowhere.key"),
    row(In, "host=127.0.0.1 port={p} user=certain dbname=postgres")
        .files(&[(".postgresql/postgresql.crt", "copy of client.crt"), (".postgresql/postgresql.key", "copy of client.key")]),
    row(In, "host=127.0.0.1 port={p} user=certain dbname=postgres").env(&[("PGSSLCERT", "{crt}/client.crt"), ("PGSSLKEY", "{crt}/client.key")]),
    row(In, "host=127.0.0.1 port={p} user=sonde password=sesame dbname=postgres channel_binding=require"),
    row(In, "host=127.0.0.1 port={p} user=sonde password=sesame dbname=postgres channel_binding=disable"),
    row(Out, "host=127.0.0.1 port={p} user=sonde password=sesame dbname=postgres channel_binding=require sslmode=disable"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres channel_binding=require"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres channel_binding=yes"),
    // Services and the environment.
    row(In, "service=street").files(&[(".pg_service.conf", SERVICES)]),
    row(In, "postgres://?service=street").env(&[("PGSERVICEFILE", "{home}/services")]).files(&[("services", SERVICES)]),
    row(In, "dbname=postgres").env(&[("PGSERVICE", "street"), ("PGHOST", "nowhere.invalid")]).files(&[(".pg_service.conf", SERVICES)]),
    row(In, "service=street user=postgres").files(&[(".pg_service.conf", SERVICES)]),
    row(Out, "service=street password=wrong").files(&[(".pg_service.conf", SERVICES)]),
    row(In, "service=half dbname=postgres").env(&[("PGHOST", "127.0.0.1"), ("PGUSER", "postgres")]).files(&[(".pg_service.conf", SERVICES)]),
    row(Out, "service=stree").files(&[(".pg_service.conf", SERVICES)]),
    row(Out, "service=nested").files(&[(".pg_service.conf", "[nested]\nservice=street\n")]),
    row(In, "postgres:///postgres").env(&[("PGHOST", "127.0.0.1"), ("PGPORT", "{p}"), ("PGUSER", "postgres")]),
    row(In, "user=postgres").env(&[("PGHOSTADDR", "127.0.0.1"), ("PGPORT", "{p}"), ("PGDATABASE", "o'r ders")]),
    row(In, "postgres://postgres@127.0.0.1:{p}/postgres").env(&[("PGHOST", "nowhere.invalid"), ("PGPORT", "1"), ("PGUSER", "u")]),
    // The rest.
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres options='-c geqo=off -c statement_timeout=0'"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres options='-c nonsense=1'"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres").env(&[("PGOPTIONS", "-c nonsense=1")]),
    row(In, "postgres://postgres@127.0.0.1:{p}/postgres?options=-c%20application_name%3Da%5C%20b&application_name=mine"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres keepalives=1 keepalives_idle=60 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=9000"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres keepalives=0"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres keepalives_idle=soon"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres connect_timeout=7"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres connect_timeout=-1"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres connect_timeout=7s"),
    row(In, "host=127.0.0.1 port={p} user=postgres dbname=postgres client_encoding=UTF8 gssencmode=disable"),
    row(Out, "host=127.0.0.1 port={p} user=postgres dbname=postgres gssencmode=perhaps"),
];
