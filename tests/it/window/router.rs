//! The Router panel: its numbers are the reference's, its gestures make one edit each.

use eframe::egui::{Key, Modifiers, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::analysis::probabilities;
use moescope::engine::Event;
use moescope::spec::{ExpertId, GroupScore, Groups, Position, RouterId, Score};
use moescope::trace::RowEvent;
use moescope::ui::{Command, RowChoice, Selection};
use safetensors::SafeTensors;

use super::drive::{Window, click, click_token, key, list, scripted, settle, undo, until};
use super::fixture::{self, answer_prompt, column, is_close, labels, number_after, table};
use super::numbers::{f32s, i64s};
use super::script::{HUGE, LIST, Script, TOUR_LIKE, baseline, edited};

fn select(window: &mut Window, row: RowChoice, at: u32, router: u16) {
    window.state_mut().command(Command::Select(Selection {
        row,
        position: Some(Position(at)),
        router: Some(RouterId(router)),
        expert: None,
    }));
    settle(window);
}

/// The bar of an expert, by the start of its name.
fn bar(window: &Window, expert: usize, layer: usize) -> String {
    let start = format!("expert {expert} of layer {layer}");
    let found: Vec<String> = labels(window, &start)
        .into_iter()
        .filter(|it| it[start.len()..].starts_with([':', ',']))
        .collect();
    assert_eq!(found.len(), 1, "{start}: {found:?}");
    found[0].clone()
}

fn softmax(logits: &[f32]) -> Vec<f32> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f32> = logits.iter().map(|it| (it - most).exp()).collect();
    let sum: f32 = exp.iter().sum();
    exp.iter().map(|it| it / sum).collect()
}

/// Layers with a router, experts, picks.
fn check(name: &str, layers: &[usize], n_experts: usize, top_k: usize) {
    let mut it = fixture::open(name);
    let expected = SafeTensors::deserialize(&it.expected).unwrap();
    for (router, layer) in layers.iter().enumerate() {
        let logits = f32s(&expected, &format!("router_logits.{layer}"));
        let ids = i64s(&expected, &format!("topk_ids.{layer}"));
        let weights = f32s(&expected, &format!("topk_weights.{layer}"));
        for at in [0, 7, 23] {
            select(&mut it.window, RowChoice::Baseline, at, router as u16);
            let at = at as usize;
            let shares = softmax(&logits[at * n_experts..(at + 1) * n_experts]);
            let picked = &ids[at * top_k..(at + 1) * top_k];
            for (expert, share) in shares.iter().enumerate() {
                let label = bar(&it.window, expert, *layer);
                let shown = number_after(&label, ": ");
                assert!(is_close(shown, share * 100.0), "{label}: {share}");
                let place = picked.iter().position(|it| *it == expert as i64);
                match place {
                    Some(place) => {
                        let weight = weights[at * top_k + place];
                        let shown = number_after(&label, "weight ");
                        assert!(is_close(shown, weight), "{label}: {weight}");
                    }
                    None => assert!(label.ends_with("not picked"), "{label}"),
                }
            }
            check_sentence(
                &it.window,
                &logits[at * n_experts..(at + 1) * n_experts],
                top_k,
            );
        }
    }
}

/// The nearest expert to the cut and what it lacks, and the entropy.
fn check_sentence(window: &Window, logits: &[f32], top_k: usize) {
    let label = labels(window, "weight = ");
    assert_eq!(label.len(), 1, "{label:?}");
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let lacks = logits[order[top_k - 1]] - logits[order[top_k]];
    let words = format!("expert {} needs +", order[top_k]);
    let shown = number_after(&label[0], &words);
    assert!((shown - lacks).abs() < 0.01, "{}: {lacks}", label[0]);
    let shares = softmax(logits);
    let entropy: f32 = shares.iter().map(|it| -it * it.ln()).sum();
    let entropy = entropy / (logits.len() as f32).ln() * 100.0;
    let shown = number_after(&label[0], "entropy ");
    assert!((shown - entropy).abs() < 0.6, "{}: {entropy}", label[0]);
}

