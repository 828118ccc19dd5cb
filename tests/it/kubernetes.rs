//! The manifests and the chart, judged by kubectl, helm and the schemas of Kubernetes; and files that change as a
//! cluster changes them.

use crate::docs::is_current;
use crate::rig::daemon::Daemon;
use crate::rig::{Dir, root};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// A tool of the rig or of the machine; `None` where it cannot be had, which `install.sh` has told.
fn tool(program: &str) -> Option<Command> {
    let ours = root().join("bin").join(program);
    let found = if ours.exists() { ours } else { program.into() };
    let answers = Command::new(&found).arg("--help").output().is_ok_and(|run| run.status.success());
    if !answers {
        eprintln!("skip: no {program} here");
    }
    answers.then(|| Command::new(found))
}

fn done(mut command: Command) -> Output {
    let run = command.output().unwrap();
    let (said, more) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{command:?}\n{said}\n{more}");
    run
}

/// Every object against the schema of its kind, the operator's kinds too; unknown keys are refused.
fn judged(manifests: &[u8]) -> Option<Output> {
    let mut kubeconform = tool("kubeconform")?;
    let dir = Dir::new();
    fs::write(dir.join("all.yaml"), manifests).unwrap();
    let schemas = root().join("kubernetes/schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json");
    kubeconform.args(["-strict", "-summary", "-schema-location"]).arg(schemas).arg(dir.join("all.yaml"));
    Some(kubeconform.output().unwrap())
}

fn valid(manifests: &[u8]) {
    let Some(run) = judged(manifests) else { return };
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && said.contains("Invalid: 0, Errors: 0, Skipped: 0"), "{said}");
    assert!(!said.contains("Valid: 0"), "{said}");
}

#[test]
fn the_manifests_build_and_are_valid() {
    for overlay in ["base", "sidecar", "operator"] {
        let Some(mut kubectl) = tool("kubectl") else { return };
        kubectl.arg("kustomize").arg(deploy("kubernetes").join(overlay));
        let built = done(kubectl).stdout;
        let text = String::from_utf8_lossy(&built).into_owned();
        for wanted in
            ["readOnlyRootFilesystem: true", "allowPrivilegeEscalation: false", "- ALL", "runAsUser: 65534"]
        {
            assert!(text.contains(wanted), "{overlay} lacks {wanted}");
        }
        valid(&built);
        let wrong = text.replacen("kind: Deployment", "kind: Deployment\nfoo: bar", 1);
        if let Some(run) = judged(wrong.as_bytes()).filter(|_| wrong != text) {
            assert!(!run.status.success(), "an unknown key is taken");
        }
    }
}

#[test]
fn the_chart_renders_with_every_test_values_file() {
    let chart = deploy("helm/dbsonde");
    // The chart carries its own copy, because a chart is packed without what is around it.
    let rules = fs::read_to_string(deploy("prometheus/dbsonde.rules.yml")).unwrap();
    is_current("deploy/helm/dbsonde/files/dbsonde.rules.yml", &rules);
    let Some(mut lint) = tool("helm") else { return };
    lint.args(["lint", "--strict"]).arg(&chart);
    done(lint);
    let mut all = vec![None];
    all.extend(fs::read_dir(chart.join("ci")).unwrap().map(|entry| Some(entry.unwrap().path())));
    assert!(all.len() > 2);
    for values in all {
        let mut helm = tool("helm").unwrap();
        helm.args(["template", "release"]).arg(&chart);
        if let Some(values) = values {
            helm.arg("--values").arg(values);
        }
        valid(&done(helm).stdout);
    }
    for wrong in ["servicemonitor.enabled=true", "service.port=0", "image.pullPolicy=Sometimes"] {
        let refused =
            tool("helm").unwrap().args(["template", "r", "--set", wrong]).arg(&chart).output().unwrap();
        assert!(!refused.status.success(), "{wrong} is taken");
    }
}

/// A mounted ConfigMap is a link to a directory that a second link leads to; a change switches the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_mount_that_is_switched_is_read_again() {
    let dir = Dir::new();
    let put = |version: &str, name: &str| {
        let data = dir.join(version);
        fs::create_dir(&data).unwrap();
        let target =
            format!("[[target]]\nname = \"{name}\"\nurl = \"postgres://sonde@127.0.0.1:1/postgres\"\n");
        fs::write(data.join("dbsonde.toml"), target).unwrap();
        let _ = fs::remove_file(dir.join("..new"));
        symlink(version, dir.join("..new")).unwrap();
        fs::rename(dir.join("..new"), dir.join("..data")).unwrap();
    };
    put("..1", "before");
    symlink("..data/dbsonde.toml", dir.join("dbsonde.toml")).unwrap();
    let daemon = Daemon::start_on(&dir.join("dbsonde.toml"), &[], &[]).await;
    let limit = Duration::from_secs(30);
    daemon.wait_for("/api/v1/targets", |answer| answer.text().contains("\"before\""), limit).await;
    put("..2", "after");
    daemon.wait_for("/api/v1/targets", |answer| answer.text().contains("\"after\""), limit).await;
}
