//! The Path panel: ways are those of the trace, flow is a recount, and what is drawn can be pointed at.

use std::collections::HashMap;

use eframe::egui::{Key, Pos2, Rect, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::words::{percent, short};
use moescope::ui::{Command, Selection};

use super::drive::{Window, click, key, list, scripted, settle};
use super::script::{HUGE, Size, TOUR_LIKE, baseline};

fn window(size: Size, n: u32) -> Window {
    let mut window = scripted((1440.0, 900.0), Theme::Dark, baseline(size, n), false).0;
    window.state_mut().command(Command::ShowPanel("path"));
    settle(&mut window);
    window
}

fn choose(window: &mut Window, chip: &str, choice: &str) {
    click(window, chip);
    click(window, choice);
    key(window, Key::Escape);
}

fn flow(window: &mut Window) {
    let chip = "The path of a token, or the flow of the text";
    choose(window, chip, "flow of the text");
    // The strongest pairs come first: all of them are asked for, beside what is joined where the head is narrow.
    let amount = "How much of the flow is drawn: as few pairs as carry 60 % of it between two layers, or all";
    let has_chip = window.query_by_label(amount).is_some();
    let chip = if has_chip {
        amount
    } else {
        "Which picks are joined"
    };
    choose(window, chip, "all pairs");
}

fn click_at(window: &mut Window, at: Pos2) {
    window.hover_at(at);
    window.step();
    window.drag_at(at);
    window.drop_at(at);
    settle(window);
}

/// Experts a router picked for a token, strongest first.
fn picks(window: &Window, router: usize, at: usize) -> Vec<(usize, f32)> {
    let store = &window.state().session().baseline().unwrap().record.store;
    let routed = store.at(RouterId::new(router), Position::new(at)).unwrap();
    routed
        .picks()
        .map(|it| (it.expert.idx(), it.weight))
        .collect()
}

/// Positions whose tokens are not special.
fn counted(window: &Window) -> Vec<usize> {
    let session = window.state().session();
    let row = session.baseline().unwrap();
    let special = |at: &usize| session.tokens().is_special(row.record.tokens[*at]);
    (0..row.record.store.len())
        .filter(|it| !special(it))
        .collect()
}

/// What a node of a kind of view is called, and where it stands.
fn node(window: &Window, start: &str, router: usize, expert: usize) -> (String, Rect) {
    let part = format!("layer {router} expert {expert}:");
    let all = window.query_all_by_label_contains(&part);
    let named = all.filter_map(|it| Some((it.accesskit_node().label()?, it.rect())));
    let mut found =
        named.filter(|it| it.0.starts_with(start) && it.0.contains(&format!(" {part}")));
    let own = found.find(|it| {
        it.0.split(&part)
            .next()
            .is_some_and(|it| !it.contains("followed"))
    });
    own.unwrap_or_else(|| panic!("no {start} {part}"))
}

#[test]
fn the_nodes_say_the_weights_of_the_token_shown() {
    let mut window = window(TOUR_LIKE, 30);
    let selection = Selection {
        position: Some(Position(17)),
        ..window.state().selection()
    };
    window.state_mut().command(Command::Select(selection));
    settle(&mut window);
    for router in 0..6 {
        let picks: HashMap<usize, f32> = picks(&window, router, 17).into_iter().collect();
        for expert in 0..8 {
            let (name, _) = node(&window, "path of", router, expert);
            let wanted = picks.get(&expert).map_or_else(
                || ": not picked".to_owned(),
                |it| format!(": picked, weight {}", short(f64::from(*it))),
            );
            assert!(name.ends_with(&wanted), "{name}: {wanted}");
        }
    }
}

#[test]
fn a_curve_under_the_pointer_is_a_token_that_a_click_selects() {
    let mut window = window(TOUR_LIKE, 30);
    assert_eq!(window.state().selection().position, None);
    // The newest token is shown: its curve runs through the middle of its nodes, level where it leaves them.
    let middle = |router: usize| {
        let (expert, _) = picks(&window, router, 29)[0];
        node(&window, "path of", router, expert).1.center()
    };
    let at = middle(2) + (middle(3) - middle(2)) * 0.5;
    window.hover_at(at);
    (0..60).for_each(|_| window.step());
    let words = format!("layer 3: expert {} (", picks(&window, 3, 29)[0].0);
    window.get_by_label_contains(&words);
    let at_the_pointer = window.query_all_by_label_contains("(token 29)");
    assert_eq!(
        at_the_pointer.count(),
        2,
        "in the sentence and beside the pointer"
    );
    click_at(&mut window, at);
    assert_eq!(window.state().selection().position, Some(Position(29)));
}

#[test]
fn the_gestures_on_an_expert_work_on_its_node() {
    let mut window = window(TOUR_LIKE, 30);
    let at = node(&window, "path of", 3, 6).1.center();
    click_at(&mut window, at);
    let it = window.state().selection();
    assert_eq!(
        (it.router, it.expert),
        (Some(RouterId(3)), Some(ExpertId(6)))
    );
    (0..40).for_each(|_| window.step());
    for _ in 0..2 {
        window.drag_at(at);
        window.drop_at(at);
    }
    settle(&mut window);
    assert_eq!(list(&window), ["mask:3.6@30.."]);
}

/// `n_ij` between a router and the next over all pairs of picks, or of the strongest.
fn pairs(window: &Window, router: usize, n_picks: usize) -> HashMap<(usize, usize), usize> {
    let mut out = HashMap::new();
    for at in counted(window) {
        for (i, _) in picks(window, router, at).into_iter().take(n_picks) {
            for (j, _) in picks(window, router + 1, at).into_iter().take(n_picks) {
                *out.entry((i, j)).or_default() += 1;
            }
        }
    }
    out
}

fn check_flow(window: &Window, n_picks: usize, kind: &str, chance: f32) {
    let positions = counted(window);
    for router in 0..5 {
        let pairs = pairs(window, router, n_picks);
        for expert in 0..8 {
            let picked = |at: &&usize| {
                let all = picks(window, router, **at);
                all.iter().take(n_picks).any(|it| it.0 == expert)
            };
            let n = positions.iter().filter(picked).count();
            let (name, _) = node(window, "flow through", router, expert);
            let own = format!(
                "flow through layer {router} expert {expert}: {kind} for {n} of {} tokens",
                positions.len()
            );
            let leaving = pairs.iter().filter(|it| it.0.0 == expert);
            let largest = leaving.max_by_key(|it| (*it.1, std::cmp::Reverse(it.0.1)));
            let wanted = largest.map_or(own.clone(), |((_, to), both)| {
                format!(
                    "{own}, most often followed by layer {} expert {to}: {} of its tokens (even chance {}), {both} of {n}",
                    router + 1,
                    percent(*both as f32 / n as f32),
                    percent(chance),
                )
            });
            assert_eq!(name, wanted);
        }
    }
}

#[test]
fn flow_is_a_recount_of_the_picks_that_meet() {
    let mut window = window(TOUR_LIKE, 50);
    flow(&mut window);
    check_flow(&window, 2, "picked", 0.25);
    choose(&mut window, "Which picks are joined", "strongest only");
    check_flow(&window, 1, "the strongest", 0.125);
}

#[test]
fn a_ribbon_under_the_pointer_tells_the_numbers_of_its_pair() {
    let mut window = window(TOUR_LIKE, 50);
    flow(&mut window);
    let pairs = pairs(&window, 2, 2);
    let x = |router: usize| node(&window, "flow through", router, 0).1.center().x;
    let (x, plot) = (
        f32::midpoint(x(2), x(3)),
        window.get_by_label("Flow through 6 routers").rect(),
    );
    let mut n_read = 0;
    for step in 1..12 {
        let y = plot.top() + plot.height() * step as f32 / 12.0;
        window.hover_at(Pos2::new(x, y));
        (0..45).for_each(|_| window.step());
        let all = window.query_all_by_label_contains(" → layer 3 expert ");
        let texts: Vec<String> = all
            .filter_map(|it| it.accesskit_node().label().or(it.accesskit_node().value()))
            .filter(|it| it.starts_with("layer 2 expert "))
            .collect();
        for text in texts {
            let numbers: Vec<usize> = text
                .split(|it: char| !it.is_ascii_digit())
                .filter_map(|it| it.parse().ok())
                .collect();
            let (from, to) = (numbers[1], numbers[3]);
            let (both, of) = (numbers[numbers.len() - 2], numbers[numbers.len() - 1]);
            assert_eq!(pairs.get(&(from, to)), Some(&both), "{text}");
            let sum: usize = pairs
                .iter()
                .filter(|it| it.0.0 == from)
                .map(|it| it.1)
                .sum();
            assert_eq!(sum, of * 2, "each of its tokens goes to two: {text}");
            n_read += 1;
        }
    }
    assert!(n_read >= 3, "{n_read} ribbons under the pointer");
}

#[test]
fn of_very_many_pairs_the_largest_are_drawn_and_their_part_is_said() {
    let mut window = window(HUGE, 20);
    flow(&mut window);
    (0..60).for_each(|_| window.step());
    let node = window.get_by_label_contains("Flow over 19 tokens: ");
    let node = node.accesskit_node();
    let said = node.label().or(node.value()).unwrap();
    // 93 gaps, eight each at least; a pair of eight by eight for each of 19 tokens.
    assert!(said.contains("the largest 744 pairs drawn"), "{said}");
    let mut shown = 0;
    for router in 0..93 {
        let mut n: Vec<usize> = pairs(&window, router, 8).into_values().collect();
        n.sort_unstable_by_key(|it| std::cmp::Reverse(*it));
        shown += n.iter().take(8).sum::<usize>();
    }
    let part = percent(shown as f32 / (93 * 19 * 64) as f32);
    assert!(
        said.contains(&format!("{part} of all flow")),
        "{said}: {part}"
    );
}
