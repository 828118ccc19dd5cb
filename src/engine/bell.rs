//! The bell of a door. Whoever could not get in hears it when somebody gets in, and need not wait for his next try: after
//! a long freeze that would be a minute more.

use std::future::pending;
use tokio::sync::watch;

#[derive(Debug, Clone, Default)]
pub struct Bell(watch::Sender<()>);

impl Bell {
    pub fn ring(&self) {
        self.0.send_replace(());
    }

    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

#[derive(Debug)]
pub struct Listener(watch::Receiver<()>);

impl Listener {
    /// What has rung until now was for others.
    pub fn forget(&mut self) {
        self.0.mark_unchanged();
    }

    /// Ends when it has rung since, and never where there is no bell.
    pub async fn rings(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}
