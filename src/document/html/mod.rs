//! A run as one HTML file: its tokens, its routing and what the edits changed, with nothing to load
//! from anywhere, for any browser.
//!
//! **Invariant:** the page shows the records' own numbers: single-precision numbers travel as their
//! bytes, and what is left out for size is said on the page.

mod data;
mod packed;
mod rows;

use serde::Serialize;

use crate::analysis::ControlEffects;
use crate::document::{Colors, DARK, LIGHT};
use crate::spec::Experiment;
use crate::trace::{ModelFacts, RowRecord};

use data::Data;

/// Bytes that raw scores may take of the file; beyond that those of some tokens are left out.
pub const SCORES_BUDGET_BYTES: usize = 20_000_000;

const PAGE: &str = include_str!("../../../assets/html/page.html");
const STYLE: &str = include_str!("../../../assets/html/page.css");
const SCRIPT: &str = include_str!("../../../assets/html/page.js");

/// A run to be shared.
#[derive(Clone, Copy, Debug)]
pub struct SharedRun<'a> {
    /// The model.
    pub facts: &'a ModelFacts,
    /// How the command line names it: `tour`, or a folder.
    pub model: &'a str,
    /// Given tokens, sampling, edits.
    pub experiment: &'a Experiment,
    /// What the model wrote without edits.
    pub baseline: &'a RowRecord,
    /// What it wrote under them, and the baseline's words under them.
    pub edited: Option<(&'a RowRecord, &'a RowRecord)>,
    /// Controls of the edits, where some were read.
    pub controls: Option<&'a ControlEffects>,
    /// Bytes that raw scores may take of the file.
    pub scores_budget_bytes: usize,
}

/// The page.
#[must_use]
pub fn page(run: &SharedRun<'_>) -> String {
    let data = Data::of(run);
    let style = format!("{}{STYLE}", themes());
    // What goes into a slot is never searched for the next one.
    let mut out = String::new();
    let mut rest = PAGE;
    let json = embedded(&data);
    let slots = [
        ("{{version}}", env!("CARGO_PKG_VERSION")),
        ("{{title}}", &escaped(&data.title)),
        ("{{style}}", &style),
        ("{{data}}", &json),
        ("{{script}}", SCRIPT),
    ];
    for (slot, content) in slots {
        if let Some((before, after)) = rest.split_once(slot) {
            out.push_str(before);
            out.push_str(content);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

/// JSON that can stand in a page: no sign in it can end the element it stands in.
fn embedded(data: &impl Serialize) -> String {
    // Every value has text for keys, so that this cannot fail.
    let json = serde_json::to_string(data).unwrap_or_default();
    // These stand in texts only.
    let breaks_out = |it: char| matches!(it, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find(breaks_out) {
        let (before, from) = rest.split_at(at);
        let mut signs = from.chars();
        out.push_str(before);
        out.push_str(match signs.next() {
            Some('<') => "\\u003c",
            Some('>') => "\\u003e",
            Some('&') => "\\u0026",
            Some('\u{2028}') => "\\u2028",
            _ => "\\u2029",
        });
        rest = signs.as_str();
    }
    out + rest
}

/// Words that can stand between tags.
fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Both themes as custom properties: as the system has it, as chosen on the page, light on paper.
fn themes() -> String {
    let (dark, light) = (properties(&DARK), properties(&LIGHT));
    format!(
        ":root{{color-scheme:dark;{dark}}}\n\
         @media (prefers-color-scheme:light){{:root:not([data-theme=dark]){{color-scheme:light;{light}}}}}\n\
         :root[data-theme=light]{{color-scheme:light;{light}}}\n\
         @media print{{:root:root:root{{color-scheme:light;{light}}}}}\n"
    )
}

fn properties(colors: &Colors) -> String {
    let named = [
        ("window", colors.window),
        ("panel", colors.panel),
        ("raised", colors.raised),
        ("hovered", colors.hovered),
        ("text", colors.text),
        ("second", colors.second),
        ("third", colors.third),
        ("selected", colors.selected),
        ("amber", colors.amber),
        ("accent", colors.accent),
        ("ring", colors.ring),
        ("hairline", colors.hairline),
        ("line", colors.line),
    ];
    let experts = colors.experts.iter().enumerate();
    named
        .iter()
        .map(|(name, rgb)| format!("--{name}:#{rgb:06x};"))
        .chain(experts.map(|(n, rgb)| format!("--e{n}:#{rgb:06x};")))
        .chain([format!("--ramp:{} {};", colors.ramp.0, colors.ramp.1)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_out_of_the_page() {
        let title = "</script><!--\u{2028}\u{2029}&";
        let json = embedded(&serde_json::json!({ "title": title }));
        assert!(
            !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']),
            "{json}"
        );
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["title"], title);
        assert!(escaped(title).starts_with("&lt;/script&gt;"));
    }
}
