//! Layouts as data: a tree of panel names. One that was saved may come from another version or from anybody's
//! editor, so it is looked at before it is used.

use std::{collections::HashSet, fmt::Write as _};

use eframe::egui::{Id, Vec2};
use egui_tiles::{Container, Linear, LinearDir, Tile, TileId, Tiles, Tree};

use crate::ui::PANELS;

/// The panel of the text, which is always before a class.
pub const TEXT: &str = "transcript";
/// More tiles are no layout of ours.
const MAX_TILES: usize = 500;

/// The panels that share a tile at first; one that a saved layout lacks comes back beside these.
const GROUPS: [&[&str]; 6] = [
    &["transcript"],
    &["next_token"],
    &["edits", "texts", "expert"],
    &["heatmap", "path"],
    &["router"],
    &["load", "health", "model"],
];

/// Below this many points across or down there are three tiles instead of six.
const ROOMY: (f32, f32) = (960.0, 560.0);

/// A layout that the program brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shipped {
    /// Six tiles.
    Wide,
    /// Three, for a small window or large letters: the text over the whole width, so that baseline and edited text
    /// stand side by side.
    Compact,
}

impl Shipped {
    const ALL: [Self; 2] = [Self::Wide, Self::Compact];

    /// The one for so much room, points.
    pub fn fitting(size: Vec2) -> Self {
        if size.x < ROOMY.0 || size.y < ROOMY.1 {
            Self::Compact
        } else {
            Self::Wide
        }
    }

    /// The one that a tree is, whatever its tabs in front and its shares; none where a person arranged it.
    pub fn of(tree: &Tree<String>) -> Option<Self> {
        let shape = shape(tree);
        Self::ALL
            .into_iter()
            .find(|it| shape == self::shape(&it.tree()))
    }

    /// Wide: left the text, under it what comes next and the edits; right the layers, one router, the load. Compact: the
    /// text above, and all that under it.
    pub fn tree(self) -> Tree<String> {
        let mut tiles = Tiles::default();
        let [transcript, next, edits, heatmap, router, load] = GROUPS;
        let mut tabs = |names: &[&[&str]]| {
            let names = names.concat();
            let panes = names.iter().map(|it| tiles.insert_pane((*it).to_owned()));
            let panes = panes.collect();
            tiles.insert_tab_tile(panes)
        };
        let root = match self {
            Self::Wide => {
                let parts = [[transcript], [next], [edits], [heatmap], [router], [load]];
                let [transcript, next, edits, heatmap, router, load] = parts.map(|it| tabs(&it));
                let under = split(&mut tiles, LinearDir::Horizontal, [next, edits], 0.5);
                let lower = split(&mut tiles, LinearDir::Vertical, [router, load], 0.5);
                let left = [transcript, under];
                let left = split(&mut tiles, LinearDir::Vertical, left, 0.57);
                let right = [heatmap, lower];
                let right = split(&mut tiles, LinearDir::Vertical, right, 0.33);
                split(&mut tiles, LinearDir::Horizontal, [left, right], 0.58)
            }
            Self::Compact => {
                let text = tabs(&[transcript]);
                let left = tabs(&[next, edits]);
                let right = tabs(&[heatmap, router, load]);
                let under = split(&mut tiles, LinearDir::Horizontal, [left, right], 0.5);
                split(&mut tiles, LinearDir::Vertical, [text, under], 0.6)
            }
        };
        let mut out = Tree::new(Id::unique("tiles"), root, tiles);
        complete(&mut out);
        out
    }
}

fn split(tiles: &mut Tiles<String>, dir: LinearDir, parts: [TileId; 2], share: f32) -> TileId {
    tiles.insert_container(Container::Linear(Linear::new_binary(dir, parts, share)))
}

/// How a tree is built, without shares and tabs in front. Rows in a row and columns in a column are one, as the tiles make
/// them once they are drawn.
fn shape(tree: &Tree<String>) -> String {
    fn add(tree: &Tree<String>, id: TileId, within: Option<LinearDir>, out: &mut String) {
        match tree.tiles.get(id) {
            Some(Tile::Pane(name)) => {
                out.push_str(name);
                out.push(',');
            }
            Some(Tile::Container(it)) => {
                let dir = match it {
                    Container::Linear(it) => Some(it.dir),
                    _ => None,
                };
                let is_one = dir.is_some() && dir == within;
                if !is_one {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "{:?}{dir:?}(", it.kind());
                }
                for child in it.children() {
                    add(tree, *child, dir, out);
                }
                if !is_one {
                    out.push_str("),");
                }
            }
            None => {}
        }
    }
    let mut out = String::new();
    if let Some(root) = tree.root {
        add(tree, root, None, &mut out);
    }
    out
}

