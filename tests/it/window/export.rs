//! What leaves the window: each export is read back and its numbers compared with the panel's.

use std::{fs, path::Path};

use clap::Parser as _;
use eframe::egui::{Color32, Event as Input, Key, Modifiers, OutputCommand, Role, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::cli::{Cli, CliCommand as Line};
use moescope::document::{Cell, Column, Table, plain_text};
use moescope::engine::{Event, Request};
use moescope::spec::{ExpertId, Position, RouterId, TokenId};
use moescope::ui::{Command, DARK, ExportForm, ExportTo, LIGHT, PANELS, RowChoice, Selection};
use roxmltree::Document;

use super::drive::{Window, click, key, scripted, settle};
use super::script::{LIST, TOUR_LIKE, edited};

/// A made-up session under edits, with a token, a router and an expert selected.
pub fn edited_window(theme: Theme) -> Window {
    edited_window_of((1440.0, 900.0), theme)
}

/// The same, that large, points.
pub fn edited_window_of(size: (f32, f32), theme: Theme) -> Window {
    let (mut window, script) = scripted(size, theme, edited(TOUR_LIKE, 60, 44), false);
    let tag = script.asked.borrow().iter().find_map(|it| match it {
        Request::Encode { tag, .. } => Some(*tag),
        _ => None,
    });
    script.say([Event::Encoded {
        tag: tag.unwrap(),
        tokens: Ok((0..9).map(TokenId).collect()),
    }]);
    settle(&mut window);
    for text in LIST {
        let edit = text.parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
        settle(&mut window);
    }
    window.state_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(11)),
        router: Some(RouterId(4)),
        expert: Some(ExpertId(1)),
    }));
    settle(&mut window);
    window
}

/// The panels that have numbers to show, with them.
fn tables(window: &mut Window) -> Vec<(&'static str, Table)> {
    let all = PANELS.iter().filter_map(|it| {
        let table = window.state_mut().table(it.0)?;
        Some((it.0, table))
    });
    let out: Vec<_> = all.collect();
    assert!(out.iter().any(|it| it.0 == "load"), "load has numbers");
    out
}

/// A panel's file, written by the command.
fn exported(window: &mut Window, panel: &'static str, form: ExportForm, folder: &Path) -> Vec<u8> {
    let path = folder.join(format!("{panel}.{form:?}").to_lowercase());
    let to = ExportTo::File(path.clone());
    let command = Command::Export { panel, form, to };
    window.state_mut().command(command);
    settle(window);
    let message = window.state().session().message.clone().unwrap();
    assert!(!message.failure, "{panel}: {}", message.text);
    assert!(message.text.contains(&path.display().to_string()));
    fs::read(path).unwrap()
}

fn read_csv(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().map(Result::unwrap);
    rows.map(|it| it.iter().map(str::to_owned).collect())
        .collect()
}

/// Whether a field reads back as the cell: bit by bit where it is a number.
fn check_field(cell: &Cell, field: &str, place: &str) {
    let is_same = match cell {
        Cell::Text(text) => plain_text(field) == text,
        Cell::Count(n) => field.parse() == Ok(*n),
        Cell::Number(it) => {
            let wide: f64 = field.parse().unwrap();
            let narrow: f32 = field.parse().unwrap();
            let bits = it.to_bits();
            wide.to_bits() == bits || f64::from(narrow).to_bits() == bits
        }
        Cell::Empty => field.is_empty(),
    };
    assert!(is_same, "{place}: {cell:?} was written {field:?}");
}

fn check_csv(panel: &str, table: &Table, text: &str) {
    let rows = read_csv(text);
    let header: Vec<String> = table.columns.iter().map(Column::heading).collect();
    assert_eq!(rows[0], header, "{panel}");
    assert_eq!(rows.len(), table.rows.len() + 1, "{panel}");
    for (n, (row, fields)) in table.rows.iter().zip(&rows[1..]).enumerate() {
        assert_eq!(row.len(), fields.len(), "{panel}, row {n}");
        for (cell, field) in row.iter().zip(fields) {
            check_field(cell, field, &format!("{panel}, row {n}"));
        }
    }
}

