//! A rule is a page of the handbook that can also read a window.

pub mod autovacuum;
pub mod catalogue;
pub mod estimate;
pub mod index;
pub mod log;
pub mod logged;
pub mod pattern;
pub mod plan;
pub mod replication;
pub mod standby;
pub mod statement;
pub mod understood;

use crate::config::Span;
use crate::engine::Lack;
use crate::model::question::{Answer, Question};
use crate::model::{Finding, Flavour, InTopic, Index, Name, Scope, Snapshot, Stretch, Topic, Window};
use crate::plans::Plans;
use crate::texts::Texts;
use crate::workload::Workload;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// What a rule may say.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    Finding(Box<Finding>),
    /// It could say more if it knew this.
    Question(Question),
}

impl From<Question> for Word {
    fn from(question: Question) -> Word {
        Word::Question(question)
    }
}

impl From<Finding> for Word {
    fn from(finding: Finding) -> Word {
        Word::Finding(Box::new(finding))
    }
}

/// Everything a rule can look at. All of it values; the rule asks nobody.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The last word on every topic.
    pub now: &'a Snapshot,
    /// The newest stretch of every topic.
    pub latest: &'a Window,
    /// Longer windows, shortest first, as far back as the ladder of snapshots reaches.
    pub ladder: &'a [Window],
    /// What the server has counted since its own reset; only an inspection on first sight fills it.
    pub since_reset: Option<&'a Window>,
    /// What statements have cost lately and before.
    pub workload: &'a Workload,
    /// The wording of statements, without their literals.
    pub texts: &'a Texts,
    pub answers: &'a HashMap<Question, Answer>,
    /// The plans of the statements that matter.
    pub plans: &'a Plans,
    /// May plans be asked for?
    pub explains: bool,
    /// What the login or the server does not give.
    pub lacks: &'a [Lack],
    /// Whose SQL fixes are written in.
    pub flavour: Flavour,
    /// Unix seconds of the newest sample: a rule has no clock.
    pub at: f64,
}

impl<'a> Seen<'a> {
    /// The windows a rule may use for a span: longest first, then what the server itself remembers.
    pub fn windows(&self) -> impl Iterator<Item = &'a Window> {
        self.ladder.iter().rev().chain(std::iter::once(self.latest)).chain(self.since_reset)
    }

    /// The shortest stretch of each place that is long enough: what was mended is not held against it.
    pub fn stretches_of<N: InTopic>(
        &self,
        min_window: Span,
    ) -> impl Iterator<Item = (&'a Stretch, &'a [N])> + use<'a, N> {
        let min = min_window.get().as_secs_f64();
        let mut shortest: BTreeMap<&'a Scope, (&'a Stretch, &'a [N])> = BTreeMap::new();
        let windows = self.ladder.iter().chain([self.latest]);
        for (scope, stretch, rows) in windows.flat_map(|window| window.stretches_of::<N>()) {
            let known = shortest.entry(scope).or_insert((stretch, rows));
            if stretch.seconds >= min && (stretch.seconds < known.0.seconds || known.0.seconds < min) {
                *known = (stretch, rows);
            }
        }
        shortest.into_values().filter(move |(stretch, _)| stretch.seconds >= min)
    }

    /// The statement that creates an index: the way back from dropping it. `Ok(None)` where it is not to be had,
    /// the question where nobody asked yet.
    pub fn definition(&self, database: &Name, index: &Index) -> Result<Option<&'a str>, Question> {
        let question = Question::IndexDefinition { database: database.clone(), id: index.oid };
        match self.answer(&question) {
            Some(Answer::Text(definition)) => Ok(Some(definition)),
            Some(_) => Ok(None),
            None => Err(question),
        }
    }

    pub fn answer(&self, question: &Question) -> Option<&'a Answer> {
        self.answers.get(question)
    }
}

