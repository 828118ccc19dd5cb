//! The promise that watching costs the target at most one percent of one core, kept by doing less: first more
//! seldom, then not at all, in the order written here. Pure: it is told what a minute cost and answers.

use crate::engine::Pace;
use std::collections::VecDeque;
use std::time::Duration;

/// Of one core of the target. The promise that is printed on the box.
const BUDGET: f64 = 0.01;
/// Below this share of the budget the last step is taken back.
const EASY: f64 = 0.5;
/// What is judged: long enough that one slow answer is no alarm, short enough to react within minutes.
const SPAN: Duration = Duration::from_secs(60);

/// What each step does to the paces, one more harsh than the one before. Zero rests.
/// What changes least is stretched first; the pulse, which sees blocking and load, goes last.
const STEPS: &[[f64; 4]] = &[
    // pulse, beat, slow, rare
    [1.0, 1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0, 4.0],
    [1.0, 1.0, 2.0, 8.0],
    [1.0, 1.0, 5.0, 0.0],
    [1.0, 2.0, 5.0, 0.0],
    [2.0, 4.0, 15.0, 0.0],
    [5.0, 4.0, 0.0, 0.0],
    [5.0, 20.0, 0.0, 0.0],
    [15.0, 80.0, 0.0, 0.0],
];

#[derive(Debug)]
pub struct Throttle {
    step: usize,
    /// (our monotonic seconds, seconds of the target's time spent)
    spent: VecDeque<(f64, f64)>,
    judged: f64,
    off: bool,
}

impl Throttle {
    pub fn new(now: f64, off: bool) -> Self {
        Self { step: 0, spent: VecDeque::new(), judged: now, off }
    }

    pub fn spend(&mut self, now: f64, seconds: f64) {
        self.spent.push_back((now, seconds));
    }

    /// Judges once a span. True when the paces change.
    pub fn judge(&mut self, now: f64) -> bool {
        if self.off || now - self.judged < SPAN.as_secs_f64() {
            return false;
        }
        let (from, before) = (self.judged, self.step);
        self.judged = now;
        self.spent.retain(|(at, _)| *at >= from);
        let share = self.spent.iter().map(|(_, seconds)| seconds).sum::<f64>() / (now - from);
        self.spent.clear();
        if share > BUDGET {
            self.step = (self.step + 1).min(STEPS.len() - 1);
        } else if share < BUDGET * EASY {
            self.step = self.step.saturating_sub(1);
        }
        self.step != before
    }

    /// How many times longer than configured a pace is now; `None` while it rests.
    pub fn stretch(&self, pace: Pace) -> Option<f64> {
        let [pulse, beat, slow, rare] = STEPS.get(self.step).copied().unwrap_or([1.0; 4]);
        let factor = match pace {
            Pace::Pulse => pulse,
            Pace::Beat => beat,
            Pace::Slow => slow,
            Pace::Rare => rare,
        };
        (factor > 0.0).then_some(factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expensive_minute_stretches_and_a_cheap_one_takes_it_back() {
        let mut throttle = Throttle::new(0.0, false);
        throttle.spend(10.0, 1.0);
        assert!(throttle.judge(60.0));
        assert_eq!(throttle.stretch(Pace::Rare), Some(4.0));
        assert_eq!(throttle.stretch(Pace::Pulse), Some(1.0));
        throttle.spend(70.0, 0.4);
        assert!(!throttle.judge(120.0), "neither over the budget nor well below it");
        assert!(throttle.judge(180.0));
        assert_eq!(throttle.stretch(Pace::Rare), Some(1.0));
    }

    #[test]
    fn every_step_is_harsher_than_the_one_before() {
        let harshness = |factor: f64| if factor == 0.0 { f64::INFINITY } else { factor };
        for pair in STEPS.windows(2) {
            assert!(pair[0].iter().zip(pair[1]).all(|(a, b)| harshness(*a) <= harshness(b)));
        }
    }
}
