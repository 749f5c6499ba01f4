//! The page as numbers at full precision.

use crate::document::{Cell, Table};
use crate::ui::Cx;

use super::page::{Page, WHY_CPU};

/// Everything on the page: of what, which, its number with a unit, or its words.
pub fn table(cx: &Cx<'_>, page: &Page) -> Table {
    let facts = &page.facts;
    let title = format!("Model, {}", facts.name);
    let columns = [
        ("section", ""),
        ("name", ""),
        ("number", ""),
        ("unit", ""),
        ("words", ""),
    ];
    let mut out = Table::new(title, &columns);
    let mut number = |section: &str, name: &str, it: Cell, unit: &str| {
        let cells = [section.into(), name.into(), it, unit.into(), Cell::Empty];
        out.push(cells);
    };
    let parameters = facts.parameters;
    number("parameters", "all", parameters.total.into(), "");
    number("parameters", "active", parameters.active.into(), "");
    for it in &facts.weight_shares {
        number("parameters", &it.kind, it.parameters.into(), "");
    }
    number("memory", "weights", facts.weight_bytes.into(), "bytes");
    for it in &facts.weight_shares {
        number("memory", &it.kind, it.bytes.into(), "bytes");
    }
    let one = facts.cache_bytes_per_position;
    number("memory", "cache of a position", one.into(), "bytes");
    let full = one.saturating_mul(facts.n_ctx as u64);
    number("memory", "cache of a full context", full.into(), "bytes");
    number(
        "memory",
        "free when opened",
        facts.available_bytes.into(),
        "bytes",
    );
    number("speed", "could do", cx.session.could_do.into(), "tokens/s");
    number(
        "speed",
        "writes now",
        cx.session.measured.into(),
        "tokens/s",
    );
    for gate in &page.gates {
        let section = format!("gate, {}", gate.label);
        for (expert, norm) in gate.facts.norms.iter().enumerate() {
            let name = format!("row norm of expert {expert}");
            number(&section, &name, (*norm).into(), "");
        }
        let near = gate.facts.nearest;
        let name = near.map_or_else(
            || "largest cosine".to_owned(),
            |it| format!("largest cosine, experts {} and {}", it.a, it.b),
        );
        number(&section, &name, near.map(|it| it.cosine).into(), "");
        let broken = gate.facts.n_not_finite;
        number(&section, "numbers NaN or infinite", broken.into(), "");
    }
    words(&mut out, page);
    out
}

fn words(out: &mut Table, page: &Page) {
    let facts = &page.facts;
    let mut words = |section: &str, name: &str, it: &str| {
        let none = || Cell::Empty;
        out.push([section.into(), name.into(), none(), none(), it.into()]);
    };
    words("model", "name", &facts.name);
    words("model", "family", &facts.spec.family_label);
    words("model", "numbers", &facts.dtype);
    words("model", "device", &facts.device.label);
    for (name, value) in &facts.device.details {
        words("device", name, value);
    }
    for why in &facts.device.notes {
        words("device", WHY_CPU, why);
    }
    for (name, it) in &page.shape {
        words("shape", name, it);
    }
    for rule in &page.rules {
        for step in &rule.steps {
            words(&rule.title, &step.formula, &step.meaning);
        }
    }
    for note in &facts.notes {
        words("note", "", note);
    }
}
