//! The packages: made from the program under test, looked into, and put on a machine and taken off again.

use crate::rig::{Dir, root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn done(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (said, more) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{said}\n{more}");
    said.into_owned()
}

/// The program without what a debugger wants: packing that takes half a minute, and proves nothing.
fn stripped(dir: &Dir) -> PathBuf {
    let program = dir.join("dbsonde");
    done(Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_dbsonde")));
    program
}

/// The path of the package that `deploy/KIND/build.sh` makes of it.
fn package(kind: &str, dir: &Dir, program: &Path, revision: u32) -> String {
    let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(kind).join("build.sh");
    let mut build = Command::new(build);
    build
        .env("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
        .env("DPKG_DEB_COMPRESSOR_LEVEL", "1")
        .env("RPM_PAYLOAD", "w1.gzdio");
    build.env("REVISION", revision.to_string());
    done(build.arg(program).arg(dir.path())).trim().to_owned()
}

/// Is it here? What cannot be had is told.
fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skip: no {program} here");
    }
    found
}

/// This machine as it is, and a Debian with nothing that not every Debian has.
fn machines() -> Vec<PathBuf> {
    let bare = root().join("debian");
    if !bare.exists() {
        eprintln!("skip: no bare Debian here");
    }
    ["/".into(), bare].into_iter().filter(|path| path.exists()).collect()
}

/// Runs a script as root of a machine as it would be if nobody minded: whatever it writes goes into a layer that is
/// thrown away. The packages lie in /packages. Does nothing where no such layer can be had.
fn on_a_throwaway(machine: &Path, packages: &[&str], script: &str) {
    // MACHINE DIR PACKAGE PACKAGE SCRIPT
    const ENTER: &str = "set -eu
        cd $2; mkdir upper work root
        mount -t overlay overlay -o lowerdir=$1,upperdir=upper,workdir=work root || { echo no layer; exit 77; }
        mkdir -p root/packages; cp $3 $4 root/packages/
        mount --rbind /proc root/proc; mount --rbind /dev root/dev
        exec chroot root /bin/bash -euxc \"$5\"";
    let mut enter = Command::new("unshare");
    enter.args(["--mount", "--propagation", "private", "/bin/bash", "-c", ENTER, "enter"]);
    let dir = Dir::new();
    let run = enter
        .arg(machine)
        .arg(dir.path())
        .args(packages)
        .arg(script)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    if run.status.code() == Some(77) || said.contains("Operation not permitted") {
        eprintln!("skip: no layer to install into here: {said}");
        return;
    }
    assert!(run.status.success(), "{said}");
}

#[test]
fn the_package_has_everything_and_starts_nothing() {
    let dir = Dir::new();
    let program = stripped(&dir);
    let package = package("deb", &dir, &program, 1);
    let contents = done(Command::new("dpkg-deb").args(["--contents", &package]));
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
        "usr/share/doc/dbsonde/THIRD-PARTY.md",
    ] {
        has("-rw-r--r-- root/root", path);
    }
    let scripts = dir.join("control");
    done(Command::new("dpkg-deb").args(["--control", &package]).arg(&scripts));
    let read = |file: &str| std::fs::read_to_string(scripts.join(file)).unwrap();
    assert_eq!(read("conffiles"), "/etc/dbsonde/dbsonde.toml\n");
    let postinst = read("postinst");
    assert!(!postinst.contains("enable") && !postinst.contains("invoke start"), "{postinst}");
    assert!(read("control").contains(&format!("Version: {}-1\n", env!("CARGO_PKG_VERSION"))));
    if is_here("lintian") {
        done(Command::new("lintian").args(["--fail-on", "error,warning", "--allow-root", &package]));
    }
}

/// What is left by name of us, where packages put things.
const OURS: &str = "find /etc /lib /usr /run /var/cache /var/lib /var/log -xdev -name '*dbsonde*' | sort";

