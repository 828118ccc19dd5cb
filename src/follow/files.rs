//! Which of the files there are is which of those that we know: rotation in all its ways.
//!
//! A file that is known by its inode is verified by its content whenever it has changed: an inode is given to the next
//! file too, and a log may be cut to nothing and begun anew. What is no longer where it was is looked for in its
//! directory, by inode, then by content, also compressed. Only then does what came after it begin.

use super::file::{Refused, open};
use super::identity::{Content, Inode, Seen};
use super::list::{MAX_ENTRIES, Wanted, list};
use super::tracked::{LINGER, Mark, Reached, Tracked, unpacked_beginning};
use crate::digest::{Bookmark, Sum};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Read in one look; then others have their turn.
const MAX_LOOK: u64 = 4 << 20;
/// Files remembered, those that are finished among them.
const MAX_TRACKED: usize = 256;
/// What is not there is looked for again after this, and given up after that: compressing takes a while.
const SEARCH_AGAIN: f64 = 1.0;
const GIVE_UP: f64 = 15.0;
/// Where nothing is known to be unread in it, what came after it waits no longer than this.
const MISSED: f64 = 2.0;
/// In a directory, so many files are opened to see whether they are the one.
const MAX_OPENED: usize = 100;
/// Clocks of files are coarse.
const SLACK: f64 = 2.0;
/// As much as is kept of a beginning.
const PACKED_HEAD: u64 = 1_024;
/// A shorter beginning may be that of any log.
const TELLING: u64 = 32;

/// What has become of files.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fates {
    pub begun: u64,
    pub lost: u64,
    pub lost_bytes: u64,
}

impl std::ops::AddAssign for Fates {
    fn add_assign(&mut self, more: Self) {
        self.begun += more.begun;
        self.lost += more.lost;
        self.lost_bytes += more.lost_bytes;
    }
}

#[derive(Debug, Default)]
pub struct Files {
    tracked: Vec<Tracked>,
    /// Copies of what we know, as they were when that was found out.
    copies: BTreeMap<Inode, Seen>,
    /// Nothing is known of what stood here before us: we begin where it ends.
    begins: bool,
    /// When we looked last, by the wall clock, and how the directories stood then.
    looked: f64,
    homes: BTreeMap<PathBuf, (i64, i64)>,
    pub gaps: BTreeSet<String>,
    pub fates: Fates,
}

impl Files {
    /// From what survived a former life that looked last at `looked`; `begins` if nothing did, or other files were
    /// followed.
    pub fn new(marks: Vec<Mark>, looked: f64, begins: bool) -> Self {
        Self { tracked: marks.into_iter().map(Tracked::new).collect(), looked, begins, ..Self::default() }
    }

    pub fn looked(&self) -> f64 {
        self.looked
    }

    pub fn marks(&self) -> Vec<Mark> {
        self.tracked.iter().map(|tracked| tracked.mark.clone()).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }

    /// Bytes written and not yet read.
    pub fn behind(&self) -> u64 {
        self.tracked.iter().map(Tracked::behind).sum()
    }

    /// The file that was written to last.
    pub fn newest(&self) -> Option<&Path> {
        let newest =
            self.tracked.iter().filter(|one| !one.mark.finished).max_by(|a, b| a.grown.total_cmp(&b.grown));
        newest.map(|one| one.mark.path.as_path())
    }

    /// Looks at what is there and reads what is new. `now` is monotonic, `wall` what files are stamped with. True if
    /// there is more to read at once.
    pub fn look(&mut self, wanted: &Wanted, sum: &mut Sum, now: f64, wall: f64) -> bool {
        self.gaps.clear();
        let (found, all) = list(wanted, &mut self.gaps);
        let strangers = self.pair(found, now);
        for (path, seen) in strangers {
            if let Err(why) = self.meet(&path, seen, now)
                && why != Refused::Gone
            {
                self.gaps.insert(format!("{}: {why}", path.display()));
            }
        }
        self.follow_unlisted(now);
        // Of a file that was empty nothing but its inode is known, which may be that of another by now. If it was
        // written to and put aside, it is caught up with.
        self.tracked.retain(|one| one.listed || one.held.is_some() || one.mark.content.head.length > 0);
        if all {
            if !self.begins {
                self.catch_up(wanted, now);
            }
            self.begins = false;
            self.looked = wall;
            self.search(now);
        }
        let more = self.read(wanted, sum, now);
        self.forget();
        more
    }

