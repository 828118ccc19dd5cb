//! A TCP proxy inside the test process: the network between dbsonde and a server, made bad at will.

use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What happens to bytes. A change takes hold at once, for open connections too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Pass,
    /// Every piece read, in either direction, waits this long before it passes.
    Delay(Duration),
    /// So many bytes a second pass, in small pieces.
    Thin(usize),
    /// They are read and kept, and connections are accepted: nothing passes until the mode changes, then all of it does.
    Stall,
    /// Open connections are reset, new ones are accepted and reset.
    Cut,
    /// New connections are reset when so many bytes of the server have passed: in the middle of what it says first.
    Breaks(u64),
    /// What either side sends, its FIN included, is read and lost. Both sockets stay open, and a connection that was
    /// open or opened in this mode stays dead for good: the peer behind a dropped route.
    HalfOpen,
}

#[derive(Debug)]
pub struct Proxy {
    /// Where to connect instead of the target's port, on 127.0.0.1.
    pub port: u16,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    accept: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: AtomicU16,
    opened: AtomicUsize,
    now: AtomicUsize,
}

impl Proxy {
    /// Passes on to a port of 127.0.0.1 until told otherwise.
    pub async fn start(target_port: u16) -> Proxy {
        Proxy::start_at(Ipv4Addr::LOCALHOST, 0, target_port).await
    }

