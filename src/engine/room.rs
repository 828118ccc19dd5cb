//! What is held of all databases of a server: who may create tables must not fill our memory with them.

use crate::model::{Place, Scope};
use std::collections::HashMap;

/// A reading once more takes a third of what is held of its place: names are there, and what it changed comes later.
const AGAIN: usize = 3;

#[derive(Debug, Default)]
pub struct Room {
    held: HashMap<Place, usize>,
}

impl Room {
    /// Bytes of rows that a reading of this place may bring, where all together may have `most`: there has to be room for
    /// the same reading once more, or for that of the largest other place, while the last is still held.
    pub fn left(&self, place: &Place, most: usize) -> usize {
        let others = self.held.iter().filter(|(other, _)| *other != place).map(|(_, bytes)| *bytes);
        let (all, largest) = others.fold((0, 0), |(all, largest), bytes| (all + bytes, largest.max(bytes)));
        let left = most.saturating_sub(all);
        left.saturating_sub(largest / AGAIN).min(left - left.div_ceil(AGAIN + 1))
    }

    /// Takes note of what is held of a place from now on.
    pub fn hold(&mut self, place: Place, bytes: usize) {
        self.held.insert(place, bytes);
    }

    pub fn let_go(&mut self, place: &Place) {
        self.held.remove(place);
    }

    pub fn retain(&mut self, is_there: impl Fn(&Scope) -> bool) {
        self.held.retain(|(_, scope), _| is_there(scope));
    }
}

#[test]
fn a_reading_finds_room_beside_all_that_is_held_and_so_does_the_next() {
    use crate::model::Topic;
    let place = |name: &str| (Topic::Tables, Scope::Database(name.into()));
    let (mut room, shop, other) = (Room::default(), place("shop"), place("other"));
    assert_eq!(room.left(&shop, 400), 300, "a hundred are for the same once more");
    room.hold(shop.clone(), 240);
    assert_eq!(room.left(&shop, 400), 300, "who is read again has his own place");
    assert_eq!(room.left(&other, 400), 80, "of 160 the other needs half when he is read again");
    room.hold(other.clone(), 60);
    assert_eq!(room.left(&shop, 400), 255);
    assert_eq!(room.left(&other, 300), 0, "who wants less held now");
    assert!(Room::default().left(&other, usize::MAX) > usize::MAX / 2, "as much as you like");
    room.retain(|scope| *scope != shop.1);
    assert_eq!(room.left(&shop, 400), 255);
    room.let_go(&other);
    assert_eq!(room.left(&shop, 400), 300);
}