#[test]
fn the_numbers_of_every_panel_read_back_from_csv() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = edited_window(Theme::Dark);
    for (panel, table) in tables(&mut window) {
        let text = exported(&mut window, panel, ExportForm::Csv, folder.path());
        check_csv(panel, &table, &String::from_utf8(text).unwrap());
    }
}

#[test]
fn every_panel_is_a_drawing_that_can_be_parsed() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = edited_window(Theme::Light);
    for (panel, make) in PANELS {
        let text = exported(&mut window, panel, ExportForm::Svg, folder.path());
        let text = String::from_utf8(text).unwrap();
        let document = Document::parse(&text).unwrap_or_else(|it| panic!("{panel}: {it}"));
        let root = document.root_element();
        let child = |name| root.children().find(|it| it.has_tag_name(name)).unwrap();
        let made = make();
        assert!(child("title").text().unwrap().starts_with(made.title()));
        assert_eq!(child("desc").text(), Some(made.help()));
        let words = words(&document);
        assert!(words.iter().any(|it| it == made.title()), "{panel}");
        assert!(!text.contains("NaN") && !text.contains("inf\""), "{panel}");
    }
}

fn words(document: &Document<'_>) -> Vec<String> {
    let texts = document.descendants().filter(|it| it.has_tag_name("text"));
    let whole = |it: roxmltree::Node<'_, '_>| {
        let parts = it.descendants().filter(roxmltree::Node::is_text);
        parts.filter_map(|it| it.text()).collect()
    };
    texts.map(whole).collect()
}

/// Column of a table, as numbers.
fn column(table: &Table, name: &str) -> Vec<f64> {
    let n = table.columns.iter().position(|it| it.name == name).unwrap();
    let number = |cell: &Cell| match cell {
        Cell::Number(it) => *it,
        Cell::Count(it) => *it as f64,
        _ => f64::NAN,
    };
    table.rows.iter().map(|it| number(&it[n])).collect()
}

fn hex(color: Color32) -> String {
    format!("#{:02x}{:02x}{:02x}", color.r(), color.g(), color.b())
}

/// Height of the largest surface of a colour.
fn height_of(document: &Document<'_>, color: Color32) -> f64 {
    let number = |it: &roxmltree::Node<'_, '_>, name| it.attribute(name)?.parse::<f64>().ok();
    let bars = document
        .descendants()
        .filter(|it| it.has_tag_name("rect") && it.attribute("fill") == Some(&hex(color)));
    bars.filter_map(|it| number(&it, "height"))
        .fold(0.0, f64::max)
}

#[test]
fn bars_in_the_drawing_are_as_high_as_the_loads_in_the_table() {
    let folder = tempfile::tempdir().unwrap();
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        let mut window = edited_window(theme);
        let shares = column(
            &window.state_mut().table("load").unwrap(),
            "share of tokens",
        );
        let text = exported(&mut window, "load", ExportForm::Svg, folder.path());
        let text = String::from_utf8(text).unwrap();
        let document = Document::parse(&text).unwrap();
        let heights: Vec<f64> = (0..shares.len())
            .map(|it| height_of(&document, palette.expert(it)))
            .collect();
        let top = shares.iter().copied().fold(0.0, f64::max);
        let highest = heights.iter().copied().fold(0.0, f64::max);
        assert!(top > 0.0 && highest > 20.0, "{shares:?} {heights:?}");
        for (share, height) in shares.iter().zip(&heights) {
            let wanted = share / top * highest;
            assert!((height - wanted).abs() < 1.5, "{shares:?} {heights:?}");
        }
    }
}

