//! The sentence under the bars: the rule with this model's numbers, the cut, how sure the router was.

use super::Decided;
use crate::analysis::entropy_share;
use crate::document::{counted, percent, short, signed, size_words};
use crate::spec::{Renorm, RouterSpec, count_of};
use crate::trace::Pick;

/// The rule, the cut, how sure the router was; the long form with every number of the token.
///
/// `is_baseline`: whether the row is the text without edits.
#[must_use]
pub fn router_sentence(it: &Decided<'_>, is_baseline: bool, long: bool) -> String {
    let mut parts = vec![rule(it)];
    if let Some(random) = it.in_force.as_ref().and_then(|it| it.random) {
        parts.push(format!("drawn by an edit, seed {random}, not by score"));
    }
    parts.extend(dropped_words(it));
    parts.extend(cut(it));
    if long {
        parts.extend(
            it.routed
                .margin()
                .map(|it| format!("margin {}", size_words(f64::from(it)))),
        );
        parts.extend(confidence(it));
    }
    parts.extend(entropy(it));
    if long {
        parts.extend(gate(it));
        if it.decision.is_some() {
            let even = percent(1.0 / it.routed.n_experts() as f32);
            parts.push(format!("even is {even} each"));
        }
    }
    let mut out = parts.join(" · ");
    out.push('.');
    if it.decision.is_none() {
        out.push_str(" The raw scores of this token were forgotten to save memory: bars are weights; choice, weights and margin stay.");
    }
    // The list acts here, but not on the row shown.
    if is_baseline && it.listed.is_some() && it.in_force.is_none() {
        out.push_str(" This is the baseline: the edits marked act on the edited text.");
    } else if long {
        out.push_str(" One token: a score says who is asked, not what the answer changes.");
    }
    // A figure stays with its sign.
    out.replace(" %", "\u{a0}%")
}

/// Where there is hardly any room: the cut alone, or why there is none.
#[must_use]
pub fn shortest_router_sentence(it: &Decided<'_>) -> String {
    if it.decision.is_none() {
        return "raw scores forgotten: bars are weights".to_owned();
    }
    let dropped = dropped_words(it);
    dropped
        .or_else(|| cut(it))
        .or_else(|| entropy(it))
        .unwrap_or_default()
}

/// Why the token passed no expert: `dropped: expert 3 had taken the 4 tokens it may`; none where it was not dropped.
#[must_use]
pub fn dropped_words(it: &Decided<'_>) -> Option<String> {
    let pick = it.routed.dropped()?;
    Some(full_words(it.spec, pick))
}

/// `dropped: expert 3 had taken the 4 tokens it may`.
#[must_use]
pub fn full_words(router: &RouterSpec, pick: &Pick) -> String {
    let taken = match router.capacity() {
        Some(cap) => format!("the {} it may", count_of(cap, "token")),
        None => "all it may".to_owned(),
    };
    format!("dropped: expert {} had taken {taken}", pick.expert)
}

fn rule(it: &Decided<'_>) -> String {
    let rule = it.spec.rule();
    let edited = it.in_force.as_ref();
    let k = edited.map(|it| it.k).filter(|k| *k != it.spec.top_k);
    let k = k.map_or(String::new(), |k| {
        format!(", here {} by an edit", counted(k))
    });
    let uniform = if edited.is_some_and(|it| it.uniform) {
        ", made equal by an edit"
    } else {
        ""
    };
    let bias = if it.spec.select_bias {
        " · sorted by score + selection bias"
    } else {
        ""
    };
    format!("weight = {rule}{k}{uniform}{bias}")
}

fn cut(it: &Decided<'_>) -> Option<String> {
    it.decision.as_ref()?;
    if let Some((expert, lacks)) = it.nearest() {
        if it.routed.margin() == Some(0.0) {
            return Some(format!(
                "expert {expert} scores as much as the last one picked: ties go to the lowest id"
            ));
        }
        let lacks = lacking(lacks);
        return Some(format!("expert {expert} needs {lacks} to be picked"));
    }
    let all_in = it.n_picks == it.routed.n_experts();
    all_in.then(|| "every expert is picked".to_owned())
}

/// A number of logits to two decimals.
#[must_use]
pub fn rounded_logits(logits: f32) -> f32 {
    (logits * 100.0).round() / 100.0
}

/// What a logit lacks, with its sign; what rounds to nothing is still something: `less than 0.01`.
#[must_use]
pub fn lacking(logits: f32) -> String {
    match rounded_logits(logits) {
        0.0 => "less than 0.01".to_owned(),
        it => signed(it),
    }
}

fn confidence(it: &Decided<'_>) -> Option<String> {
    let confidence = it.confidence()?;
    let renormalised = it.spec.renorm != Renorm::None;
    let sum = it.routed.weight_sum();
    // Where weights are the scores of a softmax, both are one number.
    let is_same = sum.is_some_and(|sum| (sum - confidence).abs() < 1e-4);
    let sum = match (is_same, renormalised, sum) {
        (true, true, _) => ", the sum before renormalising".to_owned(),
        (false, true, Some(sum)) => {
            format!(
                ", weights sum to {} before renormalising",
                short(f64::from(sum))
            )
        }
        (false, false, Some(sum)) => format!(", weights sum to {}", short(f64::from(sum))),
        _ => String::new(),
    };
    let (share, n) = (percent(confidence), counted(it.n_picks));
    Some(format!("confidence {share} in {n} picked{sum}"))
}

fn entropy(it: &Decided<'_>) -> Option<String> {
    let whole = |it: f32| percent((it * 100.0).round() / 100.0);
    let entropy = it.entropy()?;
    let before = it.unbiased().map(|it| entropy_share(&it));
    let before = before.map_or(String::new(), |it| {
        format!(" ({} before the bias)", whole(it))
    });
    Some(format!("entropy {} of the most{before}", whole(entropy)))
}

fn gate(it: &Decided<'_>) -> Option<String> {
    let gate = it.routed.shared_gate()?;
    Some(format!("shared expert's gate {}", short(f64::from(gate))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_logit_lacks_is_never_nothing() {
        let check = |logits: f32, words: &str| assert_eq!(lacking(logits), words);
        check(0.23, "+0.23");
        check(0.2349, "+0.23");
        check(-1.5, "−1.5");
        check(0.004_9, "less than 0.01");
        check(-0.004, "less than 0.01");
        check(0.006, "+0.01");
    }
}
