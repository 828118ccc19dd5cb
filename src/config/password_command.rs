//! A program that prints the password: for tokens that live for minutes. It runs at each connect.

use super::Secret;
use super::password::{MAX_FILE_BYTES, NoPassword};
use crate::disk;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Tools of clouds take a few seconds; whoever takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// A program and all that it started. They end with this value, however we leave.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // A child that was waited for has no id any more; while it has one, the group cannot be somebody else's.
        let leader = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        if let Some(leader) = leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

/// The first line that the program prints. What it says on standard error may hold secrets, so nobody reads it.
pub async fn run(command: &[String]) -> Result<Secret, NoPassword> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(wrong("is empty", "give the program and its arguments as a list"));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    // A program is a file as well.
    let started = disk::read(program, move || command.spawn().map(Group)).await;
    let started =
        started.map_err(|hangs| wrong(&format!("cannot start: {hangs}"), "see what the program lies on"))?;
    let mut group = started.map_err(|error| {
        wrong(
            &format!("cannot start: {}", super::password::why(&error)),
            "name a program, with its whole path",
        )
    })?;
    let printed = timeout(PATIENCE, output(&mut group.0)).await;
    printed.map_err(|_| wrong(&format!("took longer than {PATIENCE:?}"), "see what it waits for"))?
}

async fn output(child: &mut Child) -> Result<Secret, NoPassword> {
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).await;
        read.map_err(|error| {
            wrong(&format!("cannot be read: {}", error.kind()), "let it print the password alone")
        })?;
    }
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(wrong("prints more than a password", "let it print the password alone"));
    }
    let status = child.wait().await.map_err(|error| wrong(&error.kind().to_string(), "see that it ends"))?;
    if !status.success() {
        return Err(wrong(&format!("ended with {status}"), "run it by hand as the user of dbsonde"));
    }
    let text = String::from_utf8(text)
        .map_err(|_| wrong("does not print text", "let it print the password alone"))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line.to_owned())),
        _ => Err(wrong("prints nothing", "let it print the password on its first line")),
    }
}

fn wrong(what: &str, mend: &str) -> NoPassword {
    NoPassword { what: format!("password_command {what}"), mend: mend.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    async fn sh(script: &str) -> Result<String, NoPassword> {
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        run(&command).await.map(|secret| secret.get().expose_secret().to_owned())
    }

    #[tokio::test]
    async fn the_first_line_is_the_password_and_nothing_else_is_told() {
        assert_eq!(sh("echo ' hunter2'; echo more; echo hunter2 >&2").await.as_deref(), Ok(" hunter2"));
        for (script, said) in [
            ("echo hunter2; exit 3", "exit status: 3"),
            ("exec yes hunter2", "more than a password"),
            ("printf '\\n'", "prints nothing"),
            ("printf 'hunter2\\377'", "does not print text"),
        ] {
            let error = sh(script).await.unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hunter2"), "{script}: {error}");
        }
        let error = run(&["/nonexistent".to_owned()]).await.unwrap_err().to_string();
        assert!(error.contains("cannot start"), "{error}");
    }

    /// Time stands still while the children run, so it is the time-out that ends them.
    #[tokio::test]
    async fn whoever_hangs_ends_with_all_that_it_started() {
        let sign = std::env::temp_dir().join(format!("dbsonde-command-{}", std::process::id()));
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", sign.display());
        let command = ["/bin/sh", "-c", &script].map(str::to_owned);
        let hanging = tokio::spawn(async move { run(&command).await.map(drop) });
        while !sign.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let grandchild = std::fs::read_to_string(&sign).unwrap().trim().to_owned();
        std::fs::remove_file(&sign).unwrap();
        tokio::time::pause();
        tokio::time::advance(PATIENCE).await;
        tokio::time::resume();
        let error = hanging.await.unwrap().unwrap_err().to_string();
        assert!(error.contains("longer than"), "{error}");
        // Whoever inherits the killed may take a moment to bury it.
        let state = || std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
        while !(state().is_empty() || state().contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
