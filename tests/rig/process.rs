//! What the private servers of every engine share: the user they run as, templates, freezing, and how they end.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Dir, children, kill, lock, root};

/// A server's process with its children; it is ended when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    frozen: Vec<u32>,
}

impl Process {
    /// What it says goes to `log`, after what it said in earlier lives.
    pub fn spawn(mut command: Command, log: &Path) -> Process {
        let log = OpenOptions::new().create(true).append(true).open(log).expect("a log file");
        command.stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        Process { child, frozen: vec![] }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Itself and its children as they are now.
    pub fn pids(&self) -> Vec<u32> {
        std::iter::once(self.pid()).chain(children(self.pid())).collect()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Stops the whole tree with SIGSTOP: the kernel goes on to accept connections, nobody answers.
    pub fn freeze(&mut self) {
        // First the one that forks, then its children, until there are no new ones.
        loop {
            let new: Vec<u32> = self.pids().into_iter().filter(|pid| !self.frozen.contains(pid)).collect();
            if new.is_empty() {
                break;
            }
            kill("STOP", &new[..1]);
            self.frozen.push(new[0]);
        }
    }

    pub fn thaw(&mut self) {
        let frozen = std::mem::take(&mut self.frozen);
        if !frozen.is_empty() {
            kill("CONT", &frozen);
        }
    }

    /// With this signal; who has not ended by then is killed, with its children.
    pub fn end(&mut self, signal: &str, patience: Duration) {
        self.thaw();
        if self.has_ended() {
            return;
        }
        kill(signal, &[self.pid()]);
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if !self.child.try_wait().is_ok_and(|s| s.is_none()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let backends = children(self.pid());
        let _ = self.child.kill();
        kill("KILL", &backends);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody wants its data any more.
        self.end("QUIT", Duration::from_secs(5));
    }
}

/// A program that runs as a user whom servers accept: they refuse root.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// Who owns the servers when we are root: `postgres`, else `nobody`. None when we are somebody already.
pub fn owner() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if fs::metadata("/proc/self").expect("/proc").uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let ids = |name: &str| {
        let line = users.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("a user that is not root"))
}

/// Gives a directory to the user that the servers run as.
pub fn give(dir: &Path) {
    if let Some((user, group)) = owner() {
        let done = Command::new("chown").arg("-R").arg(format!("{user}:{group}")).arg(dir).status();
        assert!(done.is_ok_and(|s| s.success()), "cannot chown {}", dir.display());
    }
}

/// A data directory to copy from, made once per version by `make`.
pub fn template(version: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let template = root().join(format!("template-{version}"));
    let _lock = lock(&root().join(format!("template-{version}.lock")));
    if !template.exists() {
        let dir = Dir::new();
        give(dir.path());
        let data = dir.join("data");
        make(&data);
        fs::rename(&data, &template).expect("a template");
    }
    template
}

/// Copies a data directory; `proof` is a file in it.
pub fn copy(from: &Path, to: &Path, proof: &str) {
    // A running server removes files while they are copied; what else goes wrong shows at the start.
    let done = Command::new("cp").arg("-a").arg(from).arg(to).stderr(Stdio::null()).status();
    assert!(done.is_ok() && to.join(proof).exists(), "cannot copy {}", from.display());
}
