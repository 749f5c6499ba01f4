//! What a screen reader and the keyboard find: names, roles, a way to every panel.

use std::collections::{BTreeMap, BTreeSet};

use eframe::egui::{Key, Modifiers, Rect, Shape, Theme};
use egui_kittest::kittest::NodeT as _;
use moescope::ui::PANELS;

use super::drive::Window;
use super::export::{edited_window, edited_window_of};

/// A thing that can be acted on, as the tree tells it.
#[derive(Debug)]
struct Thing {
    role: String,
    name: String,
    rect: Rect,
}

/// Everything in the tree that takes the focus or a click.
fn things(window: &Window) -> Vec<Thing> {
    let all = window.root().children_recursive();
    all.filter_map(|node| {
        let it = node.accesskit_node();
        let data = it.data();
        let acts = data.supports_action(eframe::egui::accesskit::Action::Click)
            || data.supports_action(eframe::egui::accesskit::Action::Focus);
        (acts && !it.is_hidden()).then(|| Thing {
            role: format!("{:?}", it.role()),
            name: it.label().unwrap_or_default(),
            // Not everything that is told has a place.
            rect: it.bounding_box().map_or(Rect::NOTHING, |_| node.rect()),
        })
    })
    .collect()
}

/// Roles of containers, which egui lets take the focus or a click without their being anything by themselves.
const CONTAINERS: [&str; 7] = [
    "GenericContainer",
    "Window",
    "Pane",
    "ScrollView",
    "ScrollBar",
    "Unknown",
    "Splitter",
];

#[test]
fn everything_that_can_be_acted_on_has_a_name() {
    for theme in [Theme::Dark, Theme::Light] {
        let window = edited_window(theme);
        let all = things(&window);
        assert!(all.len() > 60, "{} things", all.len());
        let nameless: Vec<&Thing> = all
            .iter()
            .filter(|it| it.name.trim().is_empty() && !CONTAINERS.contains(&it.role.as_str()))
            .collect();
        assert!(nameless.is_empty(), "{nameless:#?}");
        assert_eq!(window.unnamed_widgets(), Vec::<String>::new());
    }
}

/// The same choice, shared by all panels and made in the head of any.
const SHARED: &str = "The row shown in every panel";

#[test]
fn names_tell_things_apart() {
    let window = edited_window(Theme::Dark);
    let mut named: BTreeMap<(String, String), Vec<Rect>> = BTreeMap::new();
    for it in things(&window) {
        if !it.name.is_empty()
            && !it.name.starts_with(SHARED)
            && !CONTAINERS.contains(&it.role.as_str())
        {
            named.entry((it.role, it.name)).or_default().push(it.rect);
        }
    }
    let alike: Vec<_> = named.iter().filter(|it| it.1.len() > 1).collect();
    assert!(alike.is_empty(), "{alike:#?}");
}

/// Where the focus is, in words; none where nothing has it.
fn focused(window: &Window) -> Option<String> {
    let mut all = window.root().children_recursive();
    all.find(egui_kittest::Node::is_focused)?
        .accesskit_node()
        .label()
}

#[test]
fn tab_reaches_every_panel() {
    let mut window = edited_window(Theme::Dark);
    let titles: BTreeSet<String> = PANELS.iter().map(|it| it.1().title().to_owned()).collect();
    let mut menus = BTreeSet::new();
    let mut tabs = BTreeSet::new();
    let mut reached = Vec::new();
    // One panel of each tile is in front.
    let all = things(&window);
    let has_menu = |it: &&String| all.iter().any(|thing| thing.name == format!("{it} menu"));
    let in_front: BTreeSet<String> = titles.iter().filter(has_menu).cloned().collect();
    assert_eq!(in_front.len(), 6);
    for _ in 0..600 {
        window.key_press_modifiers(Modifiers::NONE, Key::Tab);
        (0..2).for_each(|_| window.step());
        let Some(name) = focused(&window) else {
            continue;
        };
        if titles.contains(&name) {
            tabs.insert(name.clone());
        }
        if let Some(title) = name.strip_suffix(" menu") {
            menus.insert(title.to_owned());
        }
        reached.push(name);
        if tabs == titles && menus == in_front {
            return;
        }
    }
    assert_eq!(tabs, titles, "the tab of every panel: {reached:#?}");
    assert_eq!(menus, in_front, "the menu of every panel in front");
}

/// A line of words as it was drawn, and what it was cut to.
#[derive(Clone, Debug)]
struct Words {
    text: String,
    rect: Rect,
    clip: Rect,
}

fn words_in(shape: &Shape, clip: Rect, out: &mut Vec<Words>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| words_in(it, clip, out)),
        Shape::Text(text) if text.angle == 0.0 => {
            for row in &text.galley.rows {
                let rect = row.row.visuals.mesh_bounds;
                let rect = rect.translate(row.pos.to_vec2() + text.pos.to_vec2());
                if rect.is_positive() {
                    let text = row.row.glyphs.iter().map(|it| it.chr).collect();
                    out.push(Words { text, rect, clip });
                }
            }
        }
        _ => {}
    }
}

/// Every line of words on screen.
fn all_words(window: &Window) -> Vec<Words> {
    let mut out = Vec::new();
    for it in &window.output().shapes {
        words_in(&it.shape, it.clip_rect, &mut out);
    }
    // What is scrolled out of sight is no words on screen.
    out.retain(|it| it.clip.intersect(it.rect).is_positive());
    out
}

/// Sizes of the window in points: the smallest promised, the usual one, and a large screen at 200 % zoom.
const SIZES: [(f32, f32); 3] = [(1024.0, 700.0), (1440.0, 900.0), (1280.0, 720.0)];

#[test]
fn no_words_are_cut_at_their_sides() {
    for size in SIZES {
        let window = edited_window_of(size, Theme::Dark);
        let cut: Vec<Words> = all_words(&window)
            .into_iter()
            .filter(|it| {
                it.rect.left() < it.clip.left() - 1.0 || it.rect.right() > it.clip.right() + 1.0
            })
            .collect();
        assert!(cut.is_empty(), "{size:?}: {cut:#?}");
    }
}

#[test]
fn no_words_are_drawn_over_others() {
    for size in SIZES {
        let window = edited_window_of(size, Theme::Dark);
        let all = all_words(&window);
        let mut found = Vec::new();
        for (n, a) in all.iter().enumerate() {
            for b in &all[n + 1..] {
                let seen = |it: &Words| it.rect.intersect(it.clip).shrink(1.0);
                // Bold letters are the same ones twice, half a point apart.
                let is_bold = a.text == b.text && (a.rect.min - b.rect.min).length() < 1.0;
                if !is_bold && seen(a).intersect(seen(b)).is_positive() {
                    found.push((a.text.clone(), b.text.clone(), a.rect));
                }
            }
        }
        assert!(found.is_empty(), "{size:?}: {found:#?}");
    }
}
