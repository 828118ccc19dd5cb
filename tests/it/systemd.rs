//! The units that we ship, judged by systemd's own programs, and what the daemon tells the manager that started it.

use crate::rig::daemon::Daemon;
use crate::rig::{Dir, free_port};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UnixDatagram;

/// The highest exposure that we allow, in tenths as `systemd-analyze` wants it. Exporters stand at 9.2.
const EXPOSURE: &str = "15";

/// Nobody has to answer for what is tested here.
const TARGET: &str = "[[target]]\nurl = \"postgres://sonde@127.0.0.1:1/postgres\"\n";

/// The units as shipped, where the program that they start is the one under test.
fn units() -> Dir {
    let dir = Dir::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd");
    for unit in ["dbsonde.service", "dbsonde@.service", "dbsonde.socket"] {
        let text = fs::read_to_string(shipped.join(unit)).unwrap();
        fs::write(dir.join(unit), text.replace("/usr/bin/dbsonde", env!("CARGO_BIN_EXE_dbsonde"))).unwrap();
    }
    dir
}

fn analyze(args: &[&str], units: &[PathBuf]) -> Output {
    let run = Command::new("systemd-analyze").args(args).args(units).output();
    run.expect("systemd-analyze: run tests/rig/install.sh")
}

#[test]
fn the_units_are_right_and_leave_little_open() {
    let dir = units();
    let services = [dir.join("dbsonde.service"), dir.join("dbsonde@shop.service")];
    let mut all = services.to_vec();
    all.push(dir.join("dbsonde.socket"));
    let verified = analyze(&["verify", "--man=no"], &all);
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.is_empty(), "{said}");
    for unit in [dir.join("dbsonde.service"), dir.join("dbsonde@.service")] {
        let judged = analyze(&["security", "--offline=yes", "--threshold", EXPOSURE], &[unit]);
        assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
    }
}

/// The two service files differ only where one speaks of its instance.
#[test]
fn the_instance_is_the_same_service() {
    let dir = units();
    let read = |unit: &str| fs::read_to_string(dir.join(unit)).unwrap();
    let settings = |text: String| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
    };
    let (one, each) = (settings(read("dbsonde.service")), settings(read("dbsonde@.service")));
    let own: Vec<_> = each.iter().filter(|line| !one.contains(line)).collect();
    assert_eq!(one.len(), each.len());
    assert!(own.iter().all(|line| line.contains("%i")), "{own:?}");
    assert_eq!(own.len(), 3, "{own:?}");
}

/// Plays the manager: a datagram socket that keeps what it is told.
fn manager(dir: &Dir) -> Arc<Mutex<Vec<String>>> {
    let socket = UnixDatagram::bind(dir.join("notify")).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = told.clone();
    tokio::spawn(async move {
        let mut piece = [0; 4096];
        while let Ok(n) = socket.recv(&mut piece).await {
            heard.lock().unwrap().push(String::from_utf8_lossy(&piece[..n]).trim().to_owned());
        }
    });
    told
}

async fn until(told: &Mutex<Vec<String>>, what: &str, wanted: impl Fn(&[String]) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !wanted(&told.lock().unwrap()) {
        assert!(Instant::now() < end, "never told {what}: {:?}", told.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_is_told_of_readiness_life_reload_and_end() {
    let dir = Dir::new();
    let told = manager(&dir);
    let socket = dir.join("notify").display().to_string();
    let envs = [("NOTIFY_SOCKET", socket.as_str()), ("WATCHDOG_USEC", "400000")];
    let daemon = Daemon::start_with(TARGET, &[], &envs).await;
    let count = |all: &[String], what: &str| all.iter().filter(|one| *one == what).count();
    until(&told, "READY=1", |all| count(all, "READY=1") == 1).await;
    until(&told, "WATCHDOG=1 again and again", |all| count(all, "WATCHDOG=1") >= 3).await;
    daemon.signal("HUP");
    until(&told, "that it reloads", |all| count(all, "RELOADING=1") == 1).await;
    until(&told, "that it is ready again", |all| count(all, "READY=1") == 2).await;
    assert!(daemon.stop().await.success());
    until(&told, "STOPPING=1", |all| count(all, "STOPPING=1") == 1).await;
}

/// systemd holds the port and hands it over, whatever the configuration says.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_handed_over_is_served() {
    let (dir, port, other) = (Dir::new(), free_port(), free_port());
    let own = format!("[web]\nlisten = [\"127.0.0.1:{other}\"]\n[state]\ndir = \"none\"\n{TARGET}");
    fs::write(dir.join("dbsonde.toml"), own).unwrap();
    let mut child = tokio::process::Command::new("systemd-socket-activate")
        .args(["-l", &format!("127.0.0.1:{port}"), env!("CARGO_BIN_EXE_dbsonde"), "run", "--config.file"])
        .arg(dir.join("dbsonde.toml"))
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("systemd-socket-activate: run tests/rig/install.sh");
    // The first caller starts it, as the manager would.
    let end = Instant::now() + Duration::from_secs(30);
    let healthy = async |port| crate::rig::daemon::request(port, "GET", "/-/healthy", &[]).await;
    while !healthy(port).await.is_ok_and(|answer| answer.status == 200) {
        assert!(Instant::now() < end, "nobody answers on the socket that was handed over");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(healthy(other).await.is_err(), "it listens nowhere else");
    child.kill().await.unwrap();
}
