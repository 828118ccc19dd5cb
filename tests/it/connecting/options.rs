//! Option files spelled in every way, read by us and by the reader of MySQL's own programs.

use crate::rig::Dir;
use crate::rig::certificates::closed;
use crate::rig::mysql::Version;
use dbsonde::config::{Target, TargetUrl};
use secrecy::ExposeSecret;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The rest of a file that begins with `[client]`; `{dir}` is a directory with `more.cnf`, `more.ini` and `also.cnf`.
const FILES: [&str; 78] = [
    "user=sonde",
    "user = sonde",
    "   user   =   sonde   ",
    "\tuser\t=\tsonde\t",
    "user='sonde'",
    "user=\"so nde\"",
    "user=so nde",
    "user=sonde # why",
    "user=sonde#why",
    "user='son#de'",
    "user=\"son'de\"",
    "user='son\"de'",
    "user=so\\sde",
    "user=so\\\\de",
    "user=so\\de",
    "user=so\\tde",
    "; note\nuser=sonde",
    "#user=nobody\nuser=sonde",
    "user=first\nuser=second",
    "loose-user=sonde",
    "loose_user=sonde",
    "user=sönde",
    "user=sonde\r\nport=3307\r",
    "user= 'sonde' # quoted",
    "user=sonde;x",
    "user=a=b=c",
    "user=\"a=b\"",
    "user=\"\\\"quoted\\\"\"",
    "user='it\\'s'",
    "user=sonde\n\n\n",
    "no-such-option=1\nuser=sonde",
    "skip-something\nuser=sonde",
    "password=sesame",
    "password = a#b",
    "password='a#b'",
    "password=\"a#b\" # quoted",
    "password=two words",
    "password=' two words '",
    "password=back\\\\slash\\s\\q",
    "password='say \\\"hi\\\"'",
    "password=\"it's\"",
    "password = ends=with=",
    "password=p\npassword=the last counts",
    "loose-password='loose'",
    "password=päss",
    "password=\"p;q\"",
    "password=p;q",
    "password=$2y$10$x/y+z==",
    "password='\\\\'",
    "password=a\\\\",
    "password=-p -q --r",
    "password=[client]",
    "password=%41%42",
    "password=\"\"",
    "password=''",
    "password",
    "port=3307",
    "port = \"3307\"",
    "port=3307 # there",
    "host=db.example",
    "host='db.example'",
    "host=127.0.0.1\nport=3308",
    "host=db.example\n[mysqld]\nhost=elsewhere\nport=1",
    "database=shop",
    "database='shop # 1'",
    "socket=/tmp/x.sock",
    "socket = '/tmp/my x.sock'",
    "ssl-mode=REQUIRED",
    "ssl_mode=VERIFY_CA\nssl-ca=/etc/ca.pem",
    "ssl_ca='/etc/my ca.pem'",
    "user=a\n[mysqld]\nuser=b\n[client]\nport=99",
    "[other]\nuser=nobody\n[client]\nuser=sonde",
    "user=a\n [client] \nuser=c",
    "user=a\n[client] # why\nuser=c",
    "user=a\n[Client]\nuser=b",
    "!include {dir}/more.cnf\nuser=sonde",
    "user=sonde\n!include {dir}/more.cnf",
    "!includedir {dir}\npassword=after",
];

/// What MySQL's own reader makes of it: the last word of each option.
fn judged(file: &Path) -> BTreeMap<String, String> {
    let mut reader = Version::MySql97.tool("my_print_defaults");
    let printed = reader
        .arg(format!("--defaults-file={}", file.display()))
        .args(["--show", "client"])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let options = printed.lines().filter_map(|line| {
        let line =
            line.strip_prefix("--loose-").or(line.strip_prefix("--loose_")).or(line.strip_prefix("--"))?;
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        Some((name.replace('_', "-"), value.to_owned()))
    });
    options.collect()
}

async fn ours(url: &TargetUrl) -> BTreeMap<&'static str, String> {
    let password = Target::new(url.clone()).password(&url.places()[0]).await.unwrap();
    let param = |name: &str| url.param(name).unwrap_or_default().to_owned();
    BTreeMap::from([
        ("user", url.user().to_owned()),
        ("password", password.map_or(String::new(), |secret| secret.get().expose_secret().to_owned())),
        ("host", url.host().to_owned()),
        ("port", url.port().to_string()),
        ("database", url.database().to_owned()),
        ("ssl-mode", param("sslmode")),
        ("ssl-ca", param("sslrootcert")),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn option_files_say_to_us_what_they_say_to_mysql() {
    let dir = Dir::new();
    for (name, text) in [
        ("more.cnf", "[client]\nuser=more\npassword=more\n"),
        ("also.cnf", "[client]\nport=3399\n[mysqld]\nport=1\n"),
        ("more.ini", "[client]\nuser=nobody\n"),
    ] {
        fs::write(dir.join(name), text).unwrap();
        closed(&dir.join(name));
    }
    let own = Dir::new();
    let file = own.join("my.cnf");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        closed(&file);
        format!("mysql://?defaults_file={}", file.display()).parse::<TargetUrl>()
    };
    let usual = ours(&read("[client]\n").unwrap()).await;
    let mut wrong = Vec::new();
    for body in FILES {
        let text = format!("[client]\n{}\n", body.replace("{dir}", &dir.path().display().to_string()));
        let url = read(&text).unwrap_or_else(|said| panic!("{body:?}: {said}"));
        let (ours, theirs) = (ours(&url).await, judged(&file));
        for (name, usual) in &usual {
            let said = theirs.get(*name).cloned().unwrap_or_else(|| usual.clone());
            let said = match (*name, theirs.get("socket"), theirs.get("ssl-ca")) {
                ("host", Some(socket), _) => socket.clone(),
                ("ssl-mode", _, Some(_)) if !theirs.contains_key("ssl-mode") => "verify-ca".to_owned(),
                ("ssl-mode", ..) => said.to_lowercase().replace('_', "-").replace("required", "require"),
                _ => said,
            };
            if ours[name] != said {
                wrong.push(format!("{body:?}: {name} is {:?}, for MySQL {said:?}", ours[name]));
            }
        }
    }
    assert!(FILES.len() >= 60);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FILES.len(), wrong.join("\n"));
}
