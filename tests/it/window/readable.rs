//! Numbers that can be read: bars with a scale, what was drawn always in sight, words that nothing crosses out, tables of
//! four digits, one rate, the strongest of a flow first.

use eframe::egui::{Key, Pos2, Rect, Shape, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::{App, HUGE, HeadlessApp, TOUR_LIKE};
use moescope::engine::Event;
use moescope::spec::Position;
use moescope::ui::Command;

use super::drive::{click, key, scripted, settle as settle_window, tour, until};
use super::fixture::labels;
use super::layout::{Text, settle, stage, texts};
use super::script::{baseline, edited};

fn words(stage: &HeadlessApp) -> Vec<Text> {
    texts(stage.shapes())
}

#[test]
fn bars_have_an_axis() {
    let mut stage = stage(TOUR_LIKE, vec2(1440.0, 900.0), 1.0);
    for (panel, ends) in [("next_token", " %"), ("router", "100 %")] {
        stage.app_mut().command(Command::ToggleAlone(panel));
        settle(&mut stage);
        let all = words(&stage);
        let end = all
            .iter()
            .filter(|it| it.words.ends_with(ends))
            .max_by(|a, b| a.ink.bottom().total_cmp(&b.ink.bottom()));
        let end = end.unwrap_or_else(|| panic!("{panel} has no end of an axis"));
        let zero = all
            .iter()
            .find(|it| it.words == "0" && (it.ink.center().y - end.ink.center().y).abs() < 3.0);
        let zero = zero.unwrap_or_else(|| panic!("{panel}: no 0 beside {}", end.words));
        assert!(end.ink.left() - zero.ink.right() > 100.0, "{panel}");
        stage.app_mut().command(Command::ToggleAlone(panel));
        settle(&mut stage);
    }
}

#[test]
fn the_tokens_drawn_stand_at_the_foot_with_their_rank_where_the_list_is_longer() {
    let mut window = tour();
    window.state_mut().command(Command::SetPace(None));
    let mut sampling = window.state().experiment().sampling;
    sampling.temperature = moescope::spec::Amount(1.6);
    window.state_mut().command(Command::SetSampling {
        sampling,
        commit: true,
    });
    window.state_mut().command(Command::SetStopAfter(60));
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "text is written", |it| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() > 60)
    });
    // The token that was least likely of all that were drawn.
    let (at, rank, token) = {
        let session = window.state().session();
        let row = session.baseline().unwrap().record;
        let drawn = row
            .readouts
            .iter()
            .filter(|it| it.at.idx() + 1 >= row.n_given);
        let ranks = drawn.filter_map(|it| Some((it.at, it.next?.rank, it.next?.token)));
        ranks.max_by_key(|it| it.1).unwrap()
    };
    assert!(rank > 12, "{rank}");
    let selection = window.state().selection();
    let at: Position = at;
    window
        .state_mut()
        .command(Command::Select(moescope::ui::Selection {
            position: Some(at),
            ..selection
        }));
    settle_window(&mut window);
    let shown = labels(&window, "Continue with ");
    let last = shown.iter().find(|it| it.contains(", drawn next"));
    let last = last.unwrap_or_else(|| panic!("token {token}: {shown:?}"));
    assert!(
        last.contains(&format!(
            "rank {},",
            moescope::spec::grouped(u64::from(rank))
        )),
        "{last}"
    );
    let drawn = window.get_by_label(last).rect();
    let pane = window.get_by_label("Next token").rect();
    assert!(
        drawn.top() > pane.bottom() && drawn.bottom() < 860.0,
        "{drawn:?} is in sight"
    );
}

/// The strikes of amber lines that are drawn.
fn strikes(shape: &Shape, out: &mut Vec<[Pos2; 2]>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| strikes(it, out)),
        Shape::LineSegment { points, stroke } if stroke.color == moescope::ui::DARK.amber => {
            out.push(*points);
        }
        _ => {}
    }
}

fn crosses(rect: Rect, [a, b]: [Pos2; 2]) -> bool {
    (0..=200).any(|n| rect.contains(a.lerp(b, n as f32 / 200.0)))
}

