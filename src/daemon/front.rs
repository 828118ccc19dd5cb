//! The front door of the running program: read again when one of its files changes, and judged like a server is.

use super::DaemonError;
use crate::config::{DOOR_OPEN, Door, Web};
use crate::model::finding::evidence;
use crate::model::{Confidence, Finding, Name, Severity};
use crate::web::Gate;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

pub struct Front {
    web: Web,
    door: Door,
    gate: watch::Sender<Arc<Gate>>,
    /// Where others than this machine may reach us.
    exposed: Vec<SocketAddr>,
}

impl Front {
    pub fn open(web: &Web) -> Result<Front, DaemonError> {
        let door = Door::load(web)?;
        let gate = watch::Sender::new(Arc::new(gate(&door)?));
        remark(&door);
        Ok(Front { web: web.clone(), door, gate, exposed: Vec::new() })
    }

    pub fn gate(&self) -> watch::Receiver<Arc<Gate>> {
        self.gate.subscribe()
    }

    pub fn listens_on(&mut self, addresses: Vec<SocketAddr>) {
        self.exposed = addresses;
        self.exposed.retain(|address| !address.ip().to_canonical().is_loopback());
        if self.door.is_open() {
            for address in &self.exposed {
                tracing::warn!(%address, "anybody who reaches this address can read what dbsonde shows: TLS and users want --web.config.file");
            }
        }
    }

    /// With other settings, or when files have changed. A bad door never replaces a good one.
    pub fn reload(&mut self, web: &Web) -> Result<(), DaemonError> {
        let door = Door::load(web)?;
        self.gate.send_replace(Arc::new(gate(&door)?));
        remark(&door);
        (self.web, self.door) = (web.clone(), door);
        Ok(())
    }

    /// Looks whether a file has changed, as a renewed certificate does.
    pub fn look(&mut self) {
        if !self.door.has_changed() {
            return;
        }
        let web = self.web.clone();
        match self.reload(&web) {
            Ok(()) => tracing::info!("certificates and users are read again"),
            Err(error) => {
                tracing::error!(%error, "the web configuration is not read again, the last good one stays");
                self.door.overlook();
            }
        }
    }

    pub fn is_open_to_others(&self) -> bool {
        self.door.is_open() && !self.exposed.is_empty()
    }

    /// What there is to say about it now.
    pub fn finding(&self) -> Option<Finding> {
        self.is_open_to_others().then(|| self.open_to_others())
    }

    fn open_to_others(&self) -> Finding {
        let addresses: Vec<String> = self.exposed.iter().map(SocketAddr::to_string).collect();
        let lacks = match (self.door.tls.is_none(), self.door.users.is_empty()) {
            (true, true) => "neither TLS nor users",
            (true, false) => "users but no TLS, so their passwords can be overheard",
            _ => "TLS but no users",
        };
        let listed = addresses.join(", ");
        Finding {
            rule: Name::new(DOOR_OPEN),
            severity: Severity::Warning,
            database: None,
            subject: listed.clone(),
            because: format!("dbsonde serves on {listed} with {lacks}."),
            evidence: evidence([("addresses", addresses.into())]),
            advice: "Name a web-config.yml with TLS and users by `config_file` under [web], or listen on loopback."
                .to_owned(),
            fix: None,
            confidence: Confidence::Measured,
        }
    }
}

fn gate(door: &Door) -> Result<Gate, DaemonError> {
    Gate::of(door.clone())
        .map_err(|_| DaemonError::Io(std::io::Error::other("the system has no randomness to give")))
}

fn remark(door: &Door) {
    for remark in &door.remarks {
        tracing::warn!("{remark}");
    }
}
