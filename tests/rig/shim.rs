//! A disk that hangs or fails, a clock that jumps and a name that moves, for one process: a library between it and its libc (`shim.c`), built by the
//! compiler that builds our C anyway. Neither needs root, a kernel module or a mount.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::io::Errno;

use super::{Dir, lock, root};

/// What the library maps; see `struct said` there.
const BYTES: u64 = 4096;
const WAITING_AT: u64 = 16;
const HOST_AT: u64 = 24;
const FAILS_AT: u64 = 32;
const BELOW_AT: u64 = 40;

#[derive(Debug)]
pub struct Shim {
    said: File,
    dir: Dir,
}

impl Shim {
    /// `below` is the directory whose files hang or fail when they are told to.
    pub fn new(below: &Path) -> Shim {
        let dir = Dir::new();
        let path = dir.join("said");
        let said = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let said = said.expect("a file to say it in");
        said.set_len(BYTES).expect("room");
        let below = below.to_str().expect("a path");
        said.write_all_at(below.as_bytes(), BELOW_AT).expect("room");
        Shim { said, dir }
    }

    /// What a process needs in its environment.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("LD_PRELOAD", library().display().to_string()),
            ("DBSONDE_RIG_SHIM", self.dir.join("said").display().to_string()),
        ]
    }

    pub fn hang(&self, hangs: bool) {
        self.said.write_all_at(&i64::from(hangs).to_ne_bytes(), 0).expect("room");
    }

    /// Whoever touches it fails with this, until that is nothing: `ROFS` if he would change something, `IO` in any case.
    pub fn fails(&self, with: Option<Errno>) {
        let number = with.map_or(0, |errno| i64::from(errno.raw_os_error()));
        self.said.write_all_at(&number.to_ne_bytes(), FAILS_AT).expect("room");
    }

    /// How many threads wait for the disk.
    pub fn waiting(&self) -> i64 {
        let mut waiting = [0; 8];
        self.said.read_exact_at(&mut waiting, WAITING_AT).expect("a number");
        i64::from_ne_bytes(waiting)
    }

    /// The name `moving.rig` stands for 127.0.0.`host` from now on.
    pub fn moving_rig(&self, host: i64) {
        self.said.write_all_at(&host.to_ne_bytes(), HOST_AT).expect("room");
    }

    /// By how much the clock of the day goes before (or behind) the true one from now on.
    pub fn clock(&self, seconds: i64) {
        let ahead = seconds * i64::try_from(Duration::from_secs(1).as_nanos()).expect("a second");
        self.said.write_all_at(&ahead.to_ne_bytes(), 8).expect("room");
    }
}

/// Built once for each state of its source.
fn library() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/shim.c");
    let library = root().join("shim.so");
    let _lock = lock(&root().join("shim.lock"));
    let made = |path: &Path| fs::metadata(path).and_then(|about| about.modified()).ok();
    if made(&library).is_none_or(|made_at| Some(made_at) < made(&source)) {
        let new = root().join("shim.so.new");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&new, &source])
            .arg("-ldl")
            .output()
            .expect("cc");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        fs::rename(&new, &library).expect("a library");
    }
    library
}
