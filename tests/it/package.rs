//! The Debian package: made from the program under test, and looked into.

use crate::rig::Dir;
use std::path::Path;
use std::process::{Command, Output};

fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, more) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{said}\n{more}");
    said.into_owned()
}

#[test]
fn the_package_has_everything_and_starts_nothing() {
    let dir = Dir::new();
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/deb/build.sh");
    let made = done(
        // To pack a program with all that a debugger wants takes half a minute, and proves nothing.
        Command::new(build)
            .env("DPKG_DEB_COMPRESSOR_TYPE", "none")
            .arg(env!("CARGO_BIN_EXE_dbsonde"))
            .arg(dir.path()),
    );
    let package = made.trim();
    let contents = done(Command::new("dpkg-deb").args(["--contents", package]));
    let has = |mode: &str, path: &str| {
        let is_it = |line: &str| line.starts_with(mode) && line.ends_with(&format!(" ./{path}"));
        assert!(contents.lines().any(is_it), "{mode} {path} is not in\n{contents}");
    };
    has("-rwxr-xr-x root/root", "usr/bin/dbsonde");
    has("-rw-r----- root/root", "etc/dbsonde/dbsonde.toml");
    for path in [
        "lib/systemd/system/dbsonde.service",
        "usr/lib/sysusers.d/dbsonde.conf",
        "usr/share/man/man1/dbsonde.1.gz",
        "usr/share/bash-completion/completions/dbsonde",
        "usr/share/dbsonde/dashboards/fleet.json",
        "usr/share/dbsonde/prometheus/dbsonde.rules.yml",
        "usr/share/doc/dbsonde/handbook.md",
    ] {
        has("-rw-r--r-- root/root", path);
    }
    let scripts = dir.join("control");
    done(Command::new("dpkg-deb").args(["--control", package]).arg(&scripts));
    let read = |file: &str| std::fs::read_to_string(scripts.join(file)).unwrap();
    assert_eq!(read("conffiles"), "/etc/dbsonde/dbsonde.toml\n");
    let postinst = read("postinst");
    assert!(!postinst.contains("enable") && !postinst.contains("invoke start"), "{postinst}");
    assert!(read("control").contains(&format!("Version: {}-1\n", env!("CARGO_PKG_VERSION"))));
}
