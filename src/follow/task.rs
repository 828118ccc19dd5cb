//! The task that follows the logs of one target.

use super::account::Account;
use super::files::{Fates, Files};
use super::kept::{Kept, epoch};
use super::list::{Through, Wanted};
use super::through::Fetcher;
use crate::clock::Clock;
use crate::digest::{Filter, Sum, plans};
use crate::engine::errand::{Brought, Errand, Errands};
use crate::engine::{Engine, Visit};
use crate::log::Format;
use crate::model::{Digest, Gap, Name, Part, Scope, Topic, When};
use crate::plans::logged::Shown;
use crate::sql::Dialect;
use crate::store::{Keeper, Recall};
use crate::workload::Key;
use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, timeout};

/// Between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// While it is not known what to follow.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// What is known is told this often even if nothing comes, so that it does not grow old.
const TELL_EVERY: f64 = 5.0;
/// What is told is written first; so many bytes in a second, on average.
const MAX_WRITTEN: f64 = 65_536.0;
/// One look reads some megabytes; a disk that takes so long for that does not answer.
const HUNG: Duration = Duration::from_secs(30);
/// A deadlock that is told over several entries is waited for.
const PATIENCE: f64 = 5.0;
/// Plans that are told at one time: more statements are not mended at one time either.
const MAX_SHOWN: usize = 50;
/// Statements whose wording was told. Past that all are told again as they come.
const MAX_TOLD: usize = 10_000;

/// All that is known of the logs of one target.
#[derive(Debug)]
pub struct Follower {
    files: Files,
    /// What the server reads for us.
    fetcher: Option<Fetcher>,
    account: Account,
    sum: Sum,
    wanted: Option<Wanted>,
    clock: Clock,
    /// When the numbers were kept and told last, by the monotonic clock.
    told: Option<f64>,
    may_tell: f64,
    /// Where we stand is known to the store, so that what is written while we are gone is not missed.
    is_kept: bool,
    taken: Option<When>,
    taught: HashSet<u64>,
}

/// What is to be kept, and then told.
struct Parcel {
    kept: Option<Vec<u8>>,
    visit: Visit,
    wording: Vec<(Digest, String)>,
}

impl Follower {
    /// From what a former life has kept.
    pub fn new(kept: Option<&[u8]>, wanted: Wanted, clock: Clock) -> Self {
        let now = clock.now();
        let (files, place, account) = match kept.and_then(Kept::decode) {
            Some(kept) => {
                let begins = kept.patterns != wanted.patterns;
                let files = Files::new(kept.marks, kept.looked, begins);
                (files, kept.through, Account::new(kept.since, kept.rows))
            }
            None => (Files::new(Vec::new(), now.wall, true), None, Account::new(now.wall, Vec::new())),
        };
        let fetcher = wanted.through.clone().map(|through| Fetcher::new(through, place, now.monotonic));
        let format =
            if wanted.dialect == Dialect::Postgres { Format::PostgresStderr } else { Format::MysqlSlow };
        Self {
            files,
            fetcher,
            account,
            sum: Sum::new(format, Filter::default()),
            wanted: Some(wanted),
            clock,
            told: None,
            may_tell: 0.0,
            is_kept: false,
            taken: None,
            taught: HashSet::new(),
        }
    }

    /// From what a former life has kept, which is known only now; where there is nothing it goes on as it is.
    fn again(mut self, kept: Option<&[u8]>) -> Self {
        self.is_kept = false;
        match (kept, self.wanted.take()) {
            (Some(kept), Some(wanted)) => Self::new(Some(kept), wanted, self.clock),
            (_, wanted) => Self { wanted, ..self },
        }
    }

    /// Looks at the files and reads what is new. True if there is more.
    pub fn look(&mut self) -> bool {
        let Some(wanted) = &self.wanted else { return false };
        let now = self.clock.now();
        self.files.look(wanted, &mut self.sum, now.monotonic, now.wall)
    }

    fn want(&mut self, wanted: Wanted) {
        let before = self.wanted.as_ref().and_then(|before| before.through.as_ref());
        if before != wanted.through.as_ref() {
            let now = self.clock.now().monotonic;
            self.fetcher = wanted.through.clone().map(|through| Fetcher::new(through, None, now));
        }
        self.wanted = Some(wanted);
    }

    fn errand(&self) -> Option<Errand> {
        self.fetcher.as_ref().map(Fetcher::errand)
    }

    /// Takes in what an errand has brought. Gives how long to rest before the next.
    fn take(&mut self, brought: Brought) -> Duration {
        let now = self.clock.now().monotonic;
        let (Some(fetcher), Some(wanted)) = (&mut self.fetcher, &self.wanted) else { return Duration::ZERO };
        let had_begun = fetcher.has_begun();
        let rest = fetcher.take(brought, wanted, &mut self.sum, now);
        self.is_kept &= had_begun == fetcher.has_begun();
        rest
    }