#[test]
fn the_debian_package_comes_is_renewed_and_goes() {
    let dir = Dir::new();
    let program = stripped(&dir);
    let (first, second) = (package("deb", &dir, &program, 1), package("deb", &dir, &program, 2));
    let script = format!(
        "before=$({OURS})
        dpkg -i /packages/*-1_*.deb
        [ \"$(stat -c '%U:%G %a' /etc/dbsonde/dbsonde.toml)\" = 'root:dbsonde 640' ]
        setpriv --reuid dbsonde --regid dbsonde --clear-groups dbsonde check-config /etc/dbsonde/dbsonde.toml
        [ -z \"$(find /etc/systemd -name '*dbsonde*')\" ]
        echo '# mine' >>/etc/dbsonde/dbsonde.toml
        dpkg -i /packages/*-2_*.deb </dev/null
        [ \"$(dpkg-query -Wf '${{Version}}' dbsonde)\" = {version}-2 ]
        tail -n 1 /etc/dbsonde/dbsonde.toml | grep -x '# mine'
        mkdir -p /var/lib/dbsonde; touch /var/lib/dbsonde/state.sqlite
        dpkg -r dbsonde
        [ ! -e /usr/bin/dbsonde ]; [ -e /etc/dbsonde/dbsonde.toml ]; [ -e /var/lib/dbsonde/state.sqlite ]
        dpkg -P dbsonde
        [ \"$before\" = \"$({OURS})\" ]",
        version = env!("CARGO_PKG_VERSION")
    );
    for machine in machines() {
        on_a_throwaway(&machine, &[&first, &second], &script);
    }
}

#[test]
fn the_rpm_has_the_same_comes_is_renewed_and_goes() {
    if !is_here("rpmbuild") {
        return;
    }
    let dir = Dir::new();
    let program = stripped(&dir);
    let (first, second) = (package("rpm", &dir, &program, 1), package("rpm", &dir, &program, 2));
    let contents = done(Command::new("rpm").args(["-qplv", &first]));
    let deb = package("deb", &dir, &program, 1);
    let deb = done(Command::new("dpkg-deb").args(["--contents", &deb]));
    // Files alone, without what only one of the two distributions knows, or keeps in a place of its own.
    let own = ["changelog", "copyright", "licenses/", "lintian/", "zsh/", "CHANGELOG.md"];
    let names = |list: &str| {
        let files = list.lines().filter(|line| line.starts_with('-'));
        let names = files.map(|line| line.rsplit(' ').next().unwrap().trim_start_matches('.').to_owned());
        let common = names.filter(|name| !own.iter().any(|own| name.contains(own)));
        common
            .map(|name| name.replace("/usr/lib/systemd", "/lib/systemd"))
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(&contents), names(&deb));
    let is_config =
        |line: &str| line.starts_with("-rw-r-----") && line.ends_with("/etc/dbsonde/dbsonde.toml");
    assert!(contents.lines().any(is_config), "{contents}");
    let script = format!(
        "rpm='rpm --force-debian --nodeps --quiet'
        before=$({OURS})
        $rpm -i /packages/*-1.*.rpm
        [ \"$(stat -c '%U:%G %a' /etc/dbsonde/dbsonde.toml)\" = 'root:dbsonde 640' ]
        setpriv --reuid dbsonde --regid dbsonde --clear-groups dbsonde check-config /etc/dbsonde/dbsonde.toml
        echo '# mine' >>/etc/dbsonde/dbsonde.toml
        $rpm -U /packages/*-2.*.rpm
        [ \"$(rpm -q --qf '%{{VERSION}}-%{{RELEASE}}' dbsonde)\" = {version}-2 ]
        tail -n 1 /etc/dbsonde/dbsonde.toml | grep -x '# mine'
        $rpm -e dbsonde
        [ -e /etc/dbsonde/dbsonde.toml.rpmsave ]; rm -r /etc/dbsonde
        [ \"$before\" = \"$({OURS})\" ]",
        version = env!("CARGO_PKG_VERSION")
    );
    on_a_throwaway(Path::new("/"), &[&first, &second], &script);
}

/// No builder of images is at hand. What can be seen without one: that everything which the build reads is copied in.
#[test]
fn the_image_is_built_of_all_that_its_build_reads() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let containerfile = std::fs::read_to_string(root.join("deploy/docker/Containerfile")).unwrap();
    let dir = Dir::new();
    for line in containerfile
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--"))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let (to, from) = words.split_last().unwrap();
        for from in from {
            let to = if *to == "./" { dir.join(from) } else { dir.join(to) };
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            done(Command::new("cp").arg("-rT").arg(root.join(from)).arg(to));
        }
    }
    // Every target of the manifest is there.
    let mut cargo = Command::new(env!("CARGO"));
    done(cargo.current_dir(dir.path()).args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
        "--locked",
    ]));
    let manifest: toml::Table =
        toml::from_str(&std::fs::read_to_string(root.join("Cargo.toml")).unwrap()).unwrap();
    for bench in manifest["bench"].as_array().unwrap() {
        let name = bench["name"].as_str().unwrap();
        assert!(
            dir.join(&format!("benches/{name}.rs")).exists()
                || dir.join(&format!("benches/{name}/main.rs")).exists()
        );
    }
    assert_eq!(dir.join(".cargo/config.toml").exists(), root.join(".cargo/config.toml").exists());
    // And every file that is compiled in.
    let sources = done(Command::new("grep").args(["-rlE", "include_(str|bytes)!"]).arg(dir.join("src")));
    let mut seen = 0;
    for source in sources.lines().map(Path::new) {
        let text = std::fs::read_to_string(source).unwrap();
        for piece in text.split("include_str!(").skip(1).chain(text.split("include_bytes!(").skip(1)) {
            let name = piece.split('"').nth(1).unwrap();
            // What a macro puts behind it is somewhere below.
            let place = source.parent().unwrap().join(name);
            assert!(place.exists() || name == "sql/", "{} wants {name}", source.display());
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} files");
}
