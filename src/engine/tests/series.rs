//! The engine on a model of time series: points are read and written like tokens, forecasts stand in the place of
//! probabilities, and edits are compared by how far they move the forecast.

use super::{
    states::opened,
    watch::{Watch, experiment},
};
use crate::corpus::TextSource;
use crate::engine::{Event, ModelOpener, ModelSource, Opener as _, Request};
use crate::spec::{Experiment, InterventionSet, Position, PromptForm, Series, TokenId};
use crate::study::{Study, StudyEvent};
use crate::trace::{PositionKind, StepTrace};

/// A wave of points, with edits.
fn wave(n: usize, edits: &[&str]) -> Experiment {
    let text: Vec<String> = (0..n)
        .map(|it| format!("{:.3}", (it as f64 * 0.7).sin() * 40.0 + 100.0))
        .collect();
    let (given, scale) = Series::typed(&text.join(" ")).unwrap().tokens();
    Experiment {
        given,
        scale,
        ..experiment(&[], 1, edits)
    }
}

/// The numbers of a head in a forecast of horizons 1, 8 and 32.
fn head(forecast: &[f32], n: usize) -> &[f32] {
    let from = [1, 8, 32].iter().take_while(|it| **it < n).sum::<usize>();
    &forecast[from..from + n]
}

#[test]
fn rows_of_a_series_are_what_the_model_says_of_it_point_by_point() {
    let mut it = opened("time_moe");
    it.show(&wave(40, &[]));
    it.play(5);
    it.check();
    let row = it.baseline();
    assert_eq!((row.tokens.len(), row.n_given), (45, 40));
    for at in 0..row.tokens.len() {
        let readout = row.readouts.get(at).unwrap();
        assert_eq!(readout.forecast.len(), 1 + 8 + 32);
        assert!(readout.next.is_none() && readout.top.is_empty());
    }
    // What is written is the forecast of the next point.
    for at in 40..45 {
        let before = row.readouts.get(at - 1).unwrap();
        let said = TokenId::of_point(head(&before.forecast, 1)[0]);
        assert_eq!(row.tokens[at], said, "point {at}");
    }
    assert_eq!(row.surprise(Position(3)), None);
}

#[test]
fn edits_anywhere_are_what_a_model_of_series_says_and_undo_brings_all_back() {
    let mut it = opened("time_moe");
    let plain = wave(40, &[]);
    it.show(&plain);
    it.play(4);
    let before = it.baseline().clone();
    for edits in [
        &["mask:1.0@20.."][..],
        &["force:0.3@..", "k:2=1@10.."],
        &["zero:1.4@42.."],
    ] {
        it.show(&wave(40, edits));
        it.check();
        it.play(3);
        it.check();
        it.show(&plain);
        it.check();
        assert_eq!(it.baseline().tokens[..44], before.tokens[..]);
    }
}

#[test]
fn a_comparison_is_the_mean_distance_of_the_longest_forecasts() {
    let mut it = opened("time_moe");
    let rows = it.show(&wave(40, &["k:*=1@20.."]));
    let counterfactual = it.record(rows.counterfactual.unwrap());
    let n = counterfactual.comparisons.len();
    assert!(n >= 20, "{n}");
    let mut moved = 0;
    for found in counterfactual.comparisons.iter() {
        let at = found.at.idx();
        let of = |row: &crate::trace::RowRecord| row.readouts.get(at).unwrap().forecast.clone();
        let (a, b) = (of(it.baseline()), of(counterfactual));
        let pairs = head(&a, 32).iter().zip(head(&b, 32));
        let want: f32 = pairs.map(|(a, b)| (a - b).abs()).sum::<f32>() / 32.0;
        assert_eq!(found.kl.to_bits(), want.to_bits());
        assert!(found.baseline.is_none() && found.edited.is_none());
        assert!(at >= 20 || found.kl == 0.0);
        moved += usize::from(found.kl > 0.0);
    }
    assert!(moved > 0);
}