#[test]
fn masked_is_never_crossed_out() {
    for size in [
        vec2(1440.0, 900.0),
        vec2(1920.0, 1080.0),
        vec2(1024.0, 700.0),
    ] {
        let mut stage = stage(TOUR_LIKE, size, 1.0);
        stage.ctx().set_theme(Theme::Dark);
        for at in 0..6 {
            let edit = format!("mask:{at}.{}@0..", at + 1).parse().unwrap();
            stage.app_mut().command(Command::AddEdit(edit));
        }
        for panel in ["heatmap", "load", "router"] {
            stage.app_mut().command(Command::ShowPanel(panel));
            settle(&mut stage);
            let mut lines = Vec::new();
            stage
                .shapes()
                .iter()
                .for_each(|it| strikes(&it.shape, &mut lines));
            assert!(!lines.is_empty(), "{panel}: nothing is struck");
            let found = words(&stage).into_iter().filter(|it| it.words == "masked");
            for text in found {
                let over = lines.iter().find(|it| crosses(text.ink.shrink(1.0), **it));
                assert_eq!(over, None, "{panel} at {size:?}: {:?}", text.ink);
            }
        }
    }
}

/// Cells of 40 points and more say by how much, in percentage points with their sign.
#[test]
fn wide_cells_say_the_difference() {
    let mut window = tour();
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(12));
    let n_prompt = window.state().experiment().given.len();
    let masks = [
        "mask:2.5@4..",
        "mask:3.6@4..",
        "mask:4.5@4..",
        "mask:5.5@4..",
    ];
    let masks = masks.iter().map(|it| it.parse().unwrap()).collect();
    window.state_mut().command(Command::SetEdits(masks));
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "both texts are written", |it| {
        let row = it.session().edited();
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() >= n_prompt + 12)
    });
    window.state_mut().command(Command::ToggleAlone("heatmap"));
    settle_window(&mut window);
    click(&mut window, "What the cells show");
    click(&mut window, "difference");
    let cell = window.get_by_label("layer 4 expert 2").rect();
    assert!(cell.width() >= 40.0, "{cell:?}");
    let all = texts(&window.output().shapes);
    let inside = |it: &&Text| {
        let digits = it.words.trim_start_matches(['+', '−']);
        let is_change = it.words != digits && digits.parse::<f32>().is_ok();
        is_change && it.ink.bottom() < window.get_by_label("layer 5 expert 2").rect().bottom()
    };
    let changes: Vec<&Text> = all.iter().filter(inside).collect();
    assert!(changes.len() >= 16, "{} changes in cells", changes.len());
    // What is masked is picked no more: its cell says by how much less, and that is the most that is lost.
    let masked = window.get_by_label("layer 4 expert 5").rect();
    let told = changes.iter().find(|it| masked.contains_rect(it.ink));
    let told = told.expect("a number in the cell of what is masked");
    assert!(told.words.starts_with('−'), "{}", told.words);
    let is_scale = |it: &Text| it.words.contains("percentage points of tokens");
    assert!(all.iter().any(is_scale), "the scale says what they are");
}