/// The layout of a large window.
pub fn first() -> Tree<String> {
    Shipped::Wide.tree()
}

/// A grid of all panels.
pub fn side_by_side() -> Tree<String> {
    let mut tiles = Tiles::default();
    let panes = PANELS.iter().map(|(name, _)| {
        let pane = tiles.insert_pane((*name).to_owned());
        tiles.insert_tab_tile(vec![pane])
    });
    let panes = panes.collect();
    let root = tiles.insert_grid_tile(panes);
    Tree::new(Id::unique("tiles"), root, tiles)
}

/// One panel in the whole window.
pub fn alone(name: &str) -> Tree<String> {
    Tree::new_tabs(Id::unique("alone"), vec![name.to_owned()])
}

/// The text and one panel beside it, for a class.
pub fn presented(name: &str) -> Tree<String> {
    let mut tiles = Tiles::default();
    let [text, beside] = [TEXT, name].map(|it| {
        let pane = tiles.insert_pane(it.to_owned());
        tiles.insert_tab_tile(vec![pane])
    });
    let root = split(&mut tiles, LinearDir::Horizontal, [text, beside], 0.56);
    Tree::new(Id::unique("presented"), root, tiles)
}

/// A saved layout, made whole: panels that are no more are dropped, those that it does not know come back as
/// tabs. None where it is none: parts that are missing, there twice, or too many.
pub fn restored(saved: Tree<String>) -> Option<Tree<String>> {
    let root = saved.root?;
    let mut out = Tree::new(Id::unique("tiles"), root, saved.tiles);
    let (mut seen, mut names) = (HashSet::new(), HashSet::new());
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        if !seen.insert(id) || seen.len() > MAX_TILES {
            return None;
        }
        match out.tiles.get(id)? {
            Tile::Container(it) => open.extend(it.children()),
            Tile::Pane(name) if !names.insert(name.clone()) => return None,
            Tile::Pane(_) => {}
        }
    }
    let known = |name: &String| PANELS.iter().any(|it| it.0 == name);
    if !names.iter().any(known) {
        return None;
    }
    // What hangs on nothing is not shown, and must not count as being there.
    let loose: Vec<TileId> = out
        .tiles
        .tile_ids()
        .filter(|it| !seen.contains(it))
        .collect();
    for id in loose {
        out.tiles.remove(id);
    }
    complete(&mut out);
    Some(out)
}

/// Adds every panel that a layout lacks.
fn complete(tree: &mut Tree<String>) {
    for (name, _) in PANELS {
        let is_there = tree.tiles.tiles().any(|it| is_pane(it, name));
        if !is_there {
            add(tree, name);
        }
    }
}

fn is_pane(tile: &Tile<String>, name: &str) -> bool {
    matches!(tile, Tile::Pane(it) if it == name)
}

/// Adds a panel as a tab, beside those it belongs with, else where there are tabs at all.
fn add(tree: &mut Tree<String>, name: &str) {
    let siblings = GROUPS.iter().find(|it| it.contains(&name));
    let near = |tiles: &Tiles<String>, id: TileId| {
        let pane = tiles.get_pane(&id);
        pane.is_some_and(|pane| siblings.is_some_and(|it| it.contains(&pane.as_str())))
    };
    let mut best: Option<(bool, TileId)> = None;
    for (id, tile) in tree.tiles.iter() {
        if let Tile::Container(Container::Tabs(tabs)) = tile {
            let rank = (tabs.children.iter().any(|it| near(&tree.tiles, *it)), *id);
            if best.is_none_or(|it| (rank.0, rank.1.0) > (it.0, it.1.0)) {
                best = Some(rank);
            }
        }
    }
    let pane = tree.tiles.insert_pane(name.to_owned());
    let tabs = best.and_then(|it| tree.tiles.get_mut(it.1));
    if let Some(Tile::Container(tabs)) = tabs {
        tabs.add_child(pane);
    } else {
        let parts = tree.root.into_iter().chain([pane]).collect();
        tree.root = Some(tree.tiles.insert_tab_tile(parts));
    }
}