    /// At another address of this machine.
    pub async fn start_at(address: Ipv4Addr, port: u16, target_port: u16) -> Proxy {
        let listener = TcpListener::bind((address, port)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        let shared = Arc::new(Shared {
            target: AtomicU16::new(target_port),
            opened: AtomicUsize::new(0),
            now: AtomicUsize::new(0),
        });
        let (mode, _) = watch::channel(Mode::Pass);
        let accept = tokio::spawn(accept(listener, mode.clone(), shared.clone()));
        Proxy { port, mode, shared, accept }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// New connections go to another port: the address stays, the server behind it is another (a failover).
    pub fn retarget(&self, target_port: u16) {
        self.shared.target.store(target_port, Ordering::SeqCst);
    }

    /// The same with every open connection cut first.
    pub async fn move_to(&self, target_port: u16) {
        self.set(Mode::Cut);
        while self.now() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.retarget(target_port);
        self.set(Mode::Pass);
    }

    /// Connections accepted since the start.
    pub fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Connections that the client has open now.
    pub fn now(&self) -> usize {
        self.shared.now.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The task owns all connections, so they go with it.
        self.accept.abort();
    }
}

async fn accept(listener: TcpListener, mode: watch::Sender<Mode>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let open = Open::count(&shared);
        connections.spawn(connection(client, mode.subscribe(), shared.clone(), open));
        while connections.try_join_next().is_some() {}
    }
}

/// One client that has its socket open.
struct Open(Arc<Shared>);

impl Open {
    fn count(shared: &Arc<Shared>) -> Open {
        shared.opened.fetch_add(1, Ordering::SeqCst);
        shared.now.fetch_add(1, Ordering::SeqCst);
        Open(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn connection(client: TcpStream, mut mode: watch::Receiver<Mode>, shared: Arc<Shared>, open: Open) {
    let _ = client.set_nodelay(true);
    let now = settled(&mut mode).await;
    if now == Mode::Cut {
        let _ = client.set_zero_linger();
        return;
    }
    if now == Mode::HalfOpen {
        let (from_client, _keep) = client.into_split();
        return dead(from_client, None, open).await;
    }
    let target = shared.target.load(Ordering::SeqCst);
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        // Refused there is refused here, as near as an accepted connection can come to it.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (mut up, mut down) = (mode.clone(), mode.clone());
    if let Mode::Breaks(bytes) = now {
        let mut first = from_server.take(bytes);
        tokio::select! {
            _ = tokio::io::copy(&mut first, &mut to_client) => {}
            _ = pump(&mut from_client, &mut to_server, &mut up) => {}
        }
        for half in [to_client, to_server] {
            let _ = half.as_ref().set_zero_linger();
            half.forget();
        }
        return;
    }
    let end = tokio::select! {
        end = until(&mut mode, |m| matches!(m, Mode::Cut | Mode::HalfOpen)) => Some(end),
        _ = both(
            pump(&mut from_client, &mut to_server, &mut up),
            pump(&mut from_server, &mut to_client, &mut down),
        ) => None,
    };
    match end {
        Some(Mode::HalfOpen) => {
            // The write halves stay in this frame, so that neither side hears a FIN.
            dead(from_client, Some(from_server), open).await;
        }
        Some(_) => {
            // A write half that is simply dropped says goodbye with a FIN first.
            for half in [to_client, to_server] {
                let _ = half.as_ref().set_zero_linger();
                half.forget();
            }
        }
        None => {}
    }
}

/// Both directions to their end (one side may be done sending long before the other), or to the first error.
async fn both(up: impl Future<Output = Result<()>>, down: impl Future<Output = Result<()>>) {
    let _ = tokio::try_join!(up, down);
}

async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mode: &mut watch::Receiver<Mode>,
) -> Result<()> {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let room = if let Mode::Thin(rate) = *mode.borrow() { rate / 10 } else { piece.len() };
        let room = room.clamp(1, piece.len());
        let n = from.read(piece.get_mut(..room).unwrap_or_default()).await?;
        match settled(mode).await {
            // `connection` is about to hear of it as well; whoever is first, this piece is lost.
            Mode::Cut | Mode::HalfOpen => std::future::pending().await,
            Mode::Delay(pause) => tokio::time::sleep(pause).await,
            Mode::Thin(rate) => tokio::time::sleep(Duration::from_secs_f64(n as f64 / rate as f64)).await,
            Mode::Pass | Mode::Stall | Mode::Breaks(_) => {}
        }
        if n == 0 {
            return to.shutdown().await;
        }
        to.write_all(piece.get(..n).ok_or_else(|| Error::from(ErrorKind::InvalidData))?).await?;
    }
}

/// The mode, as soon as it is another than `Stall`.
async fn settled(mode: &mut watch::Receiver<Mode>) -> Mode {
    until(mode, |m| *m != Mode::Stall).await
}

async fn until(mode: &mut watch::Receiver<Mode>, wanted: impl FnMut(&Mode) -> bool) -> Mode {
    let found = mode.wait_for(wanted).await.map(|m| *m);
    match found {
        Ok(mode) => mode,
        // The proxy is gone, and so is this task in a moment.
        Err(_) => std::future::pending().await,
    }
}

/// Swallows what both sides still send and never lets go of the sockets; only the count learns that a client is gone.
async fn dead(from_client: OwnedReadHalf, from_server: Option<OwnedReadHalf>, open: Open) {
    let client = async {
        swallow(from_client).await;
        drop(open);
        std::future::pending::<()>().await;
    };
    let server = async {
        match from_server {
            Some(from_server) => swallow(from_server).await,
            None => std::future::pending().await,
        }
        std::future::pending::<()>().await;
    };
    tokio::join!(client, server);
}

async fn swallow(mut from: OwnedReadHalf) {
    let mut piece = vec![0; 64 * 1024];
    while matches!(from.read(&mut piece).await, Ok(n) if n > 0) {}
}

#[tokio::test]
async fn every_mode_does_what_it_says() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap().port()).await;
    // An echo.
    tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = peer.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    async fn echo(client: &mut TcpStream, limit: u64) -> Option<Result<u8>> {
        client.write_u8(7).await.ok()?;
        tokio::time::timeout(Duration::from_millis(limit), client.read_u8()).await.ok()
    }
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    assert!(matches!(echo(&mut client, 2000).await, Some(Ok(7))));
    proxy.set(Mode::Delay(Duration::from_millis(150)));
    assert!(echo(&mut client, 100).await.is_none(), "too early");
    assert_eq!(client.read_u8().await.unwrap(), 7);
    proxy.set(Mode::Stall);
    assert!(echo(&mut client, 100).await.is_none(), "something passed");
    proxy.set(Mode::Pass);
    assert_eq!(client.read_u8().await.unwrap(), 7, "what was held back comes");
    let mut second = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    assert!(matches!(echo(&mut second, 2000).await, Some(Ok(7))));
    assert_eq!((proxy.opened(), proxy.now()), (2, 2));
    proxy.set(Mode::HalfOpen);
    assert!(echo(&mut client, 100).await.is_none(), "a dead peer answered");
    proxy.set(Mode::Pass);
    assert!(echo(&mut client, 100).await.is_none(), "a dead connection came back");
    drop(second);
    tokio::time::timeout(Duration::from_secs(2), async {
        while proxy.now() != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the client that left is not counted");
    let mut third = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
    assert!(matches!(echo(&mut third, 2000).await, Some(Ok(7))));
    proxy.set(Mode::Cut);
    let error = third.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