    /// Finds the files that we know by their inode. Gives those that we do not know.
    fn pair(&mut self, found: Vec<(PathBuf, Seen)>, now: f64) -> Vec<(PathBuf, Seen)> {
        self.tracked.iter_mut().for_each(|tracked| tracked.listed = false);
        let mut strangers = Vec::new();
        for (path, seen) in found {
            if !self.begins && self.was_empty(seen) {
                strangers.push((path, seen));
                continue;
            }
            match self.known_as(&path, seen, now) {
                Ok(true) => {}
                Ok(false) => strangers.push((path, seen)),
                Err(Refused::Gone) => {}
                Err(why) => drop(self.gaps.insert(format!("{}: {why}", path.display()))),
            }
        }
        strangers
    }

    /// Whether it is one that we know by its inode. Several may have had it, one after the other; those that are not
    /// there any more have it no longer.
    fn known_as(&mut self, path: &Path, seen: Seen, now: f64) -> Result<bool, Refused> {
        while let Some(tracked) = self.tracked.iter_mut().find(|one| one.mark.inode == Some(seen.inode)) {
            tracked.listed = true;
            tracked.missing_since = None;
            tracked.mark.path = path.to_owned();
            let size = tracked.mark.size;
            if !tracked.is_still(seen, now)? {
                tracked.lose_sight();
                continue;
            }
            // Written to after all.
            tracked.mark.finished &= tracked.mark.size == size;
            if !tracked.mark.finished
                && let Err(why @ Refused::Denied(_)) = tracked.hold()
            {
                return Err(why);
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// It was seen with nothing in it: whether it is a new log or a copy of one shows only now.
    fn was_empty(&mut self, seen: Seen) -> bool {
        let is_it = |one: &Tracked| one.mark.inode == Some(seen.inode) && one.mark.size == 0 && seen.size > 0;
        let Some(nth) = self.tracked.iter().position(is_it) else { return false };
        self.tracked.remove(nth);
        true
    }

    /// A file that we do not know by its inode.
    fn meet(&mut self, path: &Path, seen: Seen, now: f64) -> Result<(), Refused> {
        let is_sought = |one: &Tracked| !one.mark.finished && one.held.is_none() && !one.listed;
        if self.copies.get(&seen.inode) == Some(&seen) && !self.tracked.iter().any(is_sought) {
            return Ok(());
        }
        let (file, seen) = open(path)?;
        let sought = self.tracked.iter_mut().filter(|one| is_sought(one));
        for tracked in sought {
            if fits(&tracked.mark, &file, seen) {
                adopt(tracked, path, seen, now);
                tracked.listed = true;
                return Ok(());
            }
        }
        let is_copy = self.tracked.iter().any(|one| {
            let content = &one.mark.content;
            content.head.length >= TELLING && seen.size <= one.mark.size && content.begins(&file, seen.size)
        });
        if is_copy || unpacked_beginning(&file, 1).is_some() {
            if self.copies.len() >= MAX_TRACKED {
                self.copies.clear();
            }
            self.copies.insert(seen.inode, seen);
            return Ok(());
        }
        // The last byte may be the newline before the next entry.
        let bookmark = if self.begins {
            Bookmark { at: seen.size.saturating_sub(1), passing: seen.size > 0 }
        } else {
            Bookmark::default()
        };
        let mut tracked = begun(path, &file, seen, bookmark, now)?;
        tracked.listed = true;
        self.tracked.push(tracked);
        self.fates.begun += u64::from(seen.size > 0);
        Ok(())
    }

    /// Files that were written and put aside since we looked last, so that we have never seen them where we look.
    fn catch_up(&mut self, wanted: &Wanted, now: f64) {
        let homes: BTreeSet<&Path> = wanted.patterns.iter().filter_map(|pattern| pattern.parent()).collect();
        let mut missed = Vec::new();
        for home in homes {
            let Ok(about) = fs::metadata(home) else { continue };
            let stamp = (about.mtime(), about.mtime_nsec());
            if self.homes.insert(home.to_owned(), stamp) == Some(stamp) {
                continue;
            }
            let names: Vec<String> = self
                .tracked
                .iter()
                .filter(|one| one.listed)
                .filter_map(|one| name_in(home, &one.mark.path))
                .collect();
            for entry in fs::read_dir(home).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok) {
                let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
                let seen = Seen::of(&about);
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_since = seen.modified.0 as f64 >= self.looked - SLACK;
                // The inode of one that is not in sight may be that of another by now; its content tells.
                let in_sight = |one: &Tracked| !one.mark.finished && (one.listed || one.held.is_some());
                let is_it = |one: &Tracked| one.mark.inode == Some(seen.inode) && in_sight(one);
                let is_known = self.tracked.iter().any(is_it);
                if about.is_file()
                    && seen.size > 0
                    && is_since
                    && !is_known
                    && names.iter().any(|log| is_put_aside(log, &name))
                {
                    missed.push((seen.modified, entry.path()));
                }
            }
        }
        missed.sort();
        for (_, path) in missed {
            let Ok((file, seen)) = open(&path) else { continue };
            let packed = unpacked_beginning(&file, PACKED_HEAD);
            let is_told = |content: &Content| match &packed {
                Some(head) => content.is_of(head),
                None => content.begins(&file, seen.size),
            };
            if self
                .tracked
                .iter()
                .any(|one| one.mark.content.head.length >= TELLING && is_told(&one.mark.content))
            {
                continue;
            }
            if let Ok(mut tracked) = begun(&path, &file, seen, Bookmark::default(), now) {
                if let Some(head) = &packed {
                    tracked.mark.content = Content::beginning_with(head);
                }
                // It was written before what is written now.
                let next = self.tracked.iter().position(|one| one.listed && !one.has_begun());
                self.tracked.insert(next.unwrap_or(self.tracked.len()), tracked);
                self.fates.begun += 1;
            }
        }
    }

    /// Files that have left the place where we look while we hold them.
    fn follow_unlisted(&mut self, now: f64) {
        for tracked in self.tracked.iter_mut().filter(|one| !one.listed) {
            let Some(held) = &tracked.held else { continue };
            let Ok(about) = held.file.metadata() else { continue };
            if let Ok(false) = tracked.is_still(Seen::of(&about), now) {
                tracked.lose_sight();
            }
        }
    }

    /// Looks for files that are not where they were.
    fn search(&mut self, now: f64) {
        let mut known: BTreeSet<Inode> = self
            .tracked
            .iter()
            .filter(|one| one.listed || one.held.is_some())
            .filter_map(|one| one.mark.inode)
            .collect();
        let mut lost = Vec::new();
        for (nth, tracked) in self.tracked.iter_mut().enumerate() {
            if tracked.mark.finished || tracked.listed || tracked.held.is_some() {
                continue;
            }
            let since = *tracked.missing_since.get_or_insert(now);
            if tracked.searched.is_some_and(|last| now - last < SEARCH_AGAIN) && now - since < GIVE_UP {
                continue;
            }
            tracked.searched = Some(now);
            match find(&tracked.mark, &known) {
                Ok(Some((path, seen))) => {
                    known.insert(seen.inode);
                    adopt(tracked, &path, seen, now);
                }
                Ok(None) if now - since >= GIVE_UP => lost.push(nth),
                Ok(None) => {}
                Err(why) => {
                    self.gaps.insert(format!("{}: {why}", tracked.mark.path.display()));
                }
            }
        }
        for nth in lost.into_iter().rev() {
            let gone = self.tracked.remove(nth);
            let bytes = gone.mark.size.saturating_sub(gone.mark.bookmark.at);
            self.fates.lost += u64::from(bytes > 0);
            self.fates.lost_bytes += bytes;
        }
    }

    fn read(&mut self, wanted: &Wanted, sum: &mut Sum, now: f64) -> bool {
        let mut room = MAX_LOOK;
        // What comes later waits for what came before.
        let mut waits = false;
        let newest = self.tracked.iter().rposition(|one| one.listed && one.mark.size > 0);
        for (nth, tracked) in self.tracked.iter_mut().enumerate() {
            if tracked.mark.finished || (waits && !tracked.has_begun()) {
                continue;
            }
            let patience = if tracked.behind() > 0 { GIVE_UP } else { MISSED };
            let is_missed = tracked.missing_since.is_none_or(|since| now - since < patience);
            // Not yet known to be where it was: its inode may be that of another file.
            if tracked.held.is_none() && tracked.seen.is_none() {
                waits |= is_missed;
                continue;
            }
            match tracked.read(wanted, sum, &mut room, now) {
                Ok(Reached::Bound) => return true,
                Ok(Reached::Amid) => waits |= now - tracked.grown < GIVE_UP,
                Ok(Reached::End) => {
                    let is_followed = newest.is_some_and(|newest| newest > nth);
                    if !tracked.listed && is_followed && now - tracked.grown >= LINGER {
                        tracked.mark.finished = true;
                        tracked.held = None;
                    }
                }
                // The next look finds out where it is.
                Err(Refused::Gone) => waits |= is_missed,
                Err(why) => drop(self.gaps.insert(format!("{}: {why}", tracked.mark.path.display()))),
            }
        }
        false
    }

    fn forget(&mut self) {
        while self.tracked.len() > MAX_TRACKED {
            let Some(oldest) = self.tracked.iter().position(|one| one.mark.finished) else { return };
            self.tracked.remove(oldest);
        }
    }
}

/// A file of which nothing is known yet. It is held at once: it may have to wait for its turn and be gone by then.
fn begun(path: &Path, file: &fs::File, seen: Seen, bookmark: Bookmark, now: f64) -> Result<Tracked, Refused> {
    let mut tracked = Tracked::new(Mark {
        path: path.to_owned(),
        inode: Some(seen.inode),
        content: Content::of(file, seen.size, bookmark.at)?,
        bookmark,
        size: seen.size,
        format: None,
        finished: false,
    });
    (tracked.seen, tracked.grown) = (Some(seen), now);
    tracked.hold()?;
    Ok(tracked)
}

fn name_in(home: &Path, path: &Path) -> Option<String> {
    (path.parent() == Some(home)).then(|| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// Whether a file is named as those do who put a log aside: `slow.log.1`, `slow.log-20261129.gz`, `slow-20261129.log`.
pub fn is_put_aside(log: &str, name: &str) -> bool {
    const PACKED: [&str; 5] = [".gz", ".zst", ".bz2", ".xz", ".lz4"];
    let plain = PACKED.into_iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let is_counted = |rest: &str| rest.bytes().all(|b| b.is_ascii_digit() || b".-_T:Z".contains(&b));
    let behind = plain.strip_prefix(log).is_some_and(|rest| is_counted(rest) || rest == ".old");
    let within = log.rsplit_once('.').is_some_and(|(stem, ending)| {
        let rest = plain.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending)?.strip_suffix('.'));
        rest.is_some_and(is_counted)
    });
    name != log && (behind || within)
}

fn fits(mark: &Mark, file: &fs::File, seen: Seen) -> bool {
    if mark.content.head.length == 0 {
        return false;
    }
    if mark.content.is_in(file, seen.size, mark.bookmark.at) {
        return true;
    }
    let head = unpacked_beginning(file, mark.content.head.length);
    head.is_some_and(|head| mark.content.is_of(&head))
}

fn adopt(tracked: &mut Tracked, path: &Path, seen: Seen, now: f64) {
    tracked.mark.path = path.to_owned();
    tracked.mark.inode = Some(seen.inode);
    (tracked.seen, tracked.held, tracked.missing_since, tracked.searched) = (Some(seen), None, None, None);
    tracked.grown = now;
}

/// Where in its directory a file is now: the same inode first, then by its content, names like its own first.
fn find(mark: &Mark, known: &BTreeSet<Inode>) -> Result<Option<(PathBuf, Seen)>, Refused> {
    let home = mark.path.parent().unwrap_or(Path::new("/"));
    let name = mark.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut candidates: Vec<(bool, bool, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(home)?.take(MAX_ENTRIES).filter_map(Result::ok) {
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        let seen = Seen::of(&about);
        if about.is_file() && !known.contains(&seen.inode) {
            let is_same = mark.inode == Some(seen.inode);
            let is_alike = entry.file_name().to_string_lossy().starts_with(&name);
            // Ties in an order of their own, so that each look tries the same.
            let order = xxh3_64(entry.file_name().as_encoded_bytes());
            candidates.push((!is_same, !is_alike, order, entry.path()));
        }
    }
    candidates.sort();
    let mut denied = None;
    for (is_other, is_unlike, _, path) in candidates.into_iter().take(MAX_OPENED) {
        match open(&path) {
            Ok((file, seen)) if fits(mark, &file, seen) => return Ok(Some((path, seen))),
            Ok(_) | Err(Refused::Gone | Refused::Unfit(_)) => {}
            Err(why) if !(is_other && is_unlike) => denied = Some(why),
            Err(_) => {}
        }
    }
    // It may be one of those that we may not open.
    denied.map_or(Ok(None), Err)
}
