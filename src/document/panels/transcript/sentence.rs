//! The sentence under the text.

use crate::document::panels::ShownRecords;
use crate::document::quoted;
use crate::spec::{ModelSpec, Position, SequenceParts, TokenTable, count_of, grouped};
use crate::trace::{PositionKind, RowRecord};

/// A KL in two digits or so: `6.2`, `0.03`.
#[must_use]
pub fn kl_words(kl: f32) -> String {
    match kl {
        0.1.. => format!("{kl:.1}"),
        0.001.. => format!("{kl:.3}"),
        _ => "less than 0.001".to_owned(),
    }
}

/// Where the texts part, how much the edits change and where; without edits, how much was given and drawn.
///
/// * `divergence`: the first token at which the texts differ
/// * `effect`: what is said of the effect, in whole sentences
/// * `is_selected`: whether a token is selected, rather than the newest followed
#[must_use]
pub fn transcript_sentence(
    (tokens, spec): (&TokenTable, Option<&ModelSpec>),
    rows: &ShownRecords<'_>,
    (divergence, effect): (Option<Position>, &str),
    is_selected: bool,
) -> String {
    let kind = if tokens.scale.is_some() {
        PositionKind::Point
    } else {
        PositionKind::Token
    };
    let Some(edited) = rows.edited else {
        return rows
            .shown()
            .map_or_else(String::new, |it| written((kind, spec), it, is_selected));
    };
    let mut out = match divergence {
        Some(at) => {
            let word = |row: Option<&RowRecord>| {
                let token = row.and_then(|it| it.tokens.get(at.idx()));
                token.map_or_else(|| "“”".to_owned(), |it| quoted(tokens, *it))
            };
            let texts = match kind {
                PositionKind::Token => "Texts part at",
                PositionKind::Point => "The series part at",
            };
            format!(
                "{texts} {}: {}, {} (n, p: next, previous change).",
                parts((kind, spec), edited).name(at),
                word(rows.baseline),
                word(Some(edited))
            )
        }
        None => same_so_far(kind, rows),
    };
    if !effect.is_empty() {
        out.push(' ');
        out.push_str(effect);
    }
    out
}

fn parts((kind, spec): (PositionKind, Option<&ModelSpec>), row: &RowRecord) -> SequenceParts {
    SequenceParts {
        is_series: kind == PositionKind::Point,
        ..spec.map_or_else(SequenceParts::default, |it| it.parts(&row.tokens))
    }
}

fn written(
    (kind, spec): (PositionKind, Option<&ModelSpec>),
    row: &RowRecord,
    is_selected: bool,
) -> String {
    let (noun, n) = (kind.noun(), row.tokens.len());
    let drawn = n.saturating_sub(row.n_given);
    let line = if is_selected {
        format!("Esc follows the newest {noun}")
    } else {
        format!("click a {noun} to see its routing")
    };
    let (how, on) = match kind {
        PositionKind::Token => ("drawn", "Space writes on"),
        PositionKind::Point => (
            "forecast one by one",
            "Space goes on with the forecast of the next point",
        ),
    };
    let n_source = parts((kind, spec), row).n_source;
    if n_source > 0 {
        // The decoder start token is not counted.
        let n_text = n.saturating_sub(n_source + 1);
        return format!(
            "{} of source, {} written; {line}.",
            count_of(n_source, "token"),
            grouped(n_text as u64)
        );
    }
    match drawn {
        _ if n == 0 => String::new(),
        0 => format!("{} given. {on}; {line}.", count_of(n, noun)),
        _ => format!(
            "{} given, {} {how}; {line}.",
            count_of(row.n_given, noun),
            grouped(drawn as u64)
        ),
    }
}

fn same_so_far(kind: PositionKind, rows: &ShownRecords<'_>) -> String {
    let (whole, noun) = (kind.whole(), kind.noun());
    let len = |row: Option<&RowRecord>| row.map_or(0, |it| it.tokens.len());
    let n = len(rows.baseline).min(len(rows.edited));
    match rows.edited_from {
        Some(from) if from.idx() + 1 >= n => {
            format!("Space writes the edited {whole} beside the baseline.")
        }
        _ => {
            let texts = match kind {
                PositionKind::Token => "texts",
                PositionKind::Point => "series",
            };
            let n = count_of(n, noun);
            format!("The {texts} are the same so far, over {n}.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TokenId;

    fn row(tokens: &[u32], n_given: usize) -> RowRecord {
        RowRecord {
            n_given,
            tokens: tokens.iter().map(|it| TokenId(*it)).collect(),
            ..RowRecord::default()
        }
    }

    fn check(baseline: &RowRecord, edited: Option<&RowRecord>, wanted: &str) {
        let rows = ShownRecords {
            baseline: Some(baseline),
            edited,
            counterfactual: None,
            edited_from: Some(Position(1)),
            is_edited: false,
        };
        let tokens = TokenTable {
            pieces: ["a", "b", "c"].map(Vec::from).into(),
            special: vec![false; 3],
            ..TokenTable::default()
        };
        let change = (rows.divergence(), "");
        let got = transcript_sentence((&tokens, None), &rows, change, false);
        assert_eq!(got, wanted);
    }

    #[test]
    fn the_sentence_says_where_the_texts_part() {
        let given = row(&[0, 1], 2);
        check(
            &given,
            None,
            "2 tokens given. Space writes on; click a token to see its routing.",
        );
        check(&row(&[], 2), None, "");
        let drawn = row(&[0, 1, 2], 2);
        check(
            &drawn,
            None,
            "2 tokens given, 1 drawn; click a token to see its routing.",
        );
        check(
            &drawn,
            Some(&row(&[0, 1, 1], 2)),
            "Texts part at token 2: “c”, “b” (n, p: next, previous change).",
        );
        check(
            &drawn,
            Some(&drawn),
            "The texts are the same so far, over 3 tokens.",
        );
        check(
            &given,
            Some(&given),
            "Space writes the edited text beside the baseline.",
        );
        let rows = ShownRecords {
            baseline: Some(&drawn),
            edited: Some(&drawn),
            counterfactual: None,
            edited_from: Some(Position(1)),
            is_edited: false,
        };
        let said = transcript_sentence(
            (&TokenTable::default(), None),
            &rows,
            (None, "Mean KL 1."),
            false,
        );
        assert!(said.ends_with("over 3 tokens. Mean KL 1."), "{said}");
    }

    #[test]
    fn of_a_series_the_sentence_speaks_of_points_and_their_values() {
        let point = |it: f32| TokenId::of_point(it).0;
        let scale = crate::spec::SeriesScale {
            mean: 10.0,
            deviation: 2.0,
        };
        let tokens = TokenTable::points(scale);
        let say = |baseline: &RowRecord, edited: Option<&RowRecord>| {
            let rows = ShownRecords {
                baseline: Some(baseline),
                edited,
                counterfactual: None,
                edited_from: Some(Position(1)),
                is_edited: false,
            };
            transcript_sentence((&tokens, None), &rows, (rows.divergence(), ""), false)
        };
        let drawn = row(&[point(0.0), point(1.0), point(0.5)], 2);
        assert_eq!(
            say(&drawn, None),
            "2 points given, 1 forecast one by one; click a point to see its routing."
        );
        let other = row(&[point(0.0), point(1.0), point(-1.0)], 2);
        assert_eq!(
            say(&drawn, Some(&other)),
            "The series part at point 2: 11, 8 (n, p: next, previous change)."
        );
    }
}
