//! Ten thousand things a user might do, in no order at all: the app stays alive, quick and small.

use std::fs;

use eframe::egui::{
    Event as Input, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, Theme,
    ThemePreference, TouchPhase, Vec2, pos2, vec2,
};
use moescope::app::{App, HeadlessApp};
use moescope::checkpoint::Bundled;
use moescope::engine::ModelSource;
use moescope::spec::Placement;
use moescope::ui::{Command, ENTRIES};

const N_EVENTS: usize = 10_000;
/// Frames before any counts.
const N_WARM_UP: usize = 60;
/// Most seconds of the UI thread a frame may take; without optimisation three times as many.
pub const MOST_SECS: f64 = if cfg!(debug_assertions) { 0.3 } else { 0.1 };
/// Most memory the process may gain from the hundredth part of the script to its end: the engine's budget for the
/// caches of rows that may come back, a gigabyte, and a quarter of that for all else.
const MOST_BYTES_GAINED: u64 = (1 << 30) + (1 << 28);

/// `SplitMix64`: the same script on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn place(&mut self, size: Vec2) -> Pos2 {
        pos2(self.share() * size.x, self.share() * size.y)
    }
}

/// CPU seconds of this thread so far, where the system says; other work on the machine does not count.
pub fn thread_secs() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos * 1e-9)
}

fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

fn button(at: Pos2, button: PointerButton, pressed: bool) -> Input {
    Input::PointerButton {
        pos: at,
        button,
        pressed,
        modifiers: Modifiers::NONE,
    }
}

fn key(key: Key, modifiers: Modifiers) -> [Input; 2] {
    [true, false].map(|pressed| Input::Key {
        key,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers,
    })
}

/// Where the pointer is, and what is held down.
struct Hand {
    at: Pos2,
    held: Option<PointerButton>,
}

/// The next thing a user does.
fn next(dice: &mut Dice, hand: &mut Hand, stage: &mut HeadlessApp, size: &mut Vec2) -> Vec<Input> {
    if let Some(held) = hand.held {
        // A drag goes on, or ends.
        hand.at += vec2(dice.share() - 0.5, dice.share() - 0.5) * 120.0;
        if dice.below(3) > 0 {
            return vec![Input::PointerMoved(hand.at)];
        }
        hand.held = None;
        return vec![Input::PointerMoved(hand.at), button(hand.at, held, false)];
    }
    match dice.below(100) {
        0..=29 => {
            hand.at = dice.place(*size);
            vec![Input::PointerMoved(hand.at)]
        }
        30..=49 => {
            hand.at = dice.place(*size);
            let which = [PointerButton::Primary, PointerButton::Secondary][dice.below(5) / 4];
            let mut out = vec![Input::PointerMoved(hand.at)];
            for _ in 0..=dice.below(2) {
                out.extend([button(hand.at, which, true), button(hand.at, which, false)]);
            }
            out
        }
        50..=56 => {
            hand.at = dice.place(*size);
            hand.held = Some(PointerButton::Primary);
            vec![
                Input::PointerMoved(hand.at),
                button(hand.at, PointerButton::Primary, true),
            ]
        }
        57..=66 => vec![Input::MouseWheel {
            unit: MouseWheelUnit::Point,
            source: MouseWheelSource::Unknown,
            delta: vec2(0.0, (dice.share() - 0.5) * 400.0),
            phase: TouchPhase::Move,
            modifiers: [Modifiers::NONE, Modifiers::COMMAND][dice.below(6) / 5],
        }],
        67..=88 => {
            let entry = &ENTRIES[dice.below(ENTRIES.len())];
            let close = entry.name == "Quit";
            match entry.key.filter(|_| !close) {
                Some(it) => key(it.logical_key, it.modifiers).to_vec(),
                None => key(
                    [Key::Tab, Key::Enter, Key::Escape, Key::Delete][dice.below(4)],
                    Modifiers::NONE,
                )
                .to_vec(),
            }
        }
        89..=92 => vec![Input::Text(
            ["é", "12", " mask:2.5@3.. ", "字", "\u{202e}"][dice.below(5)].to_owned(),
        )],
        93..=94 => {
            *size = vec2(500.0 + dice.share() * 1900.0, 400.0 + dice.share() * 1100.0);
            stage.resize(*size);
            Vec::new()
        }
        95 => {
            let theme = [ThemePreference::Dark, ThemePreference::Light][dice.below(2)];
            stage.app_mut().command(Command::SetTheme(theme));
            Vec::new()
        }
        96 => {
            let zoom = [Command::ZoomIn, Command::ZoomOut, Command::ZoomReset];
            stage.app_mut().command(zoom[dice.below(3)].clone());
            Vec::new()
        }
        97 => {
            let pace = [None, Some(200.0), Some(8.0)][dice.below(3)];
            stage.app_mut().command(Command::SetPace(pace));
            Vec::new()
        }
        98 => {
            let layout = [Command::ShowAll, Command::ResetLayout];
            stage.app_mut().command(layout[dice.below(2)].clone());
            Vec::new()
        }
        _ => vec![Input::WindowFocused(dice.below(4) > 0)],
    }
}

#[test]
fn ten_thousand_random_events_leave_the_app_alive_quick_and_small() {
    let mut size = vec2(1440.0, 900.0);
    let mut stage = HeadlessApp::with(size, |cc| {
        App::on_engine(
            cc,
            ModelSource::Bundled(Bundled::Tour),
            Placement::default(),
        )
        .unwrap()
    });
    stage.ctx().set_theme(Theme::Dark);
    let mut dice = Dice(20_261_122);
    let mut hand = Hand {
        at: pos2(0.0, 0.0),
        held: None,
    };
    while !stage.app().is_idle() || stage.app().session().baseline().is_none() {
        stage.frame(Vec::new());
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    (0..N_WARM_UP).for_each(|_| {
        stage.frame(Vec::new());
    });
    let mut slowest = (0.0, 0);
    let mut early_bytes = None;
    for n in 0..N_EVENTS {
        let events = next(&mut dice, &mut hand, &mut stage, &mut size);
        let shown = format!("{events:?}");
        let start = thread_secs();
        let cost = stage.frame(events);
        let secs = match (start, thread_secs()) {
            (Some(start), Some(end)) => end - start,
            _ => cost.total().as_secs_f64(),
        };
        if secs > slowest.0 {
            slowest = (secs, n);
        }
        assert!(
            secs <= MOST_SECS,
            "frame {n} took {secs:.3} s after {shown}"
        );
        if n == N_EVENTS / 100 {
            early_bytes = resident_bytes();
        }
        assert!(!stage.is_closed(), "event {n} closed the window: {shown}");
    }
    let gained = resident_bytes()
        .zip(early_bytes)
        .map(|(late, early)| late.saturating_sub(early));
    println!("slowest frame {slowest:?}, {gained:?} bytes gained");
    assert!(
        gained.is_none_or(|it| it <= MOST_BYTES_GAINED),
        "{gained:?}"
    );
    let failure = stage.app().session().message.as_ref();
    assert!(!failure.is_some_and(|it| it.text.contains("ended")));
}