#[test]
fn a_picture_has_the_size_of_the_panel_and_the_colours_of_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = edited_window(Theme::Light);
    let shares = column(
        &window.state_mut().table("load").unwrap(),
        "share of tokens",
    );
    let svg = exported(&mut window, "load", ExportForm::Svg, folder.path());
    let svg = String::from_utf8(svg).unwrap();
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    let size = |name| root.attribute(name).unwrap().parse::<f32>().unwrap();
    let png = exported(&mut window, "load", ExportForm::Png, folder.path());
    let picture = image::load_from_memory(&png).unwrap().to_rgba8();
    let wanted = [size("width"), size("height")].map(|it| (it * 2.0) as u32);
    assert_eq!(
        [picture.width(), picture.height()],
        wanted,
        "two pixels a point"
    );
    // As many pixels of an expert's colour as its share says, beside that of the one picked most.
    let count = |color: Color32| {
        let pixels = picture.pixels();
        pixels.filter(|it| it.0 == color.to_array()).count() as f64
    };
    let areas: Vec<f64> = (0..shares.len())
        .map(|it| count(LIGHT.expert(it)))
        .collect();
    let most = (0..shares.len())
        .max_by(|a, b| shares[*a].total_cmp(&shares[*b]))
        .unwrap();
    assert!(areas[most] > 1000.0, "{areas:?}");
    for (share, area) in shares.iter().zip(&areas) {
        let wanted = share / shares[most] * areas[most];
        // An outline of what is selected, a label over the bar: a tenth of the largest bar at most.
        assert!(
            (area - wanted).abs() < areas[most] * 0.1,
            "{shares:?} {areas:?}"
        );
    }
}

#[test]
fn no_panel_needs_the_graphics_driver_on_paper() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = edited_window(Theme::Dark);
    for (panel, _) in PANELS {
        let png = exported(&mut window, panel, ExportForm::Png, folder.path());
        let picture = image::load_from_memory(&png).unwrap().to_rgba8();
        let panel_color = DARK.panel.to_array();
        let drawn = picture.pixels().filter(|it| it.0 != panel_color).count();
        assert!(drawn > 200, "{panel} is blank: {drawn} pixels");
    }
}

/// What was put in the clipboard in the frame after a command.
fn copied(window: &mut Window, command: Command) -> Vec<OutputCommand> {
    window.state_mut().command(command);
    window.step();
    window.output().platform_output.commands.clone()
}

#[test]
fn numbers_and_pictures_go_to_the_clipboard() {
    let mut window = edited_window(Theme::Dark);
    let table = window.state_mut().table("load").unwrap();
    let export = |form| Command::Export {
        panel: "load",
        form,
        to: ExportTo::Clipboard,
    };
    let found = copied(&mut window, export(ExportForm::Csv));
    let [OutputCommand::CopyText(text)] = &found[..] else {
        panic!("{found:?}");
    };
    check_csv("load", &table, text);
    let found = copied(&mut window, export(ExportForm::Png));
    let [OutputCommand::CopyImage(picture)] = &found[..] else {
        panic!("no picture was copied");
    };
    assert!(picture.pixels.contains(&DARK.expert(0)));
    let found = copied(&mut window, export(ExportForm::Svg));
    let [OutputCommand::CopyText(text)] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(Document::parse(text).is_ok());
}

#[test]
fn a_file_that_cannot_be_written_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = edited_window(Theme::Dark);
    let path = folder.path().join("no/such/folder/load.csv");
    window.state_mut().command(Command::Export {
        panel: "load",
        form: ExportForm::Csv,
        to: ExportTo::File(path.clone()),
    });
    settle(&mut window);
    let message = window.state().session().message.clone().unwrap();
    assert!(message.failure && message.text.contains("could not be written"));
    assert!(message.text.contains(&path.display().to_string()));
}