/// Pure: no I/O, no clock, no state. The fields of the implementing struct are its thresholds, read from
/// `[rules.<id>]`; its doc comment is its page.
pub trait Rule {
    const ID: &'static str;
    /// The servers that it can speak of: what it reads has no meaning on others, or its way out is not theirs.
    const OF: &'static [Flavour] = &Flavour::ALL;
    /// Topics without which it stays silent.
    const NEEDS: &'static [Topic];
    /// The pages whose mend mends what this one says as well, those nearest to the root first. Where one of them speaks of
    /// the same thing, this one is heard as a part of it.
    const MENDED_WITH: &'static [&'static str] = &[];
    /// Topics whose earlier readings it wants kept, as far back as `span`.
    const LOOKS_BACK_AT: &'static [Topic] = Self::NEEDS;
    /// How far back it wants to look with its thresholds as they are.
    fn span(&self) -> Duration {
        Duration::ZERO
    }
    /// Has it seen enough for its silence to mean that all is well?
    fn has_seen_enough(&self, _: &Seen<'_>) -> bool {
        true
    }
    fn check<'a>(&'a self, seen: &'a Seen<'a>) -> impl Iterator<Item = Word> + 'a;
}

/// The table of contents. One line per rule, and nothing else to touch.
#[macro_export]
macro_rules! rules {
    ($($file:ident::$rule:ident,)+) => {
        $(mod $file; pub use $file::$rule;)+

        /// The `[rules]` section of the configuration: one table of thresholds per page.
        #[derive(Debug, Default, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
        pub struct Handbook {
            /// Pages to leave out, by id.
            pub skip: Vec<String>,
            $(pub $file: $rule,)+
        }

        impl Handbook {
            pub const IDS: &'static [&'static str] = &[$(<$rule as $crate::rule::Rule>::ID,)+];

            /// The pages whose mend mends what this one says as well.
            pub fn mended_with(id: &str) -> &'static [&'static str] {
                let all = [$((<$rule as $crate::rule::Rule>::ID, <$rule as $crate::rule::Rule>::MENDED_WITH),)+];
                all.into_iter().find(|(known, _)| *known == id).map_or(&[], |(_, others)| others)
            }

            /// Reads everything seen. Also tells which rules could speak at all: silence of the others is
            /// ignorance, not health.
            pub fn read(&self, seen: &$crate::rule::Seen<'_>) -> $crate::rule::Reading {
                use $crate::rule::Rule;
                let mut reading = $crate::rule::Reading::default();
                $(if !self.skip.iter().any(|id| id == $rule::ID) {
                    let knows = |topic: &$crate::model::Topic| seen.now.parts_of(*topic).next().is_some();
                    if $rule::OF.contains(&seen.flavour) && $rule::NEEDS.iter().all(knows) {
                        if self.$file.has_seen_enough(seen) {
                            reading.could_speak.push(($rule::ID, $rule::NEEDS));
                        } else if !self.$file.span().is_zero() {
                            reading.longer_look.push(($rule::ID, self.$file.span()));
                        }
                        reading.words.extend(self.$file.check(seen));
                    }
                })+
                $crate::rule::standby::send_home(seen, &mut reading.words);
                reading.words.extend($crate::rule::plan::questions(seen));
                reading
            }

            /// The pages about servers of a flavour, where that is known, that look further back than the newest window:
            /// how far, and at which topics.
            pub fn looks_back(
                &self,
                flavour: Option<$crate::model::Flavour>,
            ) -> Vec<(std::time::Duration, &'static [$crate::model::Topic])> {
                use $crate::rule::Rule;
                let all = [$((self.$file.span(), $rule::LOOKS_BACK_AT, $rule::OF),)+];
                let speaks = |of: &[$crate::model::Flavour]| flavour.is_none_or(|flavour| of.contains(&flavour));
                let wanted = all.into_iter().filter(|(span, _, of)| !span.is_zero() && speaks(of));
                wanted.map(|(span, topics, _)| (span, topics)).collect()
            }
        }
    };
}

#[derive(Debug, Default)]
pub struct Reading {
    /// The rules that had what they need, and what that is.
    pub could_speak: Vec<(&'static str, &'static [Topic])>,
    /// The rules that have not looked back far enough yet, and how far they want to.
    pub longer_look: Vec<(&'static str, Duration)>,
    pub words: Vec<Word>,
}

impl Reading {
    /// Could a rule have spoken of this database? Not if one of its topics was read elsewhere but not there.
    pub fn could_speak(&self, rule: &str, database: Option<&str>, now: &Snapshot) -> bool {
        let is_known = |topic: &Topic| {
            now.parts_of(*topic).any(|(scope, _)| match (scope, database) {
                (Scope::Database(name), Some(database)) => **name == *database,
                _ => true,
            })
        };
        self.could_speak.iter().any(|(id, needs)| *id == rule && needs.iter().all(is_known))
    }
}
