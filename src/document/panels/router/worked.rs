//! The choice worked out in one line, for whoever has a pencil: shares, their sum, weights.

use super::{Decided, dropped_words};
use crate::document::short;
use crate::spec::{Renorm, Score, Weight, plural};

/// So many terms are written out; of more the first and how many follow.
const MOST_TERMS: usize = 4;
/// Weights further apart than this are not what the sum gives: an edit or a factor has changed them.
const ROUNDING: f32 = 0.002;

/// `softmax: 30.3 % + 15.7 % = 46.0 %, so weights 0.659 and 0.341`; what else made the weights is said where they are
/// not the shares over their sum.
#[must_use]
pub fn worked_words(it: &Decided<'_>) -> String {
    if let Some(words) = dropped_words(it) {
        return format!("{words}, so the token passes no expert: only the residual stream goes on");
    }
    let weights: Vec<f32> = it.routed.picks().map(|it| it.weight).collect();
    let said = joined(&weights, " and ", |it| format!("{it:.3}"));
    let noun = plural(weights.len() as u64, "weight");
    if it.decision.is_none() {
        return format!("{noun} {said}; the scores behind them were forgotten");
    }
    if it.is_random() {
        return format!("drawn by an edit, not by score: {noun} {said}");
    }
    let scores: Option<Vec<f32>> = it
        .routed
        .picks()
        .map(|pick| score(it, pick.expert))
        .collect();
    let Some(scores) = scores.filter(|it| !it.is_empty()) else {
        return format!("nothing was picked; {noun} {said}");
    };
    let sum: f32 = scores.iter().sum();
    let figure = |of: f32| match it.spec.score {
        Score::Softmax => format!("{:.1} %", of * 100.0),
        Score::Logit if it.spec.weight != Weight::Score => format!("{:.1} %", of * 100.0),
        _ => format!("{of:.3}"),
    };
    let terms = joined(&scores, " + ", figure);
    let divided: Vec<f32> = scores.iter().map(|it| it / sum).collect();
    let (rule, how) = (name(it), explained(it, &weights, &scores, &divided));
    let total = if scores.len() == 1 {
        String::new()
    } else {
        format!(" = {}", figure(sum))
    };
    format!("{rule}: {terms}{total}, {how} {noun} {said}").replace(" %", "\u{a0}%")
}

/// What the shares of an expert are taken of: its score, where the weight is made of that; else its probability.
fn score(it: &Decided<'_>, expert: crate::spec::ExpertId) -> Option<f32> {
    let decision = it.decision.as_ref()?;
    let from = match (it.spec.score, it.spec.weight) {
        (Score::Sigmoid | Score::SqrtSoftplus, Weight::Score) => &decision.scores,
        _ => &decision.shares,
    };
    from.get(expert.idx()).copied()
}

fn name(it: &Decided<'_>) -> &'static str {
    match (it.spec.score, it.spec.weight) {
        (Score::Sigmoid, Weight::Score) => "sigmoid",
        (Score::SqrtSoftplus, Weight::Score) => "√softplus",
        _ => "softmax",
    }
}

/// How the weights come from the shares.
fn explained(it: &Decided<'_>, weights: &[f32], scores: &[f32], divided: &[f32]) -> String {
    let is = |wanted: &[f32], factor: f32| {
        let pairs = weights.iter().zip(wanted);
        weights.len() == wanted.len()
            && pairs
                .into_iter()
                .all(|(a, b)| (a - b * factor).abs() < ROUNDING * factor.max(1.0))
    };
    let factor = it.spec.scale;
    let times = format!(", times {}", short(f64::from(factor)));
    if is(divided, 1.0) {
        "so".to_owned()
    } else if is(divided, factor) {
        format!("over their sum{times}, so")
    } else if is(scores, 1.0) {
        "as they are:".to_owned()
    } else if is(scores, factor) {
        format!("as they are{times}, so")
    } else if it.in_force.is_some() {
        "changed by an edit:".to_owned()
    } else if matches!(it.spec.renorm, Renorm::PNorm(_)) {
        "over their p-norm:".to_owned()
    } else {
        "made into".to_owned()
    }
}

fn joined(all: &[f32], between: &str, words: impl Fn(f32) -> String) -> String {
    let first: Vec<String> = all.iter().take(MOST_TERMS).map(|it| words(*it)).collect();
    let left = all.len() - first.len();
    let comma = if between == " and " { ", " } else { between };
    if left > 0 {
        return format!("{}{between}{left} more", first.join(comma));
    }
    match first.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, before)) => format!("{}{between}{last}", before.join(comma)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_joined_as_one_says_them() {
        let check = |n: usize, between: &str, words: &str| {
            let all: Vec<f32> = (1..=n).map(|it| it as f32).collect();
            assert_eq!(joined(&all, between, |it| format!("{it}")), words);
        };
        check(1, " and ", "1");
        check(2, " and ", "1 and 2");
        check(3, " and ", "1, 2 and 3");
        check(3, " + ", "1 + 2 + 3");
        check(8, " + ", "1 + 2 + 3 + 4 + 4 more");
        check(8, " and ", "1, 2, 3, 4 and 4 more");
        check(0, " + ", "");
    }
}
