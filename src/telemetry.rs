//! Our own health, as opposed to that of the targets: what we are, what we use, what we had to drop. Handed around,
//! never global.

pub mod journal;

use crate::store::Health;
use crate::web::exposition::{Family, Type, Writer, write_labels};
use crate::web::metrics::Own;
use prometheus::{Gauge, IntCounterVec, Opts, Registry};
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

macro_rules! own {
    ($($(#[doc = $help:literal])+ $id:ident = $kind:ident $name:literal $(in $unit:literal)? by [$($label:literal),*];)+) => {
        $(const $id: Own = Own {
            name: $name,
            kind: Type::$kind,
            unit: concat!($($unit)?),
            labels: &[$($label),*],
            help: concat!($($help),+).trim_ascii(),
        };)+
        /// Every metric about ourselves.
        pub const OWN: &[Own] = &[$($id,)+];
    };
}

own! {
    /// Which dbsonde this is.
    BUILD = Info "dbsonde_build" by ["version", "revision"];
    /// Requests that were answered.
    REQUESTS = Counter "dbsonde_http_requests" by ["handler", "code"];
    /// Did the configuration last read take effect? 1 if it did.
    RELOAD = Gauge "dbsonde_config_last_reload_successful" by [];
    /// When the configuration in force was read.
    RELOADED = Gauge "dbsonde_config_last_reload_success_timestamp_seconds" in "seconds" by [];
    /// Can everybody read us who reaches an address of ours that is not loopback? 1 if so.
    OPEN_DOOR = Gauge "dbsonde_http_open_to_others" by [];
    /// Is what survives a restart being kept? 1 if it is; absent if nobody wants it.
    STORE = Gauge "dbsonde_store_healthy" by [];
    /// What was dropped because a queue was full.
    DROPPED = Counter "dbsonde_queue_dropped" by ["queue"];
    /// Changes of findings that a sink took.
    DELIVERED = Counter "dbsonde_sink_delivered" by ["sink"];
    /// Changes of findings that a sink never took: it refused them, or they found no room.
    LOST = Counter "dbsonde_sink_dropped" by ["sink"];
    /// Changes of findings that wait for a sink.
    WAITING = Gauge "dbsonde_sink_waiting" by ["sink"];
    /// Of those and the one that is being delivered, how many could not be put on disk yet: a restart would lose them.
    UNKEPT = Gauge "dbsonde_sink_unkept" by ["sink"];
    /// Targets of a list that is had over HTTP, as it is in force.
    LISTED = Gauge "dbsonde_discovery_targets" by ["list"];
    /// Times that such a list could not be had, or was refused.
    UNLISTED = Counter "dbsonde_discovery_failures" by ["list"];
    /// When such a list was had last.
    LISTED_AT = Gauge "dbsonde_discovery_last_success_timestamp_seconds" in "seconds" by ["list"];
    /// Time we have spent computing.
    CPU = Counter "process_cpu_seconds" in "seconds" by [];
    /// Memory that we occupy.
    MEMORY = Gauge "process_resident_memory_bytes" in "bytes" by [];
    /// Files and connections that we have open.
    OPEN_FILES = Gauge "process_open_fds" by [];
    /// Files and connections that we may have open.
    MAX_FILES = Gauge "process_max_fds" by [];
    /// When we were started.
    START = Gauge "process_start_time_seconds" in "seconds" by [];
}

/// What a sink has done since it was started.
#[derive(Debug, Clone, Default)]
pub struct SinkHealth {
    pub name: String,
    pub delivered: u64,
    pub dropped: u64,
    pub waiting: usize,
    pub unkept: Option<usize>,
}

/// How a list of targets fares that is had over HTTP.
#[derive(Debug, Clone, Default)]
pub struct ListHealth {
    pub name: String,
    pub targets: usize,
    pub failures: u64,
    /// Unix seconds.
    pub had_at: Option<f64>,
}

/// A clone speaks of the same.
#[derive(Debug, Clone)]
pub struct Telemetry {
    all: Arc<All>,
}

#[derive(Debug)]
struct All {
    registry: Registry,
    requests: Option<IntCounterVec>,
    dropped: Option<IntCounterVec>,
    sinks: Mutex<Vec<SinkHealth>>,
    lists: Mutex<Vec<ListHealth>>,
    open_door: Option<Gauge>,
    reload: Option<Gauge>,
    reloaded: Option<Gauge>,
    store: OnceLock<watch::Receiver<Health>>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    pub fn new() -> Self {
        let registry = Registry::new();
        // Registering fails for names that are wrong or taken; ours are constants, and a test counts them.
        let counters = |own: Own| {
            let counters = IntCounterVec::new(Opts::new(own.metric_name(), own.help), own.labels).ok()?;
            registry.register(Box::new(counters.clone())).ok()?;
            Some(counters)
        };
        let gauge = |own: Own, value: f64| {
            let gauge = Gauge::with_opts(Opts::new(own.metric_name(), own.help)).ok()?;
            gauge.set(value);
            registry.register(Box::new(gauge.clone())).ok()?;
            Some(gauge)
        };
        let all = All {
            requests: counters(REQUESTS),
            dropped: counters(DROPPED),
            sinks: Mutex::default(),
            lists: Mutex::default(),
            open_door: gauge(OPEN_DOOR, 0.0),
            reload: gauge(RELOAD, 1.0),
            reloaded: gauge(RELOADED, unix_seconds()),
            store: OnceLock::new(),
            registry,
        };
        Self { all: Arc::new(all) }
    }

    pub fn request(&self, handler: &str, code: u16) {
        let code = code.to_string();
        count(&self.all.requests, &[handler, &code]);
    }

    /// The queue was full and its item is gone.
    pub fn queue_dropped(&self, queue: &str) {
        count(&self.all.dropped, &[queue]);
    }

    /// The same, so many times.
    pub fn queue_lost(&self, queue: &str, times: u64) {
        if let Some(counters) = self.all.dropped.as_ref().filter(|_| times > 0) {
            counters.with_label_values(&[queue]).inc_by(times);
        }
    }

    pub fn open_to_others(&self, is_open: bool) {
        if let Some(gauge) = &self.all.open_door {
            gauge.set(f64::from(u8::from(is_open)));
        }
    }

    /// How the sinks fare now. They count for themselves; whoever owns them hands it on from time to time.
    pub fn sinks(&self, now: Vec<SinkHealth>) {
        *self.all.sinks.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// The same of lists of targets.
    pub fn lists(&self, now: Vec<ListHealth>) {
        *self.all.lists.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub fn reloaded(&self, successfully: bool) {
        if let Some(gauge) = &self.all.reload {
            gauge.set(f64::from(u8::from(successfully)));
        }
        if let Some(gauge) = self.all.reloaded.as_ref().filter(|_| successfully) {
            gauge.set(unix_seconds());
        }
    }

    /// Asked when somebody scrapes; the first one handed in stays.
    pub fn watch_store(&self, health: watch::Receiver<Health>) {
        self.all.store.get_or_init(|| health);
    }

    pub fn render(&self, writer: &mut Writer) {
        let one = |writer: &mut Writer, own: Own, labels: &[u8], value: Option<f64>| {
            if let Some(value) = value {
                let family = family(&own);
                writer.family(&family);
                writer.sample(&family, labels, value);
            }
        };
        let mut build = Vec::new();
        let revision = option_env!("DBSONDE_REVISION").unwrap_or("unknown");
        write_labels(&mut build, [("version", env!("CARGO_PKG_VERSION")), ("revision", revision)]);
        one(writer, BUILD, &build, Some(1.0));
        let healthy = self.all.store.get().and_then(|health| health.borrow().is_healthy());
        one(writer, STORE, &[], healthy.map(|healthy| f64::from(u8::from(healthy))));
        let process = Process::now();
        one(writer, CPU, &[], process.cpu_seconds);
        one(writer, MEMORY, &[], process.memory_bytes);
        one(writer, OPEN_FILES, &[], process.open_files);
        one(writer, MAX_FILES, &[], process.max_files);
        one(writer, START, &[], process.started);
        self.sinks_now(writer);
        self.lists_now(writer);
        self.registered(writer);
    }

    fn sinks_now(&self, writer: &mut Writer) {
        let sinks = self.all.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |value: fn(&SinkHealth) -> Option<f64>| {
            sinks.iter().filter_map(|sink| Some((sink.name.as_str(), value(sink)?))).collect::<Vec<_>>()
        };
        by_name(writer, DELIVERED, "sink", &each(|sink| Some(sink.delivered as f64)));
        by_name(writer, LOST, "sink", &each(|sink| Some(sink.dropped as f64)));
        by_name(writer, WAITING, "sink", &each(|sink| Some(sink.waiting as f64)));
        by_name(writer, UNKEPT, "sink", &each(|sink| Some(sink.unkept? as f64)));
    }

    fn lists_now(&self, writer: &mut Writer) {
        let lists = self.all.lists.lock().unwrap_or_else(PoisonError::into_inner);
        let each = |value: fn(&ListHealth) -> Option<f64>| {
            lists.iter().filter_map(|list| Some((list.name.as_str(), value(list)?))).collect::<Vec<_>>()
        };
        by_name(writer, LISTED, "list", &each(|list| Some(list.targets as f64)));
        by_name(writer, UNLISTED, "list", &each(|list| Some(list.failures as f64)));
        by_name(writer, LISTED_AT, "list", &each(|list| list.had_at));
    }

    /// What the `prometheus` crate counts for us, in whichever format is asked for.
    fn registered(&self, writer: &mut Writer) {
        for gathered in self.all.registry.gather() {
            let Some(own) = OWN.iter().find(|own| own.metric_name() == gathered.name()) else { continue };
            let family = family(own);
            writer.family(&family);
            for metric in gathered.get_metric() {
                let mut labels = Vec::new();
                write_labels(&mut labels, metric.get_label().iter().map(|pair| (pair.name(), pair.value())));
                let value = match own.kind {
                    Type::Counter => metric.get_counter().get_value(),
                    _ => metric.get_gauge().get_value(),
                };
                writer.sample(&family, &labels, value);
            }
        }
    }
}

fn family(own: &Own) -> Family<'static> {
    Family { name: own.name, kind: own.kind, unit: own.unit, help: own.help }
}

fn by_name(writer: &mut Writer, own: Own, label: &'static str, samples: &[(&str, f64)]) {
    let family = family(&own);
    if !samples.is_empty() {
        writer.family(&family);
    }
    for (name, value) in samples {
        let mut labels = Vec::new();
        write_labels(&mut labels, [(label, *name)]);
        writer.sample(&family, &labels, *value);
    }
}

fn count(counters: &Option<IntCounterVec>, labels: &[&str]) {
    if let Some(counters) = counters {
        counters.with_label_values(labels).inc();
    }
}

fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What the kernel says of us; nothing where it is not Linux.
#[derive(Debug, Default)]
struct Process {
    cpu_seconds: Option<f64>,
    memory_bytes: Option<f64>,
    open_files: Option<f64>,
    max_files: Option<f64>,
    started: Option<f64>,
}

/// The unit of times in /proc, fixed for programs whatever the kernel ticks at.
const TICKS: f64 = 100.0;

impl Process {
    fn now() -> Process {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let word = |text: &str, nth: usize| {
            text.split_whitespace().nth(nth).and_then(|word| word.parse::<f64>().ok())
        };
        let line = |text: &str, start: &str| {
            text.lines().find_map(|line| line.strip_prefix(start).map(str::to_owned))
        };
        let stat = read("/proc/self/stat");
        // The name of the program may hold blanks and brackets; what is counted comes after it.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let booted = line(&read("/proc/stat"), "btime").and_then(|rest| word(&rest, 0));
        Process {
            cpu_seconds: word(after_name, 11)
                .zip(word(after_name, 12))
                .map(|(user, sys)| (user + sys) / TICKS),
            memory_bytes: line(&read("/proc/self/status"), "VmRSS:")
                .and_then(|rest| word(&rest, 0))
                .map(|kb| kb * 1024.0),
            open_files: fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as f64),
            max_files: line(&read("/proc/self/limits"), "Max open files").and_then(|rest| word(&rest, 0)),
            started: booted.zip(word(after_name, 19)).map(|(booted, ticks)| booted + ticks / TICKS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::exposition::Format;

    #[test]
    fn everything_about_us_is_told_under_its_name() {
        let telemetry = Telemetry::new();
        telemetry.request("metrics", 200);
        telemetry.queue_dropped("log");
        telemetry.sinks(vec![SinkHealth {
            name: "webhook-1".to_owned(),
            delivered: 1,
            dropped: 2,
            waiting: 3,
            unkept: Some(1),
        }]);
        telemetry.lists(vec![ListHealth { name: "list".into(), targets: 2, failures: 1, had_at: Some(3.0) }]);
        telemetry.reloaded(false);
        telemetry.watch_store(watch::channel(Health::Ok).1);
        let mut writer = Writer::new(Format::Classic, 0);
        telemetry.render(&mut writer);
        let text = String::from_utf8(writer.finish()).unwrap();
        for own in OWN {
            assert!(
                text.contains(&format!("# TYPE {} {}\n", own.metric_name(), own.kind.name())),
                "{}",
                own.name
            );
        }
        assert!(text.contains("dbsonde_http_requests_total{code=\"200\",handler=\"metrics\"} 1\n"), "{text}");
        assert!(text.contains("dbsonde_config_last_reload_successful 0\n"), "{text}");
    }
}