    /// Bytes written and not yet read, as far as we know.
    fn behind(&self) -> u64 {
        self.files.behind() + self.fetcher.as_ref().map_or(0, Fetcher::behind)
    }

    /// The log that was written to last.
    fn newest(&self) -> Option<&Path> {
        self.files.newest().or_else(|| self.fetcher.as_ref()?.newest())
    }

    fn fates(&mut self) -> Fates {
        let mut fates = std::mem::take(&mut self.files.fates);
        if let Some(fetcher) = &mut self.fetcher {
            fates += fetcher.fates();
        }
        fates
    }

    /// Is there something to tell, and may it be told?
    fn parcel(&mut self) -> Option<Parcel> {
        let now = self.clock.now();
        let waited = self.told.map_or(f64::INFINITY, |told| now.monotonic - told);
        let has_news = !self.is_kept || self.sum.entries + self.sum.noise + self.sum.bytes > 0;
        let must_wait = now.monotonic < self.may_tell || (self.sum.is_amid() && waited < PATIENCE);
        let rests = if has_news { must_wait } else { waited < TELL_EVERY };
        if rests {
            return None;
        }
        // First what there was: a window begins with it.
        let is_first = self.told.is_none();
        self.told = Some(now.monotonic);
        let mut kept = None;
        let (mut wording, mut logged) = (Vec::new(), Vec::new());
        if is_first || !has_news {
            self.account.falls_behind(self.behind());
        } else {
            wording = self.wording();
            logged = self.logged(now.wall);
            let (fates, behind) = (self.fates(), self.behind());
            let newest = self.newest().map(Path::to_owned);
            self.account.add(&self.sum, fates, newest.as_deref(), behind, now.monotonic);
            self.sum.renew();
            self.is_kept = true;
            let patterns = self.wanted.as_ref().map(|wanted| wanted.patterns.clone()).unwrap_or_default();
            let place = self.fetcher.as_ref().and_then(Fetcher::place);
            kept = Kept::encode(&self.files, patterns, place, &self.account);
            let bytes = kept.as_ref().map_or(0, Vec::len);
            self.may_tell = now.monotonic + bytes as f64 / MAX_WRITTEN;
        }
        let visit = Visit { logged, ..self.visit(now) };
        Some(Parcel { kept, visit, wording })
    }

    /// The plans of the dearest statements, of each shape that of its slowest run.
    fn logged(&self, now: f64) -> Vec<Shown> {
        let mut plans: Vec<_> = self.sum.plans.each().filter(|(key, _)| key.digest.is_some()).collect();
        plans.sort_by_key(|(key, plan)| (Reverse(plan.total), **key));
        let shown = |(key, plan): (&plans::Key, &plans::Plan)| {
            let database = key.database.map_or("", |name| self.sum.names.text(name));
            let ran = plan.last.map_or(now, |micros| (micros as f64 / 1e6).min(now));
            Some(Shown {
                key: Key { digest: Digest(key.digest?), database: Name::new(database) },
                at: ran,
                runs: plan.count as f64,
                seconds: plan.max as f64 / 1e6,
                plan: Arc::new(plan.tree.clone()),
            })
        };
        plans.into_iter().filter_map(shown).take(MAX_SHOWN).collect()
    }

    fn wording(&mut self) -> Vec<(Digest, String)> {
        if self.taught.len() > MAX_TOLD {
            self.taught.clear();
        }
        let rows = self.sum.statements.rows().iter();
        let news = rows.filter(|row| row.is_worth_showing() && self.taught.insert(row.digest));
        news.map(|row| (Digest(row.digest), row.fingerprint.to_string())).collect()
    }

    /// Everything, at the time that it is of: a log that is read late tells of its own time.
    fn visit(&mut self, now: When) -> Visit {
        let taken = self.taken_at(now);
        self.taken = Some(taken);
        let mut visit = Visit::default();
        for rows in self.account.rows() {
            let part = Part { taken, epoch: epoch(self.account.since), complete: true, rows: rows.clone() };
            visit.sample.parts.push((rows.topic(), Scope::Server, part));
        }
        let through = self.fetcher.iter().flat_map(Fetcher::gaps);
        let reasons: Vec<String> = self.files.gaps.iter().cloned().chain(through).collect();
        if !reasons.is_empty() {
            let gap = Gap { topic: Topic::Logs, scope: Scope::Server, reason: reasons.join("; ") };
            visit.sample.gaps.push(gap);
        }
        visit
    }

