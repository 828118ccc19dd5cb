//! A recording is every visit of a while, as it was brought home: the form of a bug report and of a test.
//! Replaying it makes the same windows and the same findings, without a server.

use crate::clock::Clock;
use crate::config::Target;
use crate::engine::{EngineError, Lane, Pace, ServerFacts, Visit};
use crate::inspect::{self, Inspection, inspect};
use crate::json;
use crate::lane::News;
use crate::model::question::{Answer, Question};
use crate::model::{Name, Sample, Topic, When};
use crate::rules::Handbook;
use crate::watch::Watch;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

const FORMAT: u32 = 1;
const FILE: &str = "recording.jsonl.gz";
/// Visits waiting to be written: a minute of all lanes.
const QUEUE: usize = 128;
/// A line holds one visit; the largest server that we promise to watch fits well below.
const MAX_LINE: u64 = 512 << 20;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    target: Name,
    /// Recordings of the first days do not say.
    #[serde(default)]
    engine: String,
    topics: Vec<(Topic, Pace)>,
}

/// Every other line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recorded {
    pub at: When,
    pub lane: Lane,
    pub sample: Sample,
    pub answers: Vec<(Question, Answer)>,
    pub role: Option<String>,
    pub version: Option<String>,
}

impl Recorded {
    pub fn of(lane: Lane, at: When, visit: &Visit) -> Self {
        Self {
            at,
            lane,
            sample: visit.sample.clone(),
            answers: visit.answers.clone(),
            role: visit.server.as_ref().map(|server| server.role.to_owned()),
            version: visit.server.as_ref().map(|server| server.version.clone()),
        }
    }

    fn news(self, engine: &'static str) -> News {
        let server = self.version.map(|version| ServerFacts {
            engine,
            version,
            role: if self.role.as_deref() == Some("standby") { "standby" } else { "primary" },
            ..ServerFacts::default()
        });
        let visit = Visit { sample: self.sample, answers: self.answers, server, ..Visit::default() };
        News { lane: self.lane, brought: Ok(visit) }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("{0}")]
    File(#[from] io::Error),
    #[error("{0}")]
    Content(String),
}

/// Watches a target for a while and writes down what its lanes brought.
pub async fn record(
    target: &Target,
    handbook: &Handbook,
    directory: &Path,
    how_long: Duration,
) -> Result<Inspection, RecordingError> {
    std::fs::create_dir_all(directory)?;
    let file = BufWriter::new(File::create(directory.join(FILE))?);
    let mut out = GzEncoder::new(file, Compression::fast());
    let engine = crate::engines::open(target, Clock::start())?;
    let (name, topics) = (engine.name().to_owned(), engine.topics());
    line(&mut out, &Header { format: FORMAT, target: target.name.clone(), engine: name, topics })?;
    let (tap, mut visits) = mpsc::channel(QUEUE);
    let writer = tokio::task::spawn_blocking(move || -> io::Result<()> {
        while let Some(visit) = visits.blocking_recv() {
            line(&mut out, &visit)?;
        }
        out.finish()?.flush()
    });
    let inspection = inspect(target, handbook, how_long, Some(tap)).await;
    writer.await.map_err(|error| RecordingError::Content(error.to_string()))??;
    Ok(inspection?)
}

fn line<T: Serialize>(out: &mut impl Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Reads a recording through the same watch that made it.
pub fn replay(directory: &Path, handbook: &Handbook) -> Result<Inspection, RecordingError> {
    let file = BufReader::new(GzDecoder::new(File::open(directory.join(FILE))?));
    let mut lines = io::Read::take(file, MAX_LINE).lines();
    let broken = |nth: usize, what: String| RecordingError::Content(format!("{FILE} line {nth}: {what}"));
    let first = lines.next().ok_or_else(|| broken(1, "empty".into()))??;
    let header: Header = serde_json::from_str(&first).map_err(|error| broken(1, error.to_string()))?;
    if header.format != FORMAT {
        return Err(broken(1, format!("format {} is not known here (known: {FORMAT})", header.format)));
    }
    let engine = crate::engines::named(&header.engine);
    let plan = inspect::bare_plan(header.target.clone(), handbook);
    let mut state: Option<Watch> = None;
    let mut last = None;
    for (nth, text) in lines.enumerate() {
        let visit: Recorded =
            json::read(text?.as_bytes()).map_err(|error| broken(nth + 2, error.to_string()))?;
        let (at, lane) = (visit.at, visit.lane);
        let begin = || Watch::new(plan.clone(), header.topics.clone(), at).at_first_sight();
        let watch = state.get_or_insert_with(begin);
        watch.take(visit.news(engine), at);
        if lane != Lane::Pulse {
            watch.read(at);
        }
        last = Some(at);
    }
    match (state, last) {
        (Some(state), Some(at)) => Ok(inspect::conclude(&state.report(at))),
        _ => Err(broken(2, "the recording holds no visit".into())),
    }
}
