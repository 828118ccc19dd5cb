//! An authority of our own and what it signs, made with openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Dir;

/// `ca.crt`, `other-ca.crt`, and pairs of `.crt` and `.key` for servers and clients.
#[derive(Debug)]
pub struct Certificates(Dir);

impl Certificates {
    /// The server is `localhost`, the client is `certain`; `own` is signed by itself and has but a common name.
    pub fn new() -> Certificates {
        let made = Certificates(Dir::new());
        for name in ["ca", "other-ca"] {
            made.sign_itself(name, name);
        }
        made.sign("server", "server", "subjectAltName=DNS:localhost");
        made.sign("client", "certain", "extendedKeyUsage=clientAuth");
        made.sign_itself("own", "localhost");
        made
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }

    fn sign_itself(&self, file: &str, name: &str) {
        let (key, crt) = (self.path(&format!("{file}.key")), self.path(&format!("{file}.crt")));
        let subject = format!("/CN={name}");
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
        ])
        .args(["-subj", &subject, "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(crt)
        .ends_well();
    }

    fn sign(&self, file: &str, name: &str, extension: &str) {
        let of = |ending: &str| self.path(&format!("{file}.{ending}"));
        let subject = format!("/CN={name}");
        openssl(&["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-subj", &subject, "-keyout"])
            .arg(of("key"))
            .arg("-out")
            .arg(of("csr"))
            .ends_well();
        fs::write(of("ext"), extension).expect("an extension file");
        openssl(&["x509", "-req", "-days", "20", "-CAcreateserial", "-in"])
            .arg(of("csr"))
            .arg("-extfile")
            .arg(of("ext"))
            .arg("-CA")
            .arg(self.path("ca.crt"))
            .arg("-CAkey")
            .arg(self.path("ca.key"))
            .arg("-out")
            .arg(of("crt"))
            .ends_well();
    }

    /// Puts a certificate and its key where a server of ours finds them.
    pub fn install(&self, file: &str, data: &Path) {
        for (ending, name) in [("crt", "server.crt"), ("key", "server.key")] {
            fs::copy(self.path(&format!("{file}.{ending}")), data.join(name)).expect("a copied certificate");
        }
        closed(&data.join("server.key"));
        super::process::give(data);
    }
}

/// For its owner alone.
pub fn closed(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}

fn openssl(args: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.args(args);
    command
}

trait EndsWell {
    fn ends_well(&mut self);
}

impl EndsWell for Command {
    fn ends_well(&mut self) {
        let done = self.stdin(Stdio::null()).output().expect("openssl is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
