//! Random scripts of requests, on backends that wait and on such as run ahead: nothing panics, nothing deadlocks with a slow listener, and what is
//! on screen at the end is what a fresh engine would show for the same experiment.

use std::time::Duration;

use super::{
    toy::Toy,
    watch::{Watch, experiment},
};
use crate::engine::{Event, Pace, Request};
use crate::spec::Experiment;

/// A little generator, so that a failing script can be run again by its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

const PROMPTS: &[&[u32]] = &[
    &[2, 9, 17, 30],
    &[2, 9, 40],
    &[5],
    &[2, 9, 17, 30, 5, 11, 12, 13],
    &[
        2, 9, 17, 30, 5, 11, 12, 13, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39,
    ],
    &[],
];
const EDITS: &[&str] = &[
    "mask:0.1@6..",
    "mask:0.1@3..9",
    "mask:1.2",
    "mask:0.0@12..",
    "bias:0.3=2@20..",
    "mask:9.9",
    "mask:*.3@15..",
];

fn random_experiment(dice: &mut Dice, it: &Watch) -> Experiment {
    let edits: Vec<&str> = (0..dice.roll(4)).map(|_| dice.pick(EDITS)).collect();
    let seed = dice.pick(&[1, 1, 1, 2]);
    let mut made = experiment(dice.pick(PROMPTS), seed, &edits);
    match dice.roll(4) {
        0 => made
            .edits
            .entries
            .iter_mut()
            .for_each(|it| it.enabled = dice.roll(2) == 0),
        1 if it.recording.shown().is_some() => {
            let tokens = &it.baseline().tokens;
            made.given = tokens[..dice.roll(tokens.len() + 1)].to_vec();
        }
        2 if it.recording.shown().is_some() => made.given = it.experiment.given.clone(),
        _ => {}
    }
    made
}

fn is_good(asked: &Experiment) -> bool {
    !asked.given.is_empty() && asked.edits.active().all(|it| it.to_string() != "mask:9.9")
}

fn run_script(number: u64, n_requests: usize, budget_bytes: usize) {
    let mut dice = Dice(number);
    let toy = Toy {
        n_ctx: 60,
        eos_bias: 0.0,
        runs_ahead: number % 2 == 1,
        ..Toy::default()
    };
    let mut it = Watch::with_budget(toy, budget_bytes);
    let mut last = experiment(PROMPTS[0], 1, &[]);
    it.experiment = last.clone();
    for tag in 0..n_requests {
        let request = match dice.roll(9) {
            0 | 1 => Request::Play {
                stop_after: Some(dice.roll(30) as u32),
            },
            2 => Request::Play { stop_after: None },
            3 => Request::Pause,
            4 if dice.roll(3) == 0 => Request::CancelBacklog,
            4 => Request::Step,
            5 => Request::SetPace(dice.pick(&[Pace::Unlimited, Pace::TokensPerSec(300.0)])),
            6 => Request::Encode {
                tag: tag as u64,
                text: String::new(),
                form: crate::spec::PromptForm::Plain,
            },
            _ => {
                let asked = random_experiment(&mut dice, &it);
                if is_good(&asked) {
                    last = asked.clone();
                }
                Request::SetExperiment(Box::new(asked))
            }
        };
        it.ask(request);
        match dice.roll(6) {
            0 => std::thread::sleep(Duration::from_micros(300)),
            1 | 2 => it.listen(3),
            _ => {}
        }
    }
    it.experiment = last;
    it.ask(Request::SetPace(Pace::Unlimited));
    it.settle_by(u64::MAX);
    it.check();
    it.ask(Request::Play {
        stop_after: Some(7),
    });
    it.until(|it| matches!(it, Event::Refused(_) | Event::Stopped(_)));
    it.settle_by(u64::MAX - 1);
    it.check();
}

#[test]
fn random_requests_end_in_rows_that_are_right() {
    for number in 0..40 {
        run_script(number, 200, 1 << 30);
    }
}

#[test]
fn they_do_so_with_hardly_any_memory_for_caches() {
    for number in 100..120 {
        run_script(number, 200, 1);
    }
}