#[test]
fn a_table_shows_four_digits_and_copies_all() {
    let (mut window, _script) =
        scripted((1440.0, 900.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    window.state_mut().command(Command::ToggleAlone("router"));
    window.state_mut().command(Command::ToggleTable("router"));
    settle_window(&mut window);
    let found = window.query_all_by_label_contains("weight ");
    let cells: Vec<String> = found.filter_map(|it| it.accesskit_node().label()).collect();
    let full = cells.iter().find(|it| it.len() > "weight 0.1234".len());
    assert!(
        full.is_some(),
        "read aloud and copied with every digit: {cells:?}"
    );
    let shown = texts(&window.output().shapes);
    let decimals = |it: &Text| it.words.split_once('.').map(|it| it.1.len());
    let numbers: Vec<&Text> = shown
        .iter()
        .filter(|it| it.words.parse::<f64>().is_ok() && it.words.contains('.'))
        .collect();
    assert!(numbers.len() > 8, "{}", numbers.len());
    for it in &numbers {
        let n = it.words.bytes().filter(u8::is_ascii_digit).count();
        assert!(n <= 5, "{}", it.words);
        // Points under one another: numbers that end at the same place have as many decimals.
        let mates = numbers
            .iter()
            .filter(|other| (other.ink.right() - it.ink.right()).abs() < 1.5);
        for other in mates {
            assert_eq!(
                decimals(it),
                decimals(other),
                "{} {}",
                it.words,
                other.words
            );
        }
    }
}

#[test]
fn one_rate_is_told_and_it_is_a_mean() {
    let (mut window, script) =
        scripted((1440.0, 900.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    let before = window.state().session().could_do.unwrap_or(100.0);
    let wanted = (before * 0.8 + 100.0 * 0.2) * 0.8 + 200.0 * 0.2;
    for tokens_per_sec in [100.0, 200.0] {
        script.say([Event::Speed { tokens_per_sec }]);
        settle_window(&mut window);
    }
    let rates = |window: &super::drive::Window| {
        let found = window.query_all_by_label_contains(" tokens/s");
        let all =
            found.filter_map(|it| it.accesskit_node().value().or(it.accesskit_node().label()));
        // The pace that was set is no rate.
        all.filter(|it| it.contains("up to") || it.contains('.'))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        rates(&window),
        [format!("up to {} tokens/s", wanted.round())]
    );
}

#[test]
fn a_flow_shows_its_strongest_pairs_first() {
    let (mut window, _script) = scripted(
        (1440.0, 900.0),
        Theme::Dark,
        edited(TOUR_LIKE, 60, 44),
        false,
    );
    window.state_mut().command(Command::ToggleAlone("path"));
    settle_window(&mut window);
    click(&mut window, "The path of a token, or the flow of the text");
    click(&mut window, "flow of the text");
    let sentence = |window: &super::drive::Window| labels(window, "Flow over ").remove(0);
    let first = sentence(&window);
    let share = |it: &str| -> f32 {
        let words = it.split("drawn, ").nth(1).unwrap();
        words.split_whitespace().next().unwrap().parse().unwrap()
    };
    assert!(first.contains("the strongest "), "{first}");
    assert!((60.0..75.0).contains(&share(&first)), "{first}");
    let hint = "How much of the flow is drawn: as few pairs as carry 60 % of it between two layers, or all";
    click(&mut window, hint);
    click(&mut window, "all pairs");
    let all = sentence(&window);
    assert!(share(&all) > share(&first) + 20.0, "{all}");
}

#[test]
fn among_many_experts_the_line_shows_surprise_first_and_margins_by_rank() {
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, baseline(HUGE, 40), false);
    let found = |window: &super::drive::Window, words: &str| {
        window.query_all_by_label_contains(words).next().is_some()
    };
    assert!(found(&window, "line: surprise"));
    click(&mut window, "line: surprise");
    click(&mut window, "margin");
    key(&mut window, Key::Escape);
    let shown = texts(&window.output().shapes);
    let low = shown
        .iter()
        .find(|it| it.words.starts_with("a near thing "));
    let high = shown.iter().find(|it| it.words.starts_with("clear "));
    let number = |it: Option<&Text>, at: usize| -> f32 {
        let words = &it.expect("an end with its number").words;
        let word = words.split_whitespace().nth(at).unwrap();
        word.trim_end_matches(',').parse().unwrap()
    };
    assert!(number(low, 3) < number(high, 1));
}

#[test]
fn the_bar_goes_to_the_prompts_end_back_one_and_on_one() {
    let mut window = tour();
    let n_prompt = window.state().experiment().given.len();
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(8));
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "text is written", |it| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() >= n_prompt + 8)
    });
    let place =
        |window: &super::drive::Window, name: &str| window.get_by_label(name).rect().center().x;
    let order = ["To the prompt's end", "Back one token", "Play", "Step"];
    let places = order.map(|it| place(&window, it));
    assert!(places.is_sorted(), "{places:?}");
    click(&mut window, "Back one token");
    until(&mut window, "one token less", App::is_idle);
    assert_eq!(window.state().experiment().given.len(), n_prompt + 7);
    click(&mut window, "To the prompt's end");
    until(&mut window, "the prompt alone is given", App::is_idle);
    assert_eq!(window.state().experiment().given.len(), n_prompt);
    let last = Position::new(n_prompt - 1);
    assert_eq!(window.state().selection().position, Some(last));
}