    fn taken_at(&self, now: When) -> When {
        let newest = self.account.newest.map(|micros| micros as f64 / 1e6);
        let (Some(newest), true) = (newest, self.behind() > 0) else { return now };
        let lag = (now.wall - newest).max(0.0);
        let at = When { monotonic: now.monotonic - lag, wall: now.wall - lag, ..now };
        match self.taken {
            Some(before) if before.monotonic > at.monotonic => before,
            _ => at,
        }
    }
}

/// Follows until it is dropped or nobody listens.
pub async fn follow(
    engine: Arc<dyn Engine>,
    target: Name,
    clock: Clock,
    keeper: Keeper,
    errands: Errands,
    tell: mpsc::Sender<Visit>,
) {
    let wanted = loop {
        match engine.logs() {
            Some(wanted) => break wanted,
            None => tokio::time::sleep(ASK_EVERY).await,
        }
        if tell.is_closed() {
            return;
        }
    };
    let (kept, mut later) = match keeper.logs(&target).await {
        Recall::Here(kept) => (kept, None),
        Recall::Later(later) => (None, Some(later)),
    };
    let mut follower = Follower::new(kept.as_deref(), wanted, clock);
    let mut rests_until = Instant::now();
    loop {
        if let Some(wanted) = engine.logs() {
            follower.want(wanted);
        }
        let told = later.as_mut().map(|later| later.try_recv());
        if let Some(Ok(_) | Err(TryRecvError::Closed)) = told {
            later = None;
        }
        if let Some(Ok(kept)) = told {
            // From there everything is read again: what this life has counted is part of it.
            follower = follower.again(kept.as_deref());
        }
        let mut brought = None;
        if let Some(errand) = follower.errand().filter(|_| rests_until <= Instant::now()) {
            let Some(answer) = errands.run(errand).await else { return };
            brought = Some(answer);
        }
        // Files are read on a thread for what blocks, and lent to it.
        let mut looked = tokio::task::spawn_blocking(move || {
            let rest = brought.map(|brought| follower.take(brought));
            let more = follower.look();
            // What a former life has kept is told before anything is added to it.
            let first = follower.told.is_none().then(|| follower.parcel()).flatten();
            let parcels = [first, follower.parcel()];
            (follower, parcels, more, rest)
        });
        let looked = match timeout(HUNG, &mut looked).await {
            Ok(looked) => looked,
            Err(_) => {
                if tell.send(hung()).await.is_err() {
                    return;
                }
                looked.await
            }
        };
        let Ok((lent, parcels, more, rest)) = looked else {
            tracing::error!(%target, "the reading of its logs has panicked; they are not followed any more");
            return;
        };
        follower = lent;
        if let Some(rest) = rest {
            rests_until = Instant::now() + rest;
        }
        for parcel in parcels.into_iter().flatten() {
            if let Some(kept) = parcel.kept.filter(|_| later.is_none()) {
                // What cannot be kept is told all the same; the store says that it fails.
                keeper.keep_logs(&target, clock.now().wall, kept).await;
            }
            engine.teach(&parcel.wording);
            if tell.send(parcel.visit).await.is_err() {
                return;
            }
        }
        if !more {
            let look = Instant::now() + LOOK_EVERY;
            let next = if follower.fetcher.is_some() { look.min(rests_until) } else { look };
            tokio::time::sleep_until(next).await;
        }
    }
}

/// What can be said of logs whose disk does not answer.
fn hung() -> Visit {
    let mut visit = Visit::default();
    let reason = format!("they could not be read for {} s: their disk does not answer", HUNG.as_secs());
    visit.sample.gaps.push(Gap { topic: Topic::Logs, scope: Scope::Server, reason });
    visit
}

/// Where a server writes its logs, by its own word.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// On this machine.
    pub patterns: Vec<PathBuf>,
    /// What it can read for us.
    pub through: Option<Through>,
    /// Some of what it writes can be had through it alone.
    pub needs_through: bool,
    pub line_prefix: Option<String>,
}

impl Wanted {
    /// The word of the operator, else that of the server. `None` while there is nothing to follow.
    pub fn of(source: &crate::config::LogSource, told: Option<&Told>, dialect: Dialect) -> Option<Self> {
        let is_forced = source.through_sql == Some(true);
        let mut patterns = source.path.all().to_vec();
        let mut through = None;
        if patterns.is_empty() {
            let is_used = |told: &&Told| is_forced || (told.needs_through && source.through_sql.is_none());
            through = told.filter(is_used).and_then(|told| told.through.clone());
            let here = told.filter(|_| !is_forced).map(|told| told.patterns.clone());
            patterns = here.unwrap_or_default();
        }
        let line_prefix =
            source.line_prefix.clone().or_else(|| told.and_then(|told| told.line_prefix.clone()));
        let format = source.format;
        let is_any = !patterns.is_empty() || through.is_some();
        (source.is_wanted() && is_any).then_some(Self { patterns, format, line_prefix, dialect, through })
    }
}
