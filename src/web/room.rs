//! The room for connections. When it is full, whoever waits for nothing goes: first those that never got a request
//! across, then the one that has been here longest. So strangers that only sit there keep nobody out. Who goes is first
//! told what he had asked by then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Scrapers and some people; with its buffers a connection may take 64 KiB.
pub const MAX_CONNECTIONS: usize = 256;
/// Those that are still told something after their seat is somebody else's.
const MAX_FAREWELLS: usize = 32;

#[derive(Debug)]
pub struct Room {
    seats: Mutex<BTreeMap<u64, Arc<Seat>>>,
    next: AtomicU64,
    farewells: Semaphore,
}

impl Default for Room {
    fn default() -> Self {
        Self { seats: Mutex::default(), next: AtomicU64::new(0), farewells: Semaphore::new(MAX_FAREWELLS) }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Seat {
    pub on_loopback: bool,
    /// An answer is being worked out.
    busy: AtomicBool,
    /// It has been answered before.
    proven: AtomicBool,
    /// Its place is wanted by somebody else.
    pub leave: CancellationToken,
}

impl Seat {
    /// Got a request across: what it is told is worth the end of its sentence.
    pub fn was_heard(&self) -> bool {
        self.busy.load(Ordering::Relaxed) || self.proven.load(Ordering::Relaxed)
    }
}

/// Gives the seat back.
#[derive(Debug)]
pub struct Taken {
    room: Arc<Room>,
    number: u64,
    pub seat: Arc<Seat>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.lock().remove(&self.number);
    }
}

impl Room {
    /// `None` when everybody here is being answered.
    pub fn enter(self: &Arc<Self>, on_loopback: bool) -> Option<Taken> {
        let mut seats = self.lock();
        if seats.len() >= MAX_CONNECTIONS {
            let idle = seats.iter().filter(|(_, seat)| !seat.busy.load(Ordering::Relaxed));
            let (goes, _) =
                idle.min_by_key(|(number, seat)| (seat.proven.load(Ordering::Relaxed), **number))?;
            let goes = *goes;
            seats.remove(&goes)?.leave.cancel();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat {
            on_loopback,
            busy: AtomicBool::new(false),
            proven: AtomicBool::new(false),
            leave: CancellationToken::new(),
        });
        seats.insert(number, seat.clone());
        Some(Taken { room: self.clone(), number, seat })
    }

    /// Leave to say something to the end without a seat; `None` where too many do.
    pub fn farewell(&self) -> Option<SemaphorePermit<'_>> {
        self.farewells.try_acquire().ok()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, an answer is being worked out.
#[derive(Debug)]
pub struct Busy(Option<Arc<Seat>>);

impl Busy {
    pub fn at(seat: Option<Arc<Seat>>) -> Busy {
        if let Some(seat) = &seat {
            seat.busy.store(true, Ordering::Relaxed);
        }
        Busy(seat)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(seat) = &self.0 {
            seat.busy.store(false, Ordering::Relaxed);
            seat.proven.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_sits_there_makes_room() {
        let room = Arc::new(Room::default());
        let taken: Vec<Taken> = (0..MAX_CONNECTIONS).map(|_| room.enter(true).unwrap()).collect();
        let busy: Vec<Busy> = taken[..2].iter().map(|taken| Busy::at(Some(taken.seat.clone()))).collect();
        drop(Busy::at(Some(taken[2].seat.clone())));
        let newcomer = room.enter(true).unwrap();
        assert!(taken[3].seat.leave.is_cancelled(), "the first that was neither busy nor ever answered");
        let everybody: Vec<Busy> =
            taken.iter().chain([&newcomer]).map(|taken| Busy::at(Some(taken.seat.clone()))).collect();
        assert!(room.enter(true).is_none(), "all are being answered");
        drop((everybody, busy));
        assert!(room.enter(true).is_some());
        drop(taken);
        drop(newcomer);
        assert!(room.lock().is_empty());
    }
}