#[test]
fn the_menu_of_a_panel_shows_its_table_and_the_keys_move_in_it() {
    let mut window = edited_window(Theme::Dark);
    let table = window.state_mut().table("load").unwrap();
    click(&mut window, "Load menu");
    click(&mut window, "Show as table");
    let label = format!("Table: {}", table.title);
    assert!(window.query_by_label(&label).is_some());
    let shown = |row: usize| {
        let name = table.columns[0].heading();
        format!("{name} {}", table.rows[row][0].words())
    };
    // What a table has in focus is told as its cell.
    let is_focused = |window: &Window, row: usize| {
        let name = shown(row);
        let cell = window.query_by_role_and_label(Role::Cell, &name);
        cell.is_some_and(|it| it.is_focused())
    };
    assert!(
        is_focused(&window, 0),
        "the keys are for the table asked for"
    );
    let before = window.state().selection();
    key(&mut window, Key::ArrowDown);
    key(&mut window, Key::ArrowDown);
    key(&mut window, Key::ArrowUp);
    assert!(is_focused(&window, 1));
    assert_eq!(
        window.state().selection(),
        before,
        "the arrows are the table's"
    );
    window.event(Input::Copy);
    window.step();
    let found = window.output().platform_output.commands.clone();
    let [OutputCommand::CopyText(text)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        *text,
        table.rows_to_csv(&[1]),
        "the second row, under the header"
    );
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.step();
    window.event(Input::Copy);
    window.step();
    let found = window.output().platform_output.commands.clone();
    assert_eq!(found, [OutputCommand::CopyText(table.to_csv())]);
    key(&mut window, Key::End);
    let last = table.rows.len() - 1;
    assert!(is_focused(&window, last), "in sight");
    click(&mut window, "Load menu");
    click(&mut window, "Show as picture");
    assert!(window.query_by_label(&label).is_none());
}

#[test]
fn the_list_of_commands_acts_on_the_panel_last_used() {
    let mut window = edited_window(Theme::Dark);
    window.get_by_label("Load menu").focus();
    settle(&mut window);
    let table = window.state_mut().table("load").unwrap();
    let command = Command::ExportHere {
        form: ExportForm::Csv,
        to: ExportTo::Clipboard,
    };
    let found = copied(&mut window, command);
    assert_eq!(found, [OutputCommand::CopyText(table.to_csv())]);
    window.state_mut().command(Command::ToggleTableHere);
    settle(&mut window);
    let label = format!("Table: {}", table.title);
    assert!(window.query_by_label(&label).is_some());
}

/// `moescope screenshot` with these words; what it says where it fails.
fn screenshot(words: &[&str]) -> Result<(), String> {
    let line = ["moescope", "screenshot"].iter().chain(words);
    let Some(Line::Screenshot(args)) = Cli::parse_from(line).command else {
        unreachable!("a screenshot was asked for");
    };
    moescope::app::screenshot(&args).map_err(|it| it.what)
}

#[test]
fn a_panel_is_drawn_by_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (png, svg, csv) = (path("a.png"), path("a.svg"), path("a.csv"));
    let common = ["--panel", "load", "-n", "4", "--layer", "2"];
    let with = |out: &str, more: &[&str]| {
        let words: Vec<&str> = [out].iter().chain(&common).chain(more).copied().collect();
        screenshot(&words)
    };
    with(
        &png,
        &["--size", "640x480", "--zoom", "2", "--theme", "light"],
    )
    .unwrap();
    with(&svg, &[]).unwrap();
    with(&csv, &[]).unwrap();
    let picture = image::open(&png).unwrap().to_rgba8();
    assert_eq!(picture.dimensions(), (640, 480));
    assert!(picture.pixels().any(|it| it.0 == LIGHT.panel.to_array()));
    let text = fs::read_to_string(&svg).unwrap();
    let document = Document::parse(&text).unwrap();
    assert_eq!(document.root_element().attribute("width"), Some("720"));
    let title = words(&document).join(" ");
    assert!(title.contains("layer 2"), "{title}");
    let rows = read_csv(&fs::read_to_string(&csv).unwrap());
    assert_eq!(rows.len(), 9, "a header and eight experts");
    for (words, wanted) in [
        (vec!["a.png", "--panel", "bars"], "transcript, heatmap"),
        (
            vec![&csv, "--panel", "load", "-n", "0", "--token", "900"],
            "no token 900",
        ),
        (
            vec![&csv, "--panel", "load", "-n", "0", "--layer", "77"],
            "layer 77",
        ),
        (
            vec![&csv, "--panel", "load", "-n", "0", "--expert", "99"],
            "no expert 99",
        ),
        (
            vec![&csv, "--panel", "load", "-n", "0", "--row", "edited"],
            "--edit",
        ),
        (
            vec!["/no/such/a.csv", "--panel", "load", "-n", "0"],
            "could not be written",
        ),
    ] {
        let said = screenshot(&words).unwrap_err();
        assert!(said.contains(wanted), "{said}");
    }
}
