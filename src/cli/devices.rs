//! The devices models can run on, as `inspect --devices` prints them.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Failure, json_text};
use crate::engine::{DeviceReport, device_reports};
use crate::spec::shown;

/// A page, or JSON.
///
/// # Errors
/// JSON that cannot be written.
pub(super) fn text(as_json: bool) -> Result<String, Failure> {
    let reports = device_reports();
    if as_json {
        let all: Vec<Value> = reports.iter().map(json_of).collect();
        return json_text(&all, false);
    }
    Ok(reports.iter().map(page_of).collect())
}

fn json_of(it: &DeviceReport) -> Value {
    let details: serde_json::Map<String, Value> = it
        .details
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    json!({
        "name": it.name, "auto": it.by_itself, "gpu": it.by_gpu,
        "why_not_auto": it.why_not_by_itself, "why_not_gpu": it.why_not_by_gpu, "details": details,
    })
}

fn page_of(it: &DeviceReport) -> String {
    let mut out = format!("{}\n", shown(&it.name));
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  {name:<17}{}", shown(value));
    };
    let says = |is_taken: bool, why: &Option<String>| match (is_taken, why) {
        (true, _) => "taken".to_owned(),
        (false, Some(why)) => format!("not taken: {why}"),
        (false, None) => "not taken: another comes first".to_owned(),
    };
    line("--device auto", &says(it.by_itself, &it.why_not_by_itself));
    line("--device gpu", &says(it.by_gpu, &it.why_not_by_gpu));
    for (name, value) in &it.details {
        line(name, value);
    }
    out
}
