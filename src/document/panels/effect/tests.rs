//! The sentences and the table of the effect, word for word.

use super::*;
use crate::analysis::TokenKl;
use crate::document::Cell;
use crate::spec::{LayerId, Position, RouterSpec};

fn spec() -> ModelSpec {
    let router = |it| RouterSpec::softmax_top_k(LayerId(it), 8, 2);
    ModelSpec::with_routers((0..4).map(router))
}

const EFFECT: Effect = Effect {
    n_tokens: 64,
    mean_kl: 0.5234,
    n_scored: 64,
    loss: 3.2,
    loss_change: 0.351,
};

fn controls(n: usize, n_wanted: usize) -> ControlEffects {
    let one = |it: usize| Effect {
        mean_kl: 0.01 + 0.002 * it as f64,
        loss_change: 0.004 * it as f64 - 0.01,
        ..EFFECT
    };
    ControlEffects {
        seed: 1,
        n_wanted,
        effects: (0..n).map(one).collect(),
        ..ControlEffects::default()
    }
}

fn check(edits: &[&str], controls: Option<&ControlEffects>, wanted: &str) {
    let edits = edits.iter().map(|it| it.parse().unwrap()).collect();
    let shown = ShownEffect {
        edits: &edits,
        effect: Some(EFFECT),
        concentration: None,
        layers: None,
        controls,
        kind: PositionKind::Token,
    };
    assert_eq!(shown.sentence(), wanted);
}

const HEAD: &str = "Mean KL 0.523 nats a token, loss +0.351 over 64 tokens of the baseline";

#[test]
fn the_effect_stands_beside_its_controls() {
    check(&["mask:4.5"], None, &format!("{HEAD}."));
    check(
        &["mask:4.5"],
        Some(&controls(3, 8)),
        &format!("{HEAD}; 3 of 8 random controls are read."),
    );
    check(
        &["mask:4.5"],
        Some(&controls(4, 8)),
        &format!(
            "{HEAD}; 4 of 8 random controls of the same layers (seed 1, provisional): KL 0.013 (0.01 to 0.016), loss −0.004 (−0.01 to +0.002)."
        ),
    );
    check(
        &["mask:4.5"],
        Some(&controls(5, 5)),
        &format!(
            "{HEAD}; 5 random controls of the same layers (seed 1): KL 0.014 (0.01 to 0.018), loss −0.002 (−0.01 to +0.006)."
        ),
    );
    check(
        &["mask:4.5"],
        Some(&controls(1, 1)),
        &format!(
            "{HEAD}; 1 random control of the same layers (seed 1, few to compare with): KL 0.01, loss −0.01."
        ),
    );
}

#[test]
fn edits_without_a_control_say_so() {
    check(
        &["k:1=1"],
        Some(&controls(0, 0)),
        &format!("{HEAD}; k names no expert, so that it has no control."),
    );
    check(
        &["k:1=1", "uniform:2", "random:3=7", "k:4=1"],
        None,
        &format!("{HEAD}; k, uniform and random name no expert, so that they have no control."),
    );
    check(
        &["k:1=1", "mask:4.5"],
        Some(&controls(3, 8)),
        &format!(
            "{HEAD}; 3 of 8 random controls are read (k names no expert, so that it has no control)."
        ),
    );
    let edits = ["mask:4.5".parse().unwrap()].into_iter().collect();
    let controls_of_it = controls(8, 8);
    let shown = ShownEffect {
        edits: &edits,
        effect: Some(EFFECT),
        concentration: None,
        layers: None,
        controls: Some(&controls_of_it),
        kind: PositionKind::Token,
    };
    assert_eq!(
        shown.short_sentence(),
        "Mean KL 0.523, loss +0.351; 8 controls: KL 0.017"
    );
    assert_eq!(
        shown.brief_sentence(),
        "Mean KL 0.523 nats a token, loss +0.351; 8 random controls (seed 1): KL 0.017, loss +0.004."
    );
    let few = controls(3, 8);
    let shown = ShownEffect {
        controls: Some(&few),
        ..shown
    };
    assert_eq!(
        shown.brief_sentence(),
        "Mean KL 0.523 nats a token, loss +0.351; 3 of 8 random controls are read."
    );
    let mut left_out = controls(0, 0);
    left_out.n_left_out = 1;
    check(
        &["mask:4.5"],
        Some(&left_out),
        &format!("{HEAD}; no control: its layers have no other expert."),
    );
}

#[test]
fn the_control_is_a_third_row_of_the_table() {
    let edits = ["mask:4.5".parse().unwrap()].into_iter().collect();
    let of = |controls: Option<ControlEffects>| {
        let shown = ShownEffect {
            edits: &edits,
            effect: Some(EFFECT),
            concentration: None,
            layers: None,
            controls: controls.as_ref(),
            kind: PositionKind::Token,
        };
        let table = shown.table().unwrap();
        let names = table.rows.iter().map(|it| it[0].words());
        names.collect::<Vec<_>>()
    };
    assert_eq!(of(None), ["baseline", "edited"]);
    assert_eq!(of(Some(controls(3, 8))), ["baseline", "edited"]);
    assert_eq!(
        of(Some(controls(8, 8))),
        ["baseline", "edited", "control, mean of 8 (seed 1)"]
    );
    assert_eq!(
        of(Some(controls(4, 8)))[2],
        "control, mean of 4 so far of 8 (seed 1)"
    );
}

