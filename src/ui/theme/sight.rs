//! The colours as people see them who see fewer: every distance and contrast that the look promises, computed.
//!
//! Sight without long, middle or short cones after Machado, Oliveira and Fernandes, "A Physiologically-based Model for
//! Simulation of Color Vision Deficiency" (2009), at full severity, on linear light; distances in `OKLab`.

mod search;

use eframe::egui::Color32;

use super::{DARK, LIGHT, PRESENT, Palette, RAMP_LEN};

/// How far apart any two experts are, and each from panel and text; `OKLab`.
const APART: f64 = 0.11;
/// How far an expert is from amber in normal sight: nobody takes one for what was changed.
const FROM_AMBER: f64 = 0.15;
/// On light an expert is no darker, and no greyer, than this: at 5 points the rest is black.
const LEAST_LIGHT: f64 = 0.42;
const LEAST_CHROMA: f64 = 0.08;
const ALL: [&Palette; 3] = [&DARK, &LIGHT, &PRESENT];
/// How far a step of a ramp may fall back in lightness; bytes round.
const SLACK: f64 = 0.004;

type Matrix = [[f64; 3]; 3];

const SIGHTS: [(&str, Matrix); 4] = [
    (
        "normal",
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ),
    (
        "protan",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deutan",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritan",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

fn times(matrix: &Matrix, it: [f64; 3]) -> [f64; 3] {
    matrix.map(|row| row.iter().zip(it).map(|(a, b)| a * b).sum())
}

fn linear(color: Color32) -> [f64; 3] {
    [color.r(), color.g(), color.b()].map(|it| {
        let it = f64::from(it) / 255.0;
        if it <= 0.040_45 {
            it / 12.92
        } else {
            ((it + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// Lightness, green to red, blue to yellow; by Björn Ottosson (2020).
fn oklab(linear: [f64; 3]) -> [f64; 3] {
    let cones = times(
        &[
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ],
        linear,
    );
    times(
        &[
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ],
        cones.map(f64::cbrt),
    )
}

fn seen(color: Color32, sight: &Matrix) -> [f64; 3] {
    oklab(times(sight, linear(color)).map(|it| it.clamp(0.0, 1.0)))
}

fn distance(a: Color32, b: Color32, sight: &Matrix) -> f64 {
    let pairs = seen(a, sight).into_iter().zip(seen(b, sight));
    pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// WCAG 2 contrast.
fn contrast(a: Color32, b: Color32) -> f64 {
    let luminance = |it| {
        let [r, g, b] = linear(it);
        0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05
    };
    let (a, b): (f64, f64) = (luminance(a), luminance(b));
    (a / b).max(b / a)
}

fn experts(palette: &Palette) -> Vec<Color32> {
    (0..8).map(|it| palette.expert(it)).collect()
}

#[test]
fn the_measures_are_those_of_their_authors() {
    // White is lightness 1 without colour, and stays so in every sight; red is where its author puts it.
    for (name, sight) in &SIGHTS {
        let [l, a, b] = seen(Color32::WHITE, sight);
        assert!(
            (l - 1.0).abs() < 1e-3 && a.abs() < 1e-3 && b.abs() < 1e-3,
            "{name}"
        );
    }
    let [l, a, b] = oklab(linear(Color32::from_rgb(255, 0, 0)));
    assert!((l - 0.628).abs() < 1e-3 && (a - 0.225).abs() < 1e-3 && (b - 0.126).abs() < 1e-3);
    // Who lacks one kind of cones takes some reds for greens.
    let (red, green) = (
        Color32::from_rgb(200, 60, 50),
        Color32::from_rgb(104, 120, 40),
    );
    let normal = distance(red, green, &SIGHTS[0].1);
    assert!(distance(red, green, &SIGHTS[2].1) < normal / 3.0);
    assert!((contrast(Color32::WHITE, Color32::BLACK) - 21.0).abs() < 1e-9);
}

#[test]
fn experts_are_told_apart_by_everyone() {
    for palette in ALL {
        let experts = experts(palette);
        let others = [palette.panel, palette.text, palette.amber];
        for (name, sight) in &SIGHTS {
            for (n, a) in experts.iter().enumerate() {
                for b in experts[n + 1..].iter().chain(&others) {
                    let far = distance(*a, *b, sight);
                    assert!(far >= APART, "expert {n} {a:?} and {b:?}: {far:.3}, {name}");
                }
            }
        }
        for (n, it) in experts.iter().enumerate() {
            let contrast = contrast(*it, palette.panel);
            assert!(contrast >= 3.0, "expert {n}: {contrast:.2}");
            let far = distance(*it, palette.amber, &SIGHTS[0].1);
            assert!(far >= FROM_AMBER, "expert {n} and amber: {far:.3}");
            let [light, a, b] = oklab(linear(*it));
            let is_seen = light >= LEAST_LIGHT && a.hypot(b) >= LEAST_CHROMA;
            assert!(palette.dark || is_seen, "expert {n}: {light:.2}");
        }
    }
}

#[test]
fn a_larger_amount_is_further_from_the_panel_for_everyone() {
    for palette in ALL {
        let panel = |sight| seen(palette.panel, sight)[0];
        for (name, sight) in &SIGHTS {
            let ramp = palette.ramp(false);
            let far: Vec<f64> = ramp
                .iter()
                .map(|it| Color32::from_rgb(it[0], it[1], it[2]))
                .map(|it| (seen(it, sight)[0] - panel(sight)).abs())
                .collect();
            assert_eq!(far.len(), RAMP_LEN);
            let falls = far.windows(2).find(|it| it[1] < it[0] - SLACK);
            assert_eq!(falls, None, "{name}");
            // An eighth of the ramp is a step that is seen.
            let steps: Vec<f64> = far.iter().copied().step_by(RAMP_LEN / 8).collect();
            assert!(
                steps.windows(2).all(|it| it[1] - it[0] > 0.03),
                "{name}: {steps:?}"
            );
        }
    }
}

#[test]
fn less_and_more_are_told_apart_by_everyone() {
    for palette in ALL {
        for (name, sight) in &SIGHTS {
            for n in 1..=8 {
                let t = f32::from(n as u8) / 16.0;
                let (less, more) = (palette.difference(0.5 - t), palette.difference(0.5 + t));
                let apart = distance(less, more, sight);
                // Twice as far as from the panel at the least, were they in line; the ends are two experts apart.
                let least = if n == 8 { APART } else { 0.02 };
                assert!(apart >= least, "{name}, {t}: {apart:.3}");
                let from = |it: f32| distance(palette.difference(it), palette.panel, sight);
                assert!(
                    from(0.5 + t) > from(0.5 + t - 1.0 / 16.0) - SLACK,
                    "{name} {t}"
                );
                assert!(
                    from(0.5 - t) > from(0.5 - t + 1.0 / 16.0) - SLACK,
                    "{name} {t}"
                );
            }
        }
    }
}

#[test]
fn what_was_changed_is_told_from_what_was_not_by_everyone() {
    for palette in ALL {
        for (name, sight) in &SIGHTS {
            for other in [palette.second, palette.text, palette.accent, palette.panel] {
                let far = distance(palette.amber, other, sight);
                assert!(far >= APART, "amber and {other:?}: {far:.3}, {name}");
            }
        }
    }
}

#[test]
fn words_can_be_read_on_every_surface() {
    for palette in ALL {
        for surface in [palette.window, palette.panel, palette.raised] {
            for words in [palette.text, palette.second, palette.selected] {
                let contrast = contrast(words, surface);
                assert!(contrast >= 4.5, "{words:?} on {surface:?}: {contrast:.2}");
            }
        }
        for surface in [palette.panel, palette.raised] {
            for words in [palette.accent, palette.red] {
                let contrast = contrast(words, surface);
                assert!(contrast >= 4.5, "{words:?} on {surface:?}: {contrast:.2}");
            }
        }
        for words in [palette.text, palette.selected] {
            assert!(contrast(words, palette.hovered) >= 4.5);
        }
        assert!(contrast(palette.on_accent, palette.accent) >= 4.5);
        let amber = contrast(palette.amber, palette.panel);
        assert!(amber >= 4.5, "amber on the panel: {amber:.2}");
    }
}

/// What is shown to a class: letters at 7, marks at 3, on whatever they stand.
#[test]
fn the_back_row_reads_letters_and_sees_marks() {
    let it = &PRESENT;
    let surfaces = [it.panel, it.raised, it.hovered];
    let letters = [it.text, it.second, it.third, it.selected, it.accent, it.red];
    for (letters, surface) in letters.iter().flat_map(|a| surfaces.map(|b| (*a, b))) {
        let contrast = contrast(letters, surface);
        assert!(contrast >= 7.0, "{letters:?} on {surface:?}: {contrast:.2}");
    }
    for letters in [it.text, it.second, it.third] {
        assert!(contrast(letters, it.window) >= 7.0);
    }
    for surface in [it.panel, it.raised] {
        assert!(contrast(it.amber, surface) >= 7.0);
    }
    assert!(contrast(it.on_accent, it.accent) >= 7.0);
    let ends = [it.difference(0.0), it.difference(1.0), it.amount(0.0)];
    let marks = experts(it).into_iter().chain(ends).chain([it.line]);
    for mark in marks {
        let contrast = contrast(mark, it.panel);
        assert!(contrast >= 3.0, "{mark:?}: {contrast:.2}");
    }
}
