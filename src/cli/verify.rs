//! What `inspect --verify` found, in words and as JSON.

use serde_json::{Value, json};

use super::Failure;
use crate::checkpoint::{DecodedTwice, Difference, Slot};
use crate::spec::count_of;

/// A line a format: `q4_k: 96 weights, 6,912 blocks compared, largest difference 0 ulp`.
pub(super) fn lines(found: &[DecodedTwice]) -> Vec<String> {
    found.iter().map(line).collect()
}

fn line(it: &DecodedTwice) -> String {
    let what = format!("{}: {}", it.format, count_of(it.n_weights as u64, "weight"));
    let Some(n_blocks) = it.n_blocks else {
        return format!("{what}, not compared: candle does not know the format");
    };
    let unit = if it.in_blocks() { "block" } else { "number" };
    let size = match &it.worst {
        None => "largest difference 0 ulp".to_owned(),
        Some(it) => size_and_place(it),
    };
    format!("{what}, {} compared, {size}", count_of(n_blocks, unit))
}

fn size_and_place(it: &Difference) -> String {
    let size = match ulps(it) {
        None => "one decoder reads a number where the other reads none".to_owned(),
        Some(ulps) => format!("largest difference {ulps} ulp"),
    };
    let (row, col) = it.at;
    format!("{size} ({}, row {row}, column {col})", place(it.slot))
}

/// `None` where one of the two is no number.
fn ulps(it: &Difference) -> Option<u32> {
    Some(it.ulps).filter(|it| *it != u32::MAX)
}

fn place(slot: Slot) -> String {
    match slot {
        Slot::Layer(layer, part) => format!("layer {layer}: {part:?}"),
        Slot::Encoder(layer, part) => format!("encoder layer {layer}: {part:?}"),
        other => format!("{other:?}"),
    }
}

/// An entry a format; `blocks` is null where nothing was compared, `largest_ulps` where one decoder alone reads a number.
pub(super) fn as_json(found: &[DecodedTwice]) -> Value {
    let entry = |it: &DecodedTwice| {
        json!({
            "dtype": it.format,
            "weights": it.n_weights,
            "blocks": it.n_blocks,
            "is_equal": it.n_blocks.map(|_| it.worst.is_none()),
            "largest_ulps": match &it.worst {
                None => it.n_blocks.map(|_| 0),
                Some(it) => ulps(it),
            },
            "where": it.worst.as_ref().map(|it| json!({
                "weight": place(it.slot), "row": it.at.0, "column": it.at.1,
            })),
        })
    };
    found.iter().map(entry).collect()
}

/// The finding where any format is read differently.
///
/// # Errors
/// One is.
pub(super) fn judge(found: &[DecodedTwice]) -> Result<(), Failure> {
    let differ: Vec<&str> = found
        .iter()
        .filter(|it| it.worst.is_some())
        .map(|it| it.format.as_str())
        .collect();
    if differ.is_empty() {
        return Ok(());
    }
    Err(Failure::finding(format!(
        "numbers stored as {} are read here as other numbers than candle reads, expected the same",
        differ.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Bundled, LayerSlot, Part, Source, open};
    use crate::spec::LayerId;

    fn found(n_blocks: Option<u64>, ulps: Option<u32>) -> DecodedTwice {
        let slot = Slot::Layer(LayerId(3), LayerSlot::Expert(5, Part::Down));
        let at = (7, 9);
        let tour = open(&Source::Bundled(Bundled::Tour)).unwrap();
        let head = tour.weights.get(Slot::Embedding).unwrap();
        DecodedTwice {
            format: head.format_label(),
            dtype: head.rows_of(),
            n_weights: 1,
            n_blocks,
            worst: ulps.map(|ulps| Difference { ulps, slot, at }),
        }
    }

    #[test]
    fn equal_numbers_are_no_finding() {
        let it = [found(Some(2), None), found(None, None)];
        let [one, other] = lines(&it).try_into().unwrap();
        assert_eq!(
            one,
            "bf16: 1 weight, 2 numbers compared, largest difference 0 ulp"
        );
        assert_eq!(
            other,
            "bf16: 1 weight, not compared: candle does not know the format"
        );
        assert!(judge(&it).is_ok());
        let json = as_json(&it);
        assert_eq!(json[0]["largest_ulps"], 0);
        assert_eq!(json[0]["is_equal"], true);
        assert!(json[1]["largest_ulps"].is_null() && json[1]["is_equal"].is_null());
    }

    #[test]
    fn a_difference_is_a_finding_with_its_place() {
        for (ulps, words) in [
            (
                3,
                "largest difference 3 ulp (layer 3: Expert(5, Down), row 7, column 9)",
            ),
            (
                u32::MAX,
                "one decoder reads a number where the other reads none (layer 3",
            ),
        ] {
            let it = [found(Some(1), Some(ulps))];
            assert!(lines(&it)[0].contains(words), "{}", lines(&it)[0]);
            let why = judge(&it).unwrap_err();
            assert_eq!(why.status as i32, 1);
            assert!(why.what.contains("stored as bf16"), "{}", why.what);
            let json = as_json(&it);
            assert_eq!(json[0]["is_equal"], false);
            assert_eq!(json[0]["where"]["column"], 9);
        }
    }
}
