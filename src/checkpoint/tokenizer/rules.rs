//! The rules of a tokenizer's part as the library writes them.

use serde_json::Value;

use super::growth;

/// Rules of one part, one after the other.
const MAX_RULES: usize = 64;

/// A chain of rules as the library writes them, one after the other.
///
/// # Errors
/// More than may be.
pub(super) fn rules(part: &str, whole: &Value) -> Result<Vec<Value>, String> {
    let mut rules = Vec::new();
    flatten(whole, &mut rules);
    at_most(&format!("a {part} of"), "rules", rules.len(), MAX_RULES)?;
    Ok(rules)
}

fn flatten(rule: &Value, out: &mut Vec<Value>) {
    let inside = ["normalizers", "pretokenizers", "processors", "decoders"]
        .iter()
        .find_map(|key| rule.get(key)?.as_array());
    match inside.filter(|_| growth::kind(rule) == "Sequence") {
        Some(rules) => rules.iter().for_each(|it| flatten(it, out)),
        None => out.push(rule.clone()),
    }
}

/// A part as the library writes it.
pub(super) fn written(part: &impl serde::Serialize) -> Result<Value, String> {
    serde_json::to_value(part).map_err(|it| it.to_string())
}

/// Whether there are no more than may be.
///
/// # Errors
/// How many there are, and how many may be.
pub(super) fn at_most(what: &str, of: &str, n: usize, limit: usize) -> Result<(), String> {
    if n <= limit {
        return Ok(());
    }
    Err(format!("it has {what} {n} {of}, expected at most {limit}"))
}