/// The panels in sight with their tiles, as they are read: from left to right, from top to bottom.
pub fn in_sight(tree: &Tree<String>) -> Vec<(TileId, String)> {
    let mut out = Vec::new();
    let mut open: Vec<TileId> = tree.root.into_iter().collect();
    while let Some(id) = open.pop() {
        match tree.tiles.get(id) {
            Some(Tile::Pane(name)) => out.push((id, name.clone())),
            Some(Tile::Container(it)) => {
                let children: Vec<TileId> = it.active_children(&tree.tiles).collect();
                open.extend(children.into_iter().rev());
            }
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use egui_tiles::SimplificationOptions;

    fn names(tree: &Tree<String>) -> Vec<String> {
        let panes = tree.tiles.tiles().filter_map(|it| match it {
            Tile::Pane(name) => Some(name.clone()),
            Tile::Container(_) => None,
        });
        let mut out: Vec<String> = panes.collect();
        out.sort();
        out
    }

    fn all() -> Vec<String> {
        let mut out: Vec<String> = PANELS.iter().map(|it| it.0.to_owned()).collect();
        out.sort();
        out
    }

    #[test]
    fn the_first_layout_has_every_panel_once() {
        assert_eq!(names(&first()), all());
        let sight: Vec<String> = in_sight(&first()).into_iter().map(|it| it.1).collect();
        let want = [
            "transcript",
            "next_token",
            "edits",
            "heatmap",
            "router",
            "load",
        ];
        assert_eq!(sight, want);
    }

    #[test]
    fn what_the_program_brings_is_known_again_whatever_stands_in_front() {
        for it in Shipped::ALL {
            let mut tree = it.tree();
            assert_eq!(names(&tree), all());
            tree.make_active(|_, tile| is_pane(tile, "model"));
            assert_eq!(Shipped::of(&tree), Some(it));
            tree.simplify(&SimplificationOptions {
                all_panes_must_have_tabs: true,
                ..SimplificationOptions::default()
            });
            assert_eq!(Shipped::of(&tree), Some(it), "once it was drawn");
        }
        assert_eq!(Shipped::of(&side_by_side()), None);
        assert_eq!(Shipped::fitting(Vec2::new(1440.0, 830.0)), Shipped::Wide);
        assert_eq!(Shipped::fitting(Vec2::new(720.0, 376.0)), Shipped::Compact);
    }

    #[test]
    fn a_panel_that_a_saved_layout_lacks_comes_back_beside_its_kin() {
        let mut tree = first();
        let path = tree.tiles.find_pane(&"path".to_owned()).unwrap();
        tree.remove_recursively(path);
        assert_ne!(names(&tree), all());
        let tree = restored(tree).unwrap();
        assert_eq!(names(&tree), all());
        let parent = |name: &str| {
            let pane = tree.tiles.find_pane(&name.to_owned()).unwrap();
            tree.tiles.parent_of(pane)
        };
        assert_eq!(parent("path"), parent("heatmap"));
    }

    #[test]
    fn what_is_no_layout_is_refused() {
        let mut missing = first();
        let pane = missing.tiles.find_pane(&"load".to_owned()).unwrap();
        missing.tiles.remove(pane);
        assert!(restored(missing).is_none(), "a part is missing");

        let mut twice = first();
        let pane = twice.tiles.find_pane(&"load".to_owned()).unwrap();
        if let Some(Tile::Pane(name)) = twice.tiles.get_mut(pane) {
            "router".clone_into(name);
        }
        assert!(restored(twice).is_none(), "a panel is there twice");

        let mut circle = first();
        let root = circle.root.unwrap();
        let Some(Tile::Container(it)) = circle.tiles.get_mut(root) else {
            panic!("the root is no container");
        };
        it.add_child(root);
        assert!(restored(circle).is_none(), "it runs in a circle");

        let strange = Tree::new_tabs(Id::unique("x"), vec!["a panel of the future".to_owned()]);
        assert!(restored(strange).is_none(), "no panel of ours");
        assert!(restored(Tree::empty(Id::unique("x"))).is_none());
    }
}