#[test]
fn controls_of_an_edit_are_compared_by_their_forecasts() {
    let mut it = opened("time_moe");
    it.show(&wave(30, &[]));
    let list = |text: &str| -> InterventionSet { [text.parse().unwrap()].into_iter().collect() };
    let study = Study::Controls {
        tokens: it.baseline().tokens.clone(),
        next: None,
        from: Position(10),
        lists: vec![list("mask:1.0@10.."), list("mask:1.5@10..")],
    };
    it.ask(Request::Study { tag: 1, study });
    until_ended(&mut it).unwrap();
    let told = it.log.iter().filter_map(|it| match it {
        Event::Study {
            event: StudyEvent::Controlled { comparisons, .. },
            ..
        } => Some(comparisons),
        _ => None,
    });
    let all: Vec<f32> = told.flatten().map(|it| it.kl).collect();
    assert_eq!(all.len(), 40);
    assert!(all.iter().all(|it| it.is_finite()) && all.iter().any(|it| *it > 0.0));
}

fn until_ended(it: &mut Watch) -> Result<(), String> {
    let ended = it.until(|it| {
        matches!(
            it,
            Event::Study {
                event: StudyEvent::Ended { .. },
                ..
            }
        )
    });
    match ended {
        Event::Study {
            event: StudyEvent::Ended { result, .. },
            ..
        } => result.map_err(|it| it.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Reads a file as a survey; the windows that came of it, and how it ended.
fn survey(text: &str) -> (Vec<StepTrace>, Result<(), String>) {
    let folder = std::env::temp_dir().join(format!("moescope-series-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{}.csv", text.len()));
    std::fs::write(&file, text).unwrap();
    let mut it = opened("time_moe");
    let study = Study::Survey {
        texts: vec![TextSource::File(file)],
        edits: InterventionSet::default(),
    };
    it.ask(Request::Study { tag: 1, study });
    let result = until_ended(&mut it);
    let steps = it.log.into_iter().filter_map(|it| match it {
        Event::Study {
            event: StudyEvent::Surveyed { step, .. },
            ..
        } => Some(step),
        _ => None,
    });
    let _ = std::fs::remove_dir_all(&folder);
    (steps.collect(), result)
}

#[test]
fn a_survey_reads_every_column_of_numbers_as_a_series_of_its_own() {
    let rows: Vec<String> = (0..50)
        .map(|it| format!("d{it},{it},{}", it * it))
        .collect();
    let text = format!("day,a,b\n{}\n", rows.join("\n"));
    let (steps, result) = survey(&text);
    result.unwrap();
    let starts = steps.iter().filter(|it| it.start == Position(0)).count();
    let n: usize = steps.iter().map(|it| it.tokens.len()).sum();
    assert_eq!((starts, n), (2, 100));
    let (_, result) = survey("1\n2\nthree\n");
    let why = result.unwrap_err();
    assert!(why.contains("line 3, column 1 has \"three\""), "{why}");
}

#[test]
fn text_becomes_points_and_what_is_none_is_said() {
    let mut it = opened("time_moe");
    let Event::Opened(facts) = &it.log[it.log.len() - 1] else {
        panic!("{:?}", it.log)
    };
    assert_eq!(facts.position_kind(), PositionKind::Point);
    assert!(!facts.has_tokenizer && facts.reads_texts());
    assert!(!facts.is_special(TokenId::of_point(1.0)));
    let mut encode = |text: &str| {
        it.ask(Request::Encode {
            tag: 7,
            text: text.to_owned(),
            form: PromptForm::Plain,
        });
        match it.until(|it| matches!(it, Event::Encoded { .. })) {
            Event::Encoded { tokens, .. } => tokens.map_err(|it| it.to_string()),
            other => panic!("{other:?}"),
        }
    };
    let tokens = encode("10, 20\n30").unwrap();
    let points: Vec<f32> = tokens.into_iter().map(TokenId::point).collect();
    assert_eq!(points, [-1.0, 0.0, 1.0]);
    let why = encode("10 x").unwrap_err();
    assert!(why.contains("line 1, column 2 has \"x\""), "{why}");
}

#[test]
fn who_knows_no_series_is_told_what_does() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/fixtures/time_moe"
    );
    let mut opener = ModelOpener::default();
    let refused = opener.open(&ModelSource::Path(folder.into()));
    let why = refused.err().unwrap().to_string();
    assert!(why.contains("run --series"), "{why}");
}
