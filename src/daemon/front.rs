//! The front door of the running program: read again when one of its files changes, and judged like a server is. Its
//! files may lie on a disk that hangs, so they are read beside the loop of the program.

use super::DaemonError;
use crate::config::{ConfigError, DOOR_OPEN, Door, Web};
use crate::disk::{self, Hangs};
use crate::model::finding::evidence;
use crate::model::{Confidence, Finding, Name, Severity};
use crate::web::Gate;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

/// By which the disk knows what we read.
const FILES: &str = "the web configuration";

/// The door that its files make now, if that is another, and what is wrong with them.
pub type Look = Result<Option<(Door, Option<ConfigError>)>, Hangs>;

pub struct Front {
    web: Web,
    door: Door,
    gate: watch::Sender<Arc<Gate>>,
    /// Where others than this machine may reach us.
    exposed: Vec<SocketAddr>,
    looking: Option<AbortOnDropHandle<Look>>,
    /// The last look has found a disk that does not answer.
    hangs: bool,
}

impl Front {
    pub async fn open(web: &Web) -> Result<Front, DaemonError> {
        let door = load(web).await?;
        let gate = watch::Sender::new(Arc::new(gate(&door)?));
        remark(&door);
        Ok(Front { web: web.clone(), door, gate, exposed: Vec::new(), looking: None, hangs: false })
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

    /// With other settings. A bad door never replaces a good one.
    pub async fn reload(&mut self, web: &Web) -> Result<(), DaemonError> {
        let door = load(web).await?;
        self.replace(door)?;
        // What is being looked at are the files of before.
        (self.web, self.looking) = (web.clone(), None);
        Ok(())
    }

    fn replace(&mut self, door: Door) -> Result<(), DaemonError> {
        self.gate.send_replace(Arc::new(gate(&door)?));
        remark(&door);
        self.door = door;
        Ok(())
    }

    /// Begins to look whether a file has changed, as a renewed certificate does, unless it looks already.
    pub fn look(&mut self) {
        if self.looking.is_none() && self.web.config_file.is_some() {
            let (door, web) = (self.door.clone(), self.web.clone());
            let look = disk::read(FILES, move || door.newer(&web));
            self.looking = Some(AbortOnDropHandle::new(tokio::spawn(look)));
        }
    }

    /// What it has seen; nothing while nobody looks. May be dropped at any time, and goes on where it was.
    pub async fn looked(&mut self) -> Look {
        let Some(looking) = &mut self.looking else { return pending().await };
        let look = looking.await.unwrap_or(Ok(None));
        self.looking = None;
        look
    }

    pub fn take(&mut self, look: Look) {
        let hung = std::mem::replace(&mut self.hangs, look.is_err());
        match look {
            Err(Hangs) if !hung => {
                tracing::warn!("the web configuration stays as it is: the disk does not answer")
            }
            Err(Hangs) | Ok(None) => {}
            Ok(Some((door, Some(error)))) => {
                tracing::error!(%error, "the web configuration is not read again, the last good one stays");
                self.door = door;
            }
            Ok(Some((door, None))) => match self.replace(door) {
                Ok(()) => tracing::info!("certificates and users are read again"),
                Err(error) => tracing::error!(%error, "the web configuration is not taken"),
            },
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

async fn load(web: &Web) -> Result<Door, ConfigError> {
    let Some(file) = web.config_file.clone() else { return Door::load(web) };
    let own = web.clone();
    let hangs = |Hangs| {
        ConfigError::plain(file.display().to_string(), &format!("cannot read the web configuration: {Hangs}"))
    };
    disk::read(FILES, move || Door::load(&own)).await.map_err(hangs)?
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