#[test]
fn what_share_of_the_change_sits_in_which_layers_is_said() {
    let spec = spec();
    let edits = ["mask:1.5".parse().unwrap()].into_iter().collect();
    let check = |n_picks, largest: &[(u32, u64)], n_changed, n_routers, wanted: &str| {
        let mut all = largest
            .iter()
            .map(|it| (RouterId::new(it.0 as usize), it.1));
        let shown = ShownEffect {
            edits: &edits,
            effect: Some(EFFECT),
            concentration: None,
            layers: Some(ByLayer {
                spec: &spec,
                picks: PickShares {
                    n_picks,
                    n_changed,
                    n_routers,
                    largest: [all.next(), all.next()],
                },
            }),
            controls: None,
            kind: PositionKind::Token,
        };
        assert_eq!(shown.layers_sentence(), wanted);
        // The table names the same layers in a column of the edited row, and in no other.
        let table = shown.table().unwrap();
        let place = table
            .columns
            .iter()
            .position(|it| it.name == "picks changed most in");
        let cells: Vec<String> = table
            .rows
            .iter()
            .map(|it| it[place.unwrap()].words())
            .collect();
        let [first, second] = [0, 1].map(|n| largest.get(n).map(|it| format!("layer {}", it.0)));
        assert_eq!(cells[0], "");
        for name in [first, second].into_iter().flatten() {
            assert!(cells[1].contains(&name), "{}", cells[1]);
        }
        assert_eq!(cells[1].is_empty(), n_changed == 0);
    };
    check(1, &[], 0, 0, "None of 1 pick changed.");
    check(1280, &[], 0, 0, "None of 1,280 picks changed.");
    check(
        9,
        &[(1, 1)],
        1,
        1,
        "The 1 pick that changed sits in layer 1 (edited).",
    );
    check(
        9,
        &[(1, 4)],
        4,
        1,
        "All 4 picks that changed sit in layer 1 (edited).",
    );
    check(
        9000,
        &[(1, 1240), (2, 700)],
        2000,
        3,
        "Of 2,000 picks that changed 62 % sit in layer 1 (edited), 35 % in layer 2, 3 % in 1 more layer.",
    );
    check(
        9000,
        &[(2, 1999), (0, 1)],
        2000,
        2,
        "Of 2,000 picks that changed 100 % sit in layer 2, < 1 % in layer 0.",
    );
}

#[test]
fn where_the_change_sits_is_said_behind_it() {
    let edits = InterventionSet::default();
    let mut shown = ShownEffect {
        edits: &edits,
        effect: Some(EFFECT),
        concentration: Some(Concentration {
            share: 0.83,
            n_largest: 3,
            n_tokens: 95,
            largest: TokenKl {
                at: Position(9),
                kl: 6.2,
            },
        }),
        layers: None,
        controls: None,
        kind: PositionKind::Token,
    };
    let place = "83 % of the change sits in 3 of 95 tokens, the largest 6.2 nats.";
    assert_eq!(shown.place_sentence(), place);
    assert_eq!(shown.sentences(), format!("{HEAD}. {place}"));
    shown.effect = None;
    assert_eq!(shown.sentences(), place);
    assert_eq!(shown.table(), None);
}

#[test]
fn of_a_series_the_effect_is_a_difference_of_forecasts_without_a_loss() {
    let edits = ["mask:4.5".parse().unwrap()].into_iter().collect();
    let controls = controls(8, 8);
    let shown = ShownEffect {
        edits: &edits,
        effect: Some(Effect {
            n_scored: 0,
            loss: 0.0,
            loss_change: 0.0,
            ..EFFECT
        }),
        concentration: Some(Concentration {
            share: 0.5,
            n_largest: 3,
            n_tokens: 64,
            largest: TokenKl {
                at: Position(7),
                kl: 0.5,
            },
        }),
        layers: None,
        controls: Some(&controls),
        kind: PositionKind::Point,
    };
    let said = shown.sentences();
    let start = "Mean difference of forecasts 0.523 sd a point over 64 points of the baseline; 8 random controls";
    assert!(said.starts_with(start), "{said}");
    let end = "50 % of the change sits in 3 of 64 points, the largest 0.5 sd.";
    assert!(said.ends_with(end), "{said}");
    for word in ["KL", "nats", "loss", "token"] {
        assert!(!said.contains(word), "{word}: {said}");
    }
    let table = shown.table().unwrap();
    assert_eq!(table.columns[1].heading(), "mean difference (sd a point)");
    assert_eq!(table.rows[1][2], Cell::Empty);
}

#[test]
fn a_change_has_its_sign_however_small_and_no_change_has_none() {
    let check = |value: f64, has_sign, wanted: &str| {
        assert_eq!(effect_number_words(Some(value), has_sign), wanted);
    };
    check(0.25, true, "+0.25");
    check(0.25, false, "0.25");
    check(-0.25, true, "−0.25");
    check(0.0, true, "0");
    check(0.0, false, "0");
    check(0.000_2, true, "< +0.001");
    check(0.000_2, false, "< 0.001");
    check(-0.000_2, true, "> −0.001");
    assert_eq!(effect_number_words(None, true), "–");
}
