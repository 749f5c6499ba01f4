//! The Load panel: its numbers are those of the reference and of a recount, and its bars are experts.

use eframe::egui::{Key, Pos2, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::words::short;
use moescope::ui::{Command, RowChoice, Selection};
use safetensors::SafeTensors;

use super::drive::{Window, click, key, list, scripted, settle};
use super::fixture::{self, Fixture};
use super::numbers::i64s;
use super::script::{Size, TOUR_LIKE, baseline, edited};

const OLMOE_LIKE: Size = Size {
    n_layers: 16,
    n_experts: 64,
    top_k: 8,
};

const COUNTED: &str = "What is counted";
const ROUTER: &str = "The router shown";
const OVER: &str = "The whole text, or token by token";

fn window(size: Size, n: u32) -> Window {
    scripted((1440.0, 900.0), Theme::Dark, baseline(size, n), false).0
}

fn choose(window: &mut Window, chip: &str, choice: &str) {
    click(window, chip);
    click(window, choice);
    key(window, Key::Escape);
}

fn select_router(window: &mut Window, router: usize) {
    let selection = Selection {
        router: Some(RouterId::new(router)),
        ..window.state().selection()
    };
    window.state_mut().command(Command::Select(selection));
    settle(window);
}

/// Frames enough for a tooltip, the pointer at rest.
fn rest_at(window: &mut Window, at: Pos2) {
    window.hover_at(at);
    (0..60).for_each(|_| window.step());
}

fn click_at(window: &mut Window, at: Pos2) {
    window.hover_at(at);
    window.step();
    window.drag_at(at);
    window.drop_at(at);
    settle(window);
}

/// Long enough that the next click begins anew.
fn pause(window: &mut Window) {
    (0..40).for_each(|_| window.step());
}

/// Picks of each expert of a router at the counted positions, by going through the store.
fn recount(window: &Window, router: usize, positions: &[usize], n_experts: usize) -> Vec<u64> {
    let store = &window.state().session().baseline().unwrap().record.store;
    let mut out = vec![0; n_experts];
    for at in positions {
        let routed = store.at(RouterId::new(router), Position::new(*at)).unwrap();
        routed.picks().for_each(|it| out[it.expert.idx()] += 1);
    }
    out
}

/// Positions read whose tokens are not special.
fn counted(window: &Window) -> Vec<usize> {
    let session = window.state().session();
    let row = session.baseline().unwrap();
    let special = |at: &usize| session.tokens().is_special(row.record.tokens[*at]);
    (0..row.record.store.len())
        .filter(|it| !special(it))
        .collect()
}

/// `exp(H(f))`, worked out here.
fn effective(n: &[u64]) -> f64 {
    let total: u64 = n.iter().sum();
    let f = n.iter().map(|it| *it as f64 / total as f64);
    f.filter(|it| *it > 0.0)
        .map(|it| -it * it.ln())
        .sum::<f64>()
        .exp()
}

fn bar_name(router: usize, expert: usize, n: u64, n_tokens: usize) -> String {
    let share = short(n as f64 / n_tokens as f64 * 100.0);
    let state = if n == 0 { ", unused here" } else { "" };
    format!(
        "load of expert {expert}, layer {router}: {share} % of tokens, {n} of {n_tokens}, even 25 %{state}"
    )
}

/// The one sentence that says what was counted.
fn sentence(window: &Window) -> String {
    let found = window.get_by_label_contains("not the health of the model (Health");
    let node = found.accesskit_node();
    node.label().or(node.value()).unwrap()
}

#[test]
fn loads_of_a_fixture_are_those_of_the_reference_picks() {
    let Fixture {
        mut window,
        expected: bytes,
        folder: _folder,
    } = fixture::open("mixtral");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let ids = i64s(&expected, "input_ids");
    let n_tokens = ids.len();
    choose(&mut window, COUNTED, "prefill");
    for router in 0..3 {
        select_router(&mut window, router);
        let mut n = [0u64; 8];
        for expert in i64s(&expected, &format!("topk_ids.{router}")) {
            n[usize::try_from(expert).unwrap()] += 1;
        }
        for (expert, n) in n.iter().enumerate() {
            window.get_by_label(&bar_name(router, expert, *n, n_tokens));
        }
        let said = sentence(&window);
        let wanted = format!("{} of 8 experts in effective use", short(effective(&n)));
        assert!(said.contains(&wanted), "{said}: {wanted}");
        let over = format!("over {n_tokens} given tokens of this text");
        assert!(said.contains(&over), "{said}");
    }
}

#[test]
fn experts_never_picked_are_named_and_special_tokens_left_out() {
    let mut window = window(TOUR_LIKE, 30);
    let positions = counted(&window);
    let mut n_unused = 0;
    for router in 0..6 {
        select_router(&mut window, router);
        let n = recount(&window, router, &positions, 8);
        for (expert, n) in n.iter().enumerate() {
            window.get_by_label(&bar_name(router, expert, *n, positions.len()));
        }
        let unused: Vec<String> = (0..8)
            .filter(|it| n[*it] == 0)
            .map(|it| it.to_string())
            .collect();
        let words = match unused.len() {
            0 => "0 unused here ·".to_owned(),
            1 => format!("1 unused here (expert {})", unused[0]),
            n => format!("{n} unused here (experts {})", unused.join(", ")),
        };
        let said = sentence(&window);
        assert!(said.contains(&words), "{said}: {words}");
        assert!(said.contains("over 29 tokens of this text (1 special token not counted)"));
        n_unused += unused.len();
    }
    assert!(n_unused > 0, "no router of the script leaves one unused");
}

#[test]
fn the_gestures_on_an_expert_work_on_its_bar() {
    let mut window = window(TOUR_LIKE, 30);
    select_router(&mut window, 2);
    let bar = |window: &Window, expert: usize| {
        let start = format!("load of expert {expert}, layer 2:");
        window.get_by_label_contains(&start).rect().center()
    };
    let at = bar(&window, 3);
    click_at(&mut window, at);
    let it = window.state().selection();
    assert_eq!(
        (it.router, it.expert),
        (Some(RouterId(2)), Some(ExpertId(3)))
    );
    assert!(list(&window).is_empty(), "a click only selects");
    pause(&mut window);
    let at = bar(&window, 5);
    window.hover_at(at);
    window.step();
    for _ in 0..2 {
        window.drag_at(at);
        window.drop_at(at);
    }
    settle(&mut window);
    assert_eq!(list(&window), ["mask:2.5@30.."]);
    window
        .get_by_label_contains("load of expert 5, layer 2:")
        .click_secondary();
    settle(&mut window);
    click(&mut window, "Silence");
    assert_eq!(list(&window), ["mask:2.5@30..", "zero:2.5@30.."]);
}

#[test]
fn a_masked_expert_is_called_masked_in_the_edited_row_only() {
    let events = edited(TOUR_LIKE, 60, 44);
    let mut window = scripted((1440.0, 900.0), Theme::Dark, events, false).0;
    window
        .state_mut()
        .command(Command::AddEdit("mask:2.5@8..".parse().unwrap()));
    let select = |window: &mut Window, row| {
        let selection = Selection {
            row,
            router: Some(RouterId(2)),
            ..window.state().selection()
        };
        window.state_mut().command(Command::Select(selection));
        settle(window);
        let bar = window.get_by_label_contains("load of expert 5, layer 2:");
        bar.accesskit_node().label().unwrap().ends_with(", masked")
    };
    assert!(select(&mut window, RowChoice::Edited));
    assert!(sentence(&window).contains("1 masked (expert 5)"));
    assert!(sentence(&window).contains("tokens of the edited text"));
    assert!(!select(&mut window, RowChoice::Baseline));
    assert!(!sentence(&window).contains("masked"));
    assert!(sentence(&window).contains("tokens of the baseline text"));
}

#[test]
fn gate_mass_is_counted_beside_tokens() {
    let mut window = window(TOUR_LIKE, 30);
    select_router(&mut window, 2);
    choose(&mut window, COUNTED, "gate mass");
    let row = window.state().session().baseline().unwrap();
    let mut mass = [0.0f64; 8];
    for at in counted(&window) {
        let routed = row.record.store.at(RouterId(2), Position::new(at)).unwrap();
        routed
            .picks()
            .for_each(|it| mass[it.expert.idx()] += f64::from(it.weight));
    }
    let total: f64 = mass.iter().sum();
    for (expert, mass) in mass.iter().enumerate() {
        let share = short(mass / total * 100.0);
        window.get_by_label_contains(&format!(
            "load of expert {expert}, layer 2: {share} % of gate weight"
        ));
    }
    assert!(sentence(&window).starts_with("% of all gate weight"));
}

#[test]
fn many_experts_are_a_rank_curve_with_the_same_gestures() {
    let mut window = window(OLMOE_LIKE, 60);
    select_router(&mut window, 3);
    let positions = counted(&window);
    let n = recount(&window, 3, &positions, 64);
    let mut order: Vec<usize> = (0..64).collect();
    order.sort_by_key(|it| (std::cmp::Reverse(n[*it]), *it));
    let curve = window
        .get_by_label("Load of 64 experts by rank, layer 3")
        .rect();
    let place = |rank: usize| {
        curve.left_top()
            + vec2(
                curve.width() * (rank as f32 + 0.5) / 64.0,
                curve.height() / 2.0,
            )
    };
    for rank in [0, 9, 40, 63] {
        rest_at(&mut window, place(rank));
        let expert = order[rank];
        window.get_by_label(&format!("layer 3, expert {expert}"));
        let words = if n[expert] == 0 {
            "unused here: over".to_owned()
        } else {
            format!("picked for {} of {} tokens", n[expert], positions.len())
        };
        assert!(
            window.query_all_by_label_contains(&words).count() > 0,
            "{words}"
        );
    }
    click_at(&mut window, place(7));
    let it = window.state().selection();
    assert_eq!(it.expert, Some(ExpertId::new(order[7])));
    pause(&mut window);
    window.drag_at(place(2));
    window.drop_at(place(2));
    window.drag_at(place(2));
    window.drop_at(place(2));
    settle(&mut window);
    assert_eq!(list(&window), [format!("mask:3.{}@60..", order[2])]);
}

#[test]
fn over_time_the_last_window_is_a_recount_of_its_tokens() {
    let mut window = window(TOUR_LIKE, 50);
    select_router(&mut window, 4);
    choose(&mut window, OVER, "over time");
    let positions = counted(&window);
    let last = &positions[positions.len() - 32..];
    let n = recount(&window, 4, last, 8);
    let plot = window.get_by_label("Load over time, layer 4").rect();
    // In the lower plot no line of an expert is near.
    let end = plot.right_bottom() - vec2(1.0, 3.0);
    rest_at(&mut window, end);
    let words = format!(
        "over 32 tokens: {:.3} of 8 experts in effective use",
        effective(&n)
    );
    window.get_by_label_contains(&words);
    let most = n
        .iter()
        .enumerate()
        .max_by_key(|it| (it.1, std::cmp::Reverse(it.0)));
    let (expert, n) = most.unwrap();
    let words = format!("expert {expert}: {:.2} %", *n as f64 / 32.0 * 100.0);
    window.get_by_label(&words);
    click_at(&mut window, end);
    assert_eq!(window.state().selection().position, Some(Position(49)));
}

#[test]
fn all_routers_are_lines_that_sort_and_select() {
    let mut window = window(TOUR_LIKE, 50);
    choose(&mut window, ROUTER, "all routers");
    let positions = counted(&window);
    let mut loads: Vec<(usize, f64)> = Vec::new();
    for router in 0..6 {
        let n = recount(&window, router, &positions, 8);
        let words = format!(
            "layer {router}: {} of 8 experts in effective use, CV ",
            short(effective(&n)).replace('/', "of")
        );
        assert_eq!(
            window.query_all_by_label_contains(&words).count(),
            1,
            "{words}"
        );
        loads.push((router, effective(&n)));
    }
    click(&mut window, "Sort by effective");
    loads.sort_by(|a, b| a.1.total_cmp(&b.1));
    let tops: Vec<f32> = loads
        .iter()
        .map(|(router, _)| {
            let start = format!("layer {router}: ");
            let all = window.query_all_by_label_contains(&start);
            let mut lines =
                all.filter(|it| it.accesskit_node().label().unwrap().contains("MaxVio"));
            lines.next().unwrap().rect().top()
        })
        .collect();
    assert!(tops.is_sorted(), "least effective first: {tops:?}");
    let start = format!("layer {}: ", loads[0].0);
    let all = window.query_all_by_label_contains(&start);
    let line = all
        .into_iter()
        .find(|it| it.accesskit_node().label().unwrap().contains("MaxVio"));
    line.unwrap().click();
    settle(&mut window);
    assert_eq!(
        window.state().selection().router,
        Some(RouterId::new(loads[0].0))
    );
}
