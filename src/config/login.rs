//! Who we are to a server of the operator's that we ask or tell something over HTTP, and whom we take it for.

use super::password::{self, NoPassword, Secret};
use crate::http::Tls;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::Arc;

/// Of its files each is read anew when it is needed, so that all can be rotated.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    pub token_file: Option<&'a Path>,
    pub user: Option<&'a str>,
    pub password_file: Option<&'a Path>,
    pub ca_file: Option<&'a Path>,
    pub cert_file: Option<&'a Path>,
    pub key_file: Option<&'a Path>,
}

impl Login<'_> {
    /// The value of the header `Authorization`.
    pub async fn authorization(&self) -> Result<Option<String>, NoPassword> {
        let show = |secret: &Secret| secret.get().expose_secret().to_owned();
        if let Some(file) = self.token_file {
            return Ok(Some(format!("Bearer {}", show(&password::secret(file).await?))));
        }
        let Some((user, file)) = self.user.zip(self.password_file) else { return Ok(None) };
        let password = password::secret(file).await?;
        let both = BASE64_STANDARD.encode(format!("{user}:{}", show(&password)));
        Ok(Some(format!("Basic {both}")))
    }

    /// TLS as its files say now, of which `known` knows what they said before.
    pub async fn tls(&self, known: &Tls) -> Result<Arc<ClientConfig>, String> {
        known.prepared(self.ca_file, self.cert_file.zip(self.key_file)).await
    }

    /// Is anything of it said?
    pub(super) fn first_key(&self) -> Option<&'static str> {
        let files = [
            ("token_file", self.token_file),
            ("password_file", self.password_file),
            ("ca_file", self.ca_file),
            ("cert_file", self.cert_file),
            ("key_file", self.key_file),
        ];
        let file = files.into_iter().find(|(_, file)| file.is_some());
        self.user.map(|_| "user").or(file.map(|(key, _)| key))
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.token_file.is_some() && self.user.is_some() {
            return Err(("token_file", "a token and a user are two logins\nleave one out".to_owned()));
        }
        if self.user.is_some() != self.password_file.is_some() {
            return Err(("user", "user and password_file belong together\nname both or neither".to_owned()));
        }
        if self.cert_file.is_some() != self.key_file.is_some() {
            let said = "cert_file and key_file belong together\nname both or neither";
            return Err(("cert_file", said.to_owned()));
        }
        let secrets = [
            ("token_file", self.token_file),
            ("password_file", self.password_file),
            ("key_file", self.key_file),
        ];
        for (key, path) in secrets {
            let closed = path.map_or(Ok(()), password::check_file);
            closed.map_err(|why| (key, format!("{}\n{}", why.what, why.mend)))?;
        }
        for (key, path) in [("ca_file", self.ca_file), ("cert_file", self.cert_file)] {
            if let Some(path) = path.filter(|path| !path.is_file()) {
                let said = format!("there is no file {}\ncorrect the path, or leave it out", path.display());
                return Err((key, said));
            }
        }
        Ok(())
    }
}
