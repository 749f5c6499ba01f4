//! What the cells and the tokens say: the reference's numbers in each mode, orders, pins, tables, the keyboard.

use eframe::egui::{self, Key, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::analysis::{LoadStats, PhaseFilter, chained, pair_counts};
use moescope::document::{Cell, Table};
use moescope::engine::{Event, Request};
use moescope::spec::{ExpertId, Position, RouterId, TokenId};
use moescope::ui::{Command, Cx, Drawing, PANELS, RowChoice, Selection};
use safetensors::SafeTensors;

use super::drive::{Window, click, click_token, key, list, scripted, settle, token_label};
use super::fixture::{self, Fixture};
use super::numbers::{f32s, i64s};
use super::script::{LIST, Script, TOUR_LIKE, baseline, edited, facts};

const WIDE: (f32, f32) = (1440.0, 900.0);

/// What a widget says beside its name.
fn value(window: &Window, label: &str) -> String {
    window.get_by_label(label).value().unwrap_or_default()
}

fn cell(router: usize, expert: usize) -> String {
    format!("layer {router} expert {expert}")
}

/// The number after a name: of `share of tokens 12.5 %, picked` 12.5.
fn number(text: &str, name: &str) -> f64 {
    let rest = text
        .strip_prefix(name)
        .unwrap_or_else(|| panic!("{text} is no {name}"));
    let digits: String = rest
        .trim_start()
        .replace('−', "-")
        .chars()
        .take_while(|it| it.is_ascii_digit() || "+-.e".contains(*it))
        .collect();
    digits.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Three significant digits of it.
fn is_short_for(shown: f64, exact: f64) -> bool {
    (shown - exact).abs() <= exact.abs() * 0.006 + 0.002
}

fn choose(window: &mut Window, chip: &str, what: &str) {
    click(window, chip);
    click(window, what);
}

const VALUE: &str = "What the cells show";
const PHASE: &str = "Which tokens are counted";
const ORDER: &str = "In which order experts stand";

/// Weights of each expert of a router over the reference's tokens: `[T][E]`, none where not chosen.
fn weights(expected: &SafeTensors<'_>, router: usize) -> Vec<[Option<f64>; 8]> {
    let ids = i64s(expected, &format!("topk_ids.{router}"));
    let all = f32s(expected, &format!("topk_weights.{router}"));
    let pairs = ids.chunks_exact(2).zip(all.chunks_exact(2));
    pairs
        .map(|(ids, weights)| {
            let mut out = [None; 8];
            for (id, weight) in ids.iter().zip(weights) {
                out[*id as usize] = Some(f64::from(*weight));
            }
            out
        })
        .collect()
}

#[test]
fn every_mode_of_the_cells_equals_the_reference() {
    let Fixture {
        mut window,
        expected: bytes,
        folder: _folder,
    } = fixture::open("mixtral");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let at = 3;
    click_token(&mut window, at);
    choose(&mut window, PHASE, "prefill");
    let check = |window: &Window, wanted: &dyn Fn(usize, usize) -> (&'static str, Option<f64>)| {
        for (router, expert) in (0..3).flat_map(|r| (0..8).map(move |e| (r, e))) {
            let text = value(window, &cell(router, expert));
            match wanted(router, expert) {
                (name, Some(wanted)) => {
                    let shown = number(&text, name);
                    assert!(
                        is_short_for(shown, wanted),
                        "{router}.{expert}: {text}, {wanted}"
                    );
                }
                (words, None) => assert_eq!(text, words),
            }
        }
    };
    check(&window, &|router, expert| {
        let all = weights(&expected, router);
        let n = all.iter().filter(|it| it[expert].is_some()).count();
        ("share of tokens", Some(100.0 * n as f64 / all.len() as f64))
    });
    choose(&mut window, VALUE, "gate mass");
    check(&window, &|router, expert| {
        let all = weights(&expected, router);
        (
            "gate mass",
            Some(all.iter().filter_map(|it| it[expert]).sum()),
        )
    });
    choose(&mut window, VALUE, "live pick");
    check(
        &window,
        &|router, expert| match weights(&expected, router)[at][expert] {
            Some(it) => ("weight", Some(it)),
            None => ("not picked", None),
        },
    );
    choose(&mut window, VALUE, "score");
    check(&window, &|router, expert| {
        let all = f32s(&expected, &format!("router_logits.{router}"));
        let z = &all[at * 8..at * 8 + 8];
        let sum: f64 = z.iter().map(|it| f64::from(*it).exp()).sum();
        ("score", Some(100.0 * f64::from(z[expert]).exp() / sum))
    });
}

/// Experts of a layer from left to right.
fn standing(window: &Window, router: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..8).collect();
    let left = |it: &usize| window.get_by_label(&cell(router, *it)).rect().left();
    all.sort_by(|a, b| left(a).total_cmp(&left(b)));
    all
}

#[test]
fn layers_stand_by_load_or_by_what_is_picked_together() {
    let (mut window, _script) = scripted(WIDE, Theme::Dark, baseline(TOUR_LIKE, 50), false);
    choose(&mut window, ORDER, "by load");
    let store = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .store
        .clone();
    let special = |it: TokenId| it.0 == 0;
    let load = LoadStats::count(&store, Position(0)..store.end(), special);
    let mut differ = false;
    for router in 0..6 {
        let n = load
            .router(RouterId::new(router), PhaseFilter::All)
            .unwrap()
            .n;
        let order = standing(&window, router);
        assert!(
            order.windows(2).all(|it| n[it[0]] >= n[it[1]]),
            "{order:?} {n:?}"
        );
        differ |= order != (0..8).collect::<Vec<_>>();
    }
    assert!(differ);
    window.get_by_label_contains("columns are ranks, not experts");
    // A click is on the expert that stands there, not on the one of the column's number.
    let first = standing(&window, 3)[0];
    click(&mut window, &cell(3, first));
    let selection = window.state().selection();
    assert_eq!(selection.expert, Some(ExpertId::new(first)));
    choose(&mut window, ORDER, "by co-activation");
    for router in 0..6 {
        let counts = pair_counts(&store, RouterId::new(router), 8, special);
        let wanted: Vec<usize> = chained(&counts, 8).iter().map(|it| it.idx()).collect();
        assert_eq!(standing(&window, router), wanted);
    }
}

/// A window whose edits can be made: the engine has answered the prompt.
pub fn with_prompt(events: Vec<Event>) -> (Window, Script) {
    let (mut window, script) = scripted(WIDE, Theme::Dark, events, false);
    let tag = script.asked.borrow().iter().find_map(|it| match it {
        Request::Encode { tag, .. } => Some(*tag),
        _ => None,
    });
    script.say([Event::Encoded {
        tag: tag.unwrap(),
        tokens: Ok((0..9).map(TokenId).collect()),
    }]);
    settle(&mut window);
    (window, script)
}

#[test]
fn differences_are_counted_on_as_the_texts_grow() {
    let mut first = edited(TOUR_LIKE, 40, 40);
    let rest = first.split_off(first.len() - 20);
    let (mut window, script) = with_prompt(first);
    choose(&mut window, VALUE, "difference");
    settle(&mut window);
    script.say(rest);
    settle(&mut window);
    choose(
        &mut window,
        "What is compared with the baseline",
        "edited text − baseline",
    );
    let session = window.state().session();
    let count = |row: RowChoice| {
        let store = &session.row(row).unwrap().record.store;
        LoadStats::count(store, Position(8)..store.end(), |it| it.0 == 0)
    };
    let (before, after) = (count(RowChoice::Baseline), count(RowChoice::Edited));
    let mut n_moved = 0;
    for (router, expert) in (0..6).flat_map(|r| (0..8).map(move |e| (r, e))) {
        let share = |it: &LoadStats| {
            let load = it.router(RouterId::new(router), PhaseFilter::All).unwrap();
            load.share(ExpertId::new(expert)).unwrap()
        };
        let wanted = 100.0 * (share(&after) - share(&before));
        let text = value(&window, &cell(router, expert));
        assert!(
            is_short_for(number(&text, "difference"), wanted),
            "{text}, {wanted}"
        );
        n_moved += usize::from(wanted.abs() > 1.0);
    }
    assert!(n_moved > 5);
}

#[test]
fn pinned_experts_are_named_where_they_were_picked() {
    let (mut window, script) = scripted(WIDE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    for (router, expert) in [(4, 1), (2, 3)] {
        click(&mut window, &cell(router, expert));
        key(&mut window, Key::I);
        assert!(value(&window, &cell(router, expert)).ends_with(", pinned"));
    }
    let store = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .store
        .clone();
    let mut n_named = 0;
    for at in 0..30 {
        let picked = |router: usize, expert: u16| {
            let routed = store.at(RouterId::new(router), Position::new(at)).unwrap();
            routed.picks().any(|it| it.expert == ExpertId(expert))
        };
        let label = token_label(&window, at);
        let text = value(&window, &label);
        assert_eq!(
            text.contains("layer 4 expert 1"),
            picked(4, 1),
            "{label}: {text}"
        );
        assert_eq!(
            text.contains("layer 2 expert 3"),
            picked(2, 3),
            "{label}: {text}"
        );
        n_named += usize::from(picked(4, 1) || picked(2, 3));
    }
    assert!((1..30).contains(&n_named));
    // A fifth takes the place of the first, and that is said.
    for expert in [5, 6, 7] {
        click(&mut window, &cell(0, expert));
        key(&mut window, Key::I);
    }
    assert!(!value(&window, &cell(4, 1)).contains("pinned"));
    assert!(value(&window, &cell(0, 7)).contains("pinned"));
    let message = window.state().session().message.clone().unwrap().text;
    assert!(message.contains("layer 4, expert 1"), "{message}");
    // Another model has other experts.
    script.say([Event::Opened(Box::new(facts(TOUR_LIKE)))]);
    script.say(baseline(TOUR_LIKE, 12).split_off(1));
    settle(&mut window);
    assert!(!value(&window, &cell(0, 7)).contains("pinned"));
}

/// Gives a panel of its own what a panel of the window would see.
fn with_cx<R>(window: &Window, drawing: Drawing, look: impl FnOnce(&mut Cx<'_>) -> R) -> R {
    let mut commands = Vec::new();
    look(&mut fixture::cx(window.state(), drawing, &mut commands))
}

fn table(window: &Window, name: &str) -> Table {
    let make = PANELS.iter().find(|it| it.0 == name).unwrap().1;
    with_cx(window, Drawing::Screen, |cx| make().table(cx)).unwrap()
}

fn column(table: &Table, name: &str) -> Vec<Cell> {
    let n = table.columns.iter().position(|it| it.name == name).unwrap();
    table.rows.iter().map(|it| it[n].clone()).collect()
}

#[test]
fn tables_have_the_numbers_that_are_shown() {
    let (mut window, _script) = with_prompt(edited(TOUR_LIKE, 40, 30));
    for text in LIST {
        let edit = text.parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
    }
    settle(&mut window);
    let heatmap = table(&window, "heatmap");
    assert_eq!(heatmap.rows.len(), 48);
    for (n, share) in column(&heatmap, "share of tokens").iter().enumerate() {
        let Cell::Number(share) = share else {
            panic!("{share:?}")
        };
        let text = value(&window, &cell(n / 8, n % 8));
        assert!(
            is_short_for(number(&text, "share of tokens"), share * 100.0),
            "{text}, {share}"
        );
    }
    let transcript = table(&window, "transcript");
    assert_eq!(
        transcript.rows.len(),
        40 + 30 - 9,
        "the edited text from the token after the edit on"
    );
    let session = window.state().session();
    let router = window.state().selection().router.unwrap();
    for (n, expert) in column(&transcript, "strongest expert")
        .iter()
        .take(40)
        .enumerate()
    {
        let store = &session.baseline().unwrap().record.store;
        let strongest = store
            .at(router, Position::new(n))
            .unwrap()
            .strongest()
            .unwrap();
        assert_eq!(*expert, Cell::from(strongest.expert.idx()));
    }
    let kl: Vec<bool> = column(&transcript, "KL")
        .iter()
        .map(|it| *it != Cell::Empty)
        .collect();
    assert!(kl[..9].iter().all(|it| !it) && kl[9..40].iter().all(|it| *it));
    let edits = table(&window, "edits");
    let forms: Vec<Cell> = LIST.iter().map(|it| Cell::from(*it)).collect();
    assert_eq!(column(&edits, "text form"), forms);
}

#[test]
fn tab_reaches_the_cells_and_arrows_move_the_expert() {
    let (mut window, _script) = with_prompt(baseline(TOUR_LIKE, 30));
    click(&mut window, "layer 2 expert 5");
    let grid = "Experts by layer";
    for _ in 0..120 {
        if window.get_by_label(grid).is_focused() {
            break;
        }
        key(&mut window, Key::Tab);
    }
    assert!(window.get_by_label(grid).is_focused());
    let check = |window: &mut Window, arrow: Key, router: usize, expert: usize| {
        key(window, arrow);
        let now: Selection = window.state().selection();
        assert_eq!(now.router, Some(RouterId::new(router)));
        assert_eq!(now.expert, Some(ExpertId::new(expert)));
        assert_eq!(now.position, None, "the token stays");
        let text = value(window, grid);
        let own = value(window, &cell(router, expert));
        assert_eq!(text, format!("{}, {own}", cell(router, expert)));
    };
    check(&mut window, Key::ArrowRight, 2, 6);
    check(&mut window, Key::ArrowRight, 2, 7);
    check(&mut window, Key::ArrowRight, 2, 7);
    check(&mut window, Key::ArrowDown, 3, 7);
    check(&mut window, Key::ArrowLeft, 3, 6);
    check(&mut window, Key::ArrowUp, 2, 6);
    key(&mut window, Key::M);
    assert_eq!(list(&window), ["mask:2.6@30.."]);
}

#[test]
fn a_token_just_drawn_lights_up_and_then_nothing_asks_for_frames() {
    let mut events = baseline(TOUR_LIKE, 30);
    let last = events.remove(events.len() - 2);
    let (mut window, script) = with_prompt(events);
    script.say([Event::Playing(true)]);
    settle(&mut window);
    script.say([last]);
    // The token is folded in one frame and drawn in the same; the light asks for the next.
    window.step();
    assert!(window.ctx.has_requested_repaint());
    script.say([Event::Playing(false)]);
    (0..40).for_each(|_| window.step());
    assert!(!window.ctx.has_requested_repaint());
}

#[test]
fn on_paper_cells_are_shapes() {
    let (window, _script) = scripted(WIDE, Theme::Dark, baseline(TOUR_LIKE, 30), false);
    for (drawing, shader) in [(Drawing::Screen, true), (Drawing::Paper, false)] {
        let ctx = egui::Context::default();
        let mut panel = (PANELS.iter().find(|it| it.0 == "heatmap").unwrap().1)();
        let input = egui::RawInput {
            screen_rect: Some(egui::Rect::from_min_size(
                egui::Pos2::ZERO,
                egui::vec2(600.0, 300.0),
            )),
            ..egui::RawInput::default()
        };
        let mut output = ctx.run_ui(input, |ui| {
            with_cx(&window, drawing, |cx| panel.ui(cx, ui));
        });
        output.textures_delta.clear();
        let is_callback =
            |it: &egui::epaint::ClippedShape| matches!(it.shape, egui::Shape::Callback(_));
        assert_eq!(output.shapes.iter().any(is_callback), shader);
        let colours: Vec<_> = output
            .shapes
            .iter()
            .filter_map(|it| match &it.shape {
                egui::Shape::Rect(it) if it.rect.width() > 20.0 && it.rect.height() > 12.0 => {
                    Some(it.fill)
                }
                _ => None,
            })
            .collect();
        assert_eq!(colours.len() >= 48, !shader, "{} cells", colours.len());
    }
}