#[test]
fn bars_weights_and_the_cut_of_mixtral_equal_the_reference() {
    check("mixtral", &[0, 1, 2], 8, 2);
}

#[test]
fn bars_weights_and_the_cut_of_qwen2_moe_equal_the_reference() {
    check("qwen2_moe", &[0, 2], 16, 4);
}

#[test]
fn bars_weights_and_the_cut_of_granite_equal_the_reference() {
    check("granitemoeshared", &[0, 1, 2], 8, 3);
}

#[test]
fn the_distance_to_the_cut_is_what_the_engine_needs() {
    let mut it = fixture::open("mixtral");
    let at = 7;
    select(&mut it.window, RowChoice::Baseline, at, 0);
    let sentence = labels(&it.window, "weight = ").remove(0);
    let lacks = number_after(&sentence, " needs +");
    let expert = number_after(&sentence, "· expert ");
    for (more, is_picked) in [(-0.02, false), (0.02, true)] {
        let edit = format!("bias:0.{expert}={}@{at}..", lacks + more);
        let edit = edit.parse().unwrap();
        it.window.state_mut().command(Command::AddEdit(edit));
        until(&mut it.window, "the edit is read", |it| {
            let edited = it.session().edited();
            it.is_idle() && edited.is_some_and(|it| it.record.store.len() > at as usize)
        });
        select(&mut it.window, RowChoice::Edited, at, 0);
        let label = bar(&it.window, expert as usize, 0);
        assert_eq!(label.contains("picked with weight"), is_picked, "{label}");
        assert!(label.contains("bias +"), "{label}");
        undo(&mut it.window);
        until(&mut it.window, "the edit is gone", |it| {
            it.is_idle() && it.session().edited().is_none()
        });
    }
}

/// All weights that make a layer's input may be 0: every score is the same.
#[test]
fn a_tie_at_the_cut_is_said() {
    let mut events = baseline(TOUR_LIKE, 30);
    for event in &mut events {
        let Event::Row(RowEvent::Stepped { step, .. }) = event else {
            continue;
        };
        let router = &mut step.routers[0];
        let n_picks = router.n_picks;
        router.logits.fill(0.0);
        router.margin.fill(Some(0.0));
        for (i, pick) in router.picks.iter_mut().enumerate() {
            pick.expert = ExpertId::new(i % n_picks);
        }
    }
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    let n_tied = |window: &Window| {
        let tied = "expert 2 scores as much as the last one picked: ties go to the lowest id";
        let said = labels(window, "weight = ").remove(0);
        said.matches(tied).count()
    };
    for (router, n) in [(0, 1), (1, 0)] {
        select(&mut window, RowChoice::Baseline, 7, router);
        assert_eq!(n_tied(&window), n, "router {router}");
    }
}

