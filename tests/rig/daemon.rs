//! The real binary: as a daemon with an HTTP client beside it, and as a command that runs once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::process::give;
use super::{Dir, free_port, kill};

const BINARY: &str = env!("CARGO_BIN_EXE_dbsonde");

/// `dbsonde run`, ended when dropped.
#[derive(Debug)]
pub struct Daemon {
    pub port: u16,
    pub pid: u32,
    child: Child,
    log: Arc<Mutex<String>>,
    dir: Dir,
}

impl Daemon {
    /// Runs with this configuration file and a state directory of its own, and waits for `/-/healthy`.
    pub async fn start(config: &str) -> Daemon {
        Daemon::start_with(config, &[], &[]).await
    }

    /// With further arguments and environment; `--state.dir` among them replaces the own one.
    pub async fn start_with(config: &str, args: &[&str], envs: &[(&str, &str)]) -> Daemon {
        Daemon::healthy(Daemon::spawn(program(), config, args, envs)).await
    }

    /// One that speaks TLS only: waits until something listens.
    pub async fn start_behind_tls(config: &str, args: &[&str]) -> Daemon {
        let mut daemon = Daemon::spawn(program(), config, args, &[]);
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", daemon.port)).await.is_err() {
            daemon.go_on_waiting(end).await;
        }
        daemon
    }

    /// On a disk where no file may grow beyond some kilobytes. The log is a pipe and not concerned.
    pub async fn start_without_room(config: &str) -> Daemon {
        Daemon::start_after("trap '' XFSZ; ulimit -f 8", config, &[]).await
    }

    /// After some words of the shell, which end with nothing.
    pub async fn start_after(shell: &str, config: &str, envs: &[(&str, &str)]) -> Daemon {
        Daemon::healthy(Daemon::spawn(after(shell), config, &[], envs)).await
    }

    /// The same for one that may as well not start: then what it said, and how it ended.
    pub async fn tries_after(shell: &str, config: &str) -> Result<Daemon, (ExitStatus, String)> {
        let mut daemon = Daemon::spawn(after(shell), config, &[], &[]);
        let end = Instant::now() + Duration::from_secs(20);
        while !daemon.try_get("/-/healthy", &[]).await.is_ok_and(|answer| answer.status == 200) {
            if let Ok(Some(status)) = daemon.child.try_wait() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Err((status, daemon.log()));
            }
            daemon.go_on_waiting(end).await;
        }
        Ok(daemon)
    }

    /// As a user who may not read every file, with a state directory that is his.
    pub async fn start_as_somebody(config: &str, state: &Path) -> Daemon {
        let mut somebody = program();
        if let Some((user, group)) = super::process::owner() {
            somebody.uid(user).gid(group);
        }
        give(state);
        let dir = Dir::new();
        let file = dir.join("dbsonde.toml");
        fs::write(&file, config).expect("a configuration file");
        give(dir.path());
        let state = ["--state.dir", state.to_str().expect("a path")];
        Daemon::healthy(Daemon::spawn_in(dir, somebody, &file, &state, &[])).await
    }

    /// Where the system writes a core dump of whatever crashes.
    pub async fn start_with_cores(config: &str) -> Daemon {
        Daemon::start_after("ulimit -c unlimited", config, &[]).await
    }

    async fn healthy(mut daemon: Daemon) -> Daemon {
        let end = Instant::now() + Duration::from_secs(20);
        while !daemon.try_get("/-/healthy", &[]).await.is_ok_and(|r| r.status == 200) {
            daemon.go_on_waiting(end).await;
        }
        daemon
    }

    async fn go_on_waiting(&mut self, end: Instant) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("dbsonde ended with {status}:\n{}", self.log());
        }
        assert!(Instant::now() < end, "dbsonde is not there after 20 s:\n{}", self.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    /// With a configuration file of the test's own.
    pub async fn start_on(config_file: &Path, args: &[&str], envs: &[(&str, &str)]) -> Daemon {
        Daemon::healthy(Daemon::spawn_in(Dir::new(), program(), config_file, args, envs)).await
    }

    fn spawn(command: Command, config: &str, args: &[&str], envs: &[(&str, &str)]) -> Daemon {
        let dir = Dir::new();
        let file = dir.join("dbsonde.toml");
        fs::write(&file, config).expect("a configuration file");
        Daemon::spawn_in(dir, command, &file, args, envs)
    }

    fn spawn_in(
        dir: Dir,
        mut command: Command,
        config_file: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
    ) -> Daemon {
        let port = free_port();
        command.arg("run").arg("--config.file").arg(config_file);
        command.args(["--web.listen-address", &format!("127.0.0.1:{port}")]);
        if !args.iter().any(|a| a.starts_with("--state.dir")) {
            command.arg("--state.dir").arg(dir.join("state"));
        }
        command.args(args).envs(envs.iter().copied()).stdout(Stdio::null());
        let mut child = command.spawn().expect("the dbsonde binary");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = child.stderr.take().expect("a pipe");
        let sink = log.clone();
        tokio::spawn(async move {
            let mut piece = vec![0; 16 * 1024];
            while let Ok(n @ 1..) = stderr.read(&mut piece).await {
                sink.lock().expect("the log").push_str(&String::from_utf8_lossy(&piece[..n]));
            }
        });
        let pid = child.id().expect("a running process");
        Daemon { port, pid, child, log, dir }
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// Its configuration file, for a test that edits it.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("dbsonde.toml")
    }

    /// Its state directory, unless the test gave another.
    pub fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Files and connections that it has open, by its own word: since it keeps its memory to itself, nobody else may look.
    pub async fn descriptors(&self) -> u64 {
        let metrics = self.get("/metrics").await.text();
        let open = metrics.lines().find_map(|line| line.strip_prefix("process_open_fds "));
        open.and_then(|open| open.parse().ok()).expect("a number of descriptors")
    }

    /// The most memory that it has ever occupied, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("a running process");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    pub async fn get(&self, path: &str) -> Response {
        self.get_with(path, &[]).await
    }

    /// With further request headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.try_get(path, headers).await.unwrap_or_else(|e| panic!("GET {path}: {e}\n{}", self.log()))
    }

    /// For a test in which there may be no answer; it waits at most 10 s.
    pub async fn try_get(&self, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Response> {
        request(self.port, "GET", path, headers).await
    }

    pub async fn post(&self, path: &str) -> Response {
        let answer = request(self.port, "POST", path, &[]).await;
        answer.unwrap_or_else(|e| panic!("POST {path}: {e}\n{}", self.log()))
    }

    /// Asks again until the answer is as wanted; the last answer and the log are in the panic otherwise.
    pub async fn wait_for(
        &self,
        path: &str,
        wanted: impl Fn(&Response) -> bool,
        limit: Duration,
    ) -> Response {
        let end = Instant::now() + limit;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            if Instant::now() >= end {
                let (status, text, log) = (answer.status, answer.text(), self.log());
                panic!("GET {path} not as wanted within {limit:?}: {status}\n{text}\n--- log:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the log contains the text.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) {
        let end = Instant::now() + limit;
        while !self.log().contains(text) {
            assert!(Instant::now() < end, "no {text:?} in the log within {limit:?}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// By name without SIG: `HUP`, `TERM`, `STOP`.
    pub fn signal(&self, name: &str) {
        assert!(kill(name, &[self.pid]), "dbsonde is gone:\n{}", self.log());
    }

    /// SIGTERM, and how it ended, within 10 s.
    pub async fn stop(self) -> ExitStatus {
        self.end("TERM").await
    }

    /// The same by another signal.
    pub async fn end(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        match tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await {
            Ok(status) => status.expect("an exit status"),
            Err(_) => panic!("dbsonde did not end within 10 s of SIG{signal}:\n{}", self.log()),
        }
    }
}

// `Daemon` needs no Drop of its own: the child is killed with its handle (`kill_on_drop`), then the directory goes.

/// What a command did.
#[derive(Debug)]
pub struct Output {
    /// The exit code; -1 if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// What somebody else's HTTP server on this machine says to a GET.
pub async fn request_json(port: u16, path: &str) -> std::io::Result<serde_json::Value> {
    let answer = request(port, "GET", path, &[]).await?;
    serde_json::from_slice(&answer.body).map_err(std::io::Error::other)
}

/// Runs `dbsonde` with these arguments to its end, which has to come within two minutes.
pub async fn dbsonde(args: &[&str], envs: &[(&str, &str)]) -> Output {
    let run = program().args(args).envs(envs.iter().copied()).stdout(Stdio::piped()).output();
    let done = tokio::time::timeout(Duration::from_secs(120), run).await;
    let done = done.unwrap_or_else(|_| panic!("dbsonde {args:?} hangs")).expect("the dbsonde binary");
    Output {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Without the settings that whoever runs the tests may have in the environment.
fn program() -> Command {
    program_through(BINARY)
}

fn after(shell: &str) -> Command {
    let mut command = program_through("sh");
    command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), BINARY]);
    command
}

fn program_through(starter: &str) -> Command {
    let mut command = Command::new(starter);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("DBSONDE_") || n.starts_with("PG") || n == "RUST_LOG")
        {
            command.env_remove(&name);
        }
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {}", self.text()))
    }

    /// By its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// One HTTP/1.1 request to a port of 127.0.0.1, answered within 10 s.
pub async fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        exchange(&mut stream, port, method, path, headers).await
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await?
}

/// The same on a stream that is there already.
pub async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> std::io::Result<Response> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("Content-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    parse(&answer, method == "HEAD")
        .ok_or_else(|| std::io::Error::other("not an HTTP answer, or not all of it"))
}

fn parse(answer: &[u8], is_head: bool) -> Option<Response> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let rest = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut response = Response { status, headers, body: vec![] };
    response.body = if is_head {
        vec![]
    } else if response.header("transfer-encoding").is_some_and(|v| v == "chunked") {
        unchunk(rest)?
    } else if let Some(length) = response.header("content-length") {
        rest.get(..length.parse().ok()?)?.to_vec()
    } else {
        rest.to_vec()
    };
    Some(response)
}

fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = vec![];
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?;
        let size = usize::from_str_radix(size.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
        rest = rest.get(line + 4 + size..)?;
    }
}

#[test]
fn an_answer_in_chunks_is_put_together() {
    let answer = parse(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsond\r\n1\r\ne\r\n0\r\n\r\n",
        false,
    );
    assert_eq!(answer.map(|a| (a.status, a.text())), Some((200, "sonde".to_owned())));
    assert!(parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", false).is_none());
}