fn made_up() -> (Window, Script) {
    let (mut window, script) =
        scripted((1440.0, 900.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    answer_prompt(&mut window, &script);
    (window, script)
}

/// Drags the bar of an expert of layer 3 to the right.
fn drag(window: &mut Window, expert: usize, points: f32) {
    let before = list(window);
    let label = bar(window, expert, 3);
    let from = window.get_by_label(&label).rect().left_center() + vec2(20.0, 0.0);
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    for part in 1..=4 {
        window.hover_at(from + vec2(points * part as f32 / 4.0, 0.0));
        window.step();
    }
    assert_eq!(list(window), before, "nothing is done before the release");
    window.drop_at(from + vec2(points, 0.0));
    settle(window);
}

#[test]
fn dragging_a_bar_adds_one_bias_and_one_undo() {
    let (mut window, _script) = made_up();
    click_token(&mut window, 12);
    drag(&mut window, 5, 32.0);
    assert_eq!(list(&window), ["bias:3.5=0.8@12.."]);
    assert_eq!(window.state().selection().expert, Some(ExpertId(5)));
    // Again: the value of that line, no second one.
    drag(&mut window, 5, -60.0);
    assert_eq!(list(&window), ["bias:3.5=-0.7@12.."]);
    undo(&mut window);
    assert_eq!(list(&window), ["bias:3.5=0.8@12.."]);
    undo(&mut window);
    assert!(list(&window).is_empty());
    // Back to 0 is no edit.
    drag(&mut window, 5, 32.0);
    drag(&mut window, 5, -32.0);
    assert!(list(&window).is_empty());
    drag(&mut window, 5, 1.0);
    assert!(list(&window).is_empty(), "a click is no drag");
}

#[test]
fn escape_gives_a_drag_up() {
    let (mut window, _script) = made_up();
    let label = bar(&window, 5, 3);
    let from = window.get_by_label(&label).rect().left_center() + vec2(20.0, 0.0);
    window.hover_at(from);
    window.step();
    window.drag_at(from);
    window.step();
    window.hover_at(from + vec2(80.0, 0.0));
    window.step();
    key(&mut window, Key::Escape);
    window.drop_at(from + vec2(80.0, 0.0));
    settle(&mut window);
    assert!(list(&window).is_empty());
}

#[test]
fn a_hovered_bar_offers_mask_and_force() {
    let (mut window, _script) = made_up();
    click_token(&mut window, 12);
    for (button, wanted) in [("Mask", "mask:3.5@12.."), ("Force", "force:3.5@12..")] {
        let label = bar(&window, 5, 3);
        window.get_by_label(&label).hover();
        settle(&mut window);
        click(&mut window, &format!("{button} expert 5 here"));
        assert_eq!(list(&window).last().unwrap(), wanted);
    }
    let label = bar(&window, 5, 3);
    window.get_by_label(&label).hover();
    settle(&mut window);
    click(&mut window, "Release expert 5 here");
    assert_eq!(list(&window), ["mask:3.5@12.."]);
}

#[test]
fn bars_are_reached_and_picked_with_keys() {
    let (mut window, _script) = made_up();
    let focused = |window: &Window| {
        let all = window.query_all_by_label_contains("of layer 3");
        let mut found = all.filter(egui_kittest::Node::is_focused);
        found.find_map(|it| it.accesskit_node().label())
    };
    let reached = (0..200).find_map(|_| {
        window.key_press(Key::Tab);
        window.step();
        focused(&window)
    });
    let reached = reached.expect("Tab reaches a bar");
    key(&mut window, Key::Enter);
    let expert = number_after(&reached, "expert ");
    let selection = window.state().selection();
    assert_eq!(selection.expert, Some(ExpertId(expert as u16)));
    // Arrows walk through layers, as everywhere, and the bar keeps the keys.
    window.key_press_modifiers(Modifiers::NONE, Key::ArrowDown);
    settle(&mut window);
    assert_eq!(window.state().selection().router, Some(RouterId(4)));
    key(&mut window, Key::ArrowUp);
    key(&mut window, Key::M);
    assert_eq!(list(&window), [format!("mask:3.{expert}@30..")]);
}

#[test]
fn routers_are_stepped_through_and_chosen() {
    let (mut window, _script) = made_up();
    click(&mut window, "Next router");
    assert_eq!(window.state().selection().router, Some(RouterId(4)));
    click(&mut window, "Next router");
    click(&mut window, "Next router");
    assert_eq!(
        window.state().selection().router,
        Some(RouterId(5)),
        "the last"
    );
    click(&mut window, "Choose a router");
    click(&mut window, "layer 1");
    assert_eq!(window.state().selection().router, Some(RouterId(1)));
    click(&mut window, "Previous router");
    assert_eq!(window.state().selection().router, Some(RouterId(0)));
}

#[test]
fn of_many_experts_the_rest_is_one_line_and_its_share_is_right() {
    let events = baseline(HUGE, 20);
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    answer_prompt(&mut window, &script);
    select(&mut window, RowChoice::Baseline, 11, 40);
    let (rest, last) = {
        let session = window.state().session();
        let store = &session.baseline().unwrap().record.store;
        let routed = store.at(RouterId(40), Position(11)).unwrap();
        let mut shares: Vec<(f32, usize)> = probabilities(routed.logits().unwrap(), Score::Softmax)
            .into_iter()
            .zip(0..)
            .collect();
        shares.sort_by(|a, b| b.0.total_cmp(&a.0));
        let rest: f32 = shares[16..].iter().map(|it| it.0).sum();
        (rest * 100.0, shares[127].1)
    };
    let line = labels(&window, "112 more: ");
    assert!(
        is_close(number_after(&line[0], "more: "), rest),
        "{line:?}, {rest}"
    );
    assert_eq!(
        labels(&window, "expert ")
            .iter()
            .filter(|it| it.contains("of layer 40"))
            .count(),
        16
    );
    // One that is edited has its bar, wherever it stands.
    let edit = format!("mask:40.{last}@5..").parse().unwrap();
    window.state_mut().command(Command::AddEdit(edit));
    settle(&mut window);
    let label = bar(&window, last, 40);
    assert!(label.ends_with("not picked, masked in edited"), "{label}");
    assert_eq!(labels(&window, "111 more: ").len(), 1);
}

/// The events with every step's routing changed.
fn with_routing(
    mut events: Vec<Event>,
    change: impl Fn(&mut moescope::trace::RouterTrace),
) -> Vec<Event> {
    for event in &mut events {
        if let Event::Row(RowEvent::Stepped { step, .. }) = event {
            step.routers.iter_mut().for_each(&change);
        }
    }
    events
}

#[test]
fn where_raw_scores_were_forgotten_picks_and_weights_stay() {
    let events = with_routing(baseline(TOUR_LIKE, 30), |it| it.logits.clear());
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    answer_prompt(&mut window, &script);
    select(&mut window, RowChoice::Baseline, 11, 2);
    let sentence = labels(&window, "weight = ").remove(0);
    assert!(
        sentence.contains("raw scores of this token were forgotten"),
        "{sentence}"
    );
    assert!(
        !sentence.contains("entropy") && !sentence.contains("needs"),
        "{sentence}"
    );
    let bars: Vec<String> = labels(&window, "expert ")
        .into_iter()
        .filter(|it| it.contains("of layer 2"))
        .collect();
    assert_eq!(bars.len(), 2);
    assert!(
        bars.iter().all(|it| it.contains(", picked with weight 0.")),
        "{bars:?}"
    );
}

#[test]
fn edits_in_force_at_the_token_are_marked() {
    let events = edited(TOUR_LIKE, 60, 44);
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    answer_prompt(&mut window, &script);
    for text in LIST {
        let edit = text.parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
        settle(&mut window);
    }
    for (router, expert, words) in [(2, 5, "masked"), (4, 1, "forced"), (5, 5, "bias +2")] {
        select(&mut window, RowChoice::Edited, 11, router);
        let label = bar(&window, expert, router.into());
        assert!(label.ends_with(&format!(", {words}")), "{label}");
        select(&mut window, RowChoice::Baseline, 11, router);
        let label = bar(&window, expert, router.into());
        assert!(label.ends_with(&format!(", {words} in edited")), "{label}");
        let sentence = labels(&window, "weight = ").remove(0);
        assert!(sentence.contains("act on the edited text"), "{sentence}");
        select(&mut window, RowChoice::Edited, 7, router);
        let label = bar(&window, expert, router.into());
        assert!(!label.contains(words), "before the edit: {label}");
    }
    // A bias in force moves the bar: p of the biased logits.
    select(&mut window, RowChoice::Edited, 11, 5);
    let session = window.state().session();
    let store = &session.edited().unwrap().record.store;
    let routed = store.at(RouterId(5), Position(11)).unwrap();
    let mut logits = routed.logits().unwrap().to_vec();
    logits[5] += 2.0;
    let wanted = softmax(&logits)[5] * 100.0;
    let label = bar(&window, 5, 5);
    assert!(
        is_close(number_after(&label, ": "), wanted),
        "{label}: {wanted}"
    );
}

#[test]
fn groups_and_selection_biases_are_shown_where_the_family_has_them() {
    let mut events = with_routing(baseline(TOUR_LIKE, 30), |it| {
        let n_rows = it.margin.len();
        it.groups_kept = [true, false, false, true].repeat(n_rows);
        let score = |z: &f32| 1.0 / (1.0 + (-z).exp());
        it.selection = it.logits.iter().map(score).collect();
        it.selection.iter_mut().step_by(8).for_each(|c| *c += 3.0);
    });
    if let Event::Opened(facts) = &mut events[0] {
        for router in &mut facts.spec.routers {
            router.score = Score::Sigmoid;
            router.select_bias = true;
            router.groups = Some(Groups {
                n: 4,
                keep: 2,
                by: GroupScore::Max,
            });
        }
    }
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    answer_prompt(&mut window, &script);
    select(&mut window, RowChoice::Baseline, 11, 2);
    window.get_by_label("groups kept: 0, 3 of 4");
    let sentence = labels(&window, "weight = ").remove(0);
    assert!(
        sentence.contains("sorted by score + selection bias"),
        "{sentence}"
    );
    // Expert 0 has a bias no score can make up for: the first of the bars, or of those past the cut.
    let bars: Vec<String> = labels(&window, "expert ")
        .into_iter()
        .filter(|it| it.contains("of layer 2"))
        .collect();
    let picked = bars.iter().filter(|it| it.contains("picked with")).count();
    let place = bars
        .iter()
        .position(|it| it.starts_with("expert 0 "))
        .unwrap();
    assert!(place == 0 || place == picked, "{bars:?}");
}

#[test]
fn the_table_has_every_number_of_the_trace() {
    let (mut window, _script) = made_up();
    select(&mut window, RowChoice::Baseline, 11, 2);
    let table = table(&window, "router");
    assert!(
        table.title.starts_with("Router, layer 2, token 11 “occup”"),
        "{}",
        table.title
    );
    let session = window.state().session();
    let store = &session.baseline().unwrap().record.store;
    let routed = store.at(RouterId(2), Position(11)).unwrap();
    let logits = routed.logits().unwrap();
    let experts = column(&table, "expert");
    assert_eq!(experts.len(), 8);
    let raw = column(&table, "raw logit");
    let exact = |it: f32| f64::from(it).to_bits();
    for (expert, z) in experts.iter().zip(&raw) {
        assert_eq!(z.to_bits(), exact(logits[*expert as usize]));
    }
    assert!(raw.windows(2).all(|it| it[0] >= it[1]), "by what selects");
    let shares: f64 = column(&table, "p").iter().sum();
    assert!((shares - 100.0).abs() < 1e-4, "{shares}");
    let weights = column(&table, "weight");
    for (pick, weight) in routed.picks().zip(&weights) {
        assert_eq!(weight.to_bits(), exact(pick.weight));
    }
    assert!(weights[2..].iter().all(|it| it.is_nan()));
    let distances = column(&table, "distance to the cut");
    assert!(
        (distances[2] - (raw[1] - raw[2])).abs() < 1e-6,
        "{distances:?}"
    );
    let margin = column(&table, "margin");
    assert!(
        margin
            .iter()
            .all(|it| it.to_bits() == exact(routed.margin().unwrap()))
    );
}

#[test]
fn on_paper_nothing_can_be_pressed() {
    let (mut window, _script) = made_up();
    select(&mut window, RowChoice::Baseline, 11, 2);
    fixture::check_paper(&window, "router");
    let (window, _script) = scripted((1440.0, 900.0), Theme::Dark, baseline(HUGE, 20), false);
    fixture::check_paper(&window, "router");
}
