//! Where one expert is used, and whether it keeps the next token, in words.

use crate::analysis::{ExpertUse, FALSE_DISCOVERIES, SPECIALTY_RATIO, Specialty};
use crate::document::{counted, percent, short};
use crate::spec::{count_of, grouped};

/// What the texts say of an expert, in words: a specialty, or that there is none.
///
/// `names` are those of the texts compared, `even` the share of tokens where load is even, 0 to 1.
#[must_use]
pub fn finding_words(specialty: &Specialty, names: &[&str], even: f64) -> String {
    let of = |share: f64| percent(share as f32);
    let n_texts = specialty.n_compared();
    let tokens = count_of(specialty.all.n_tokens, "token");
    if n_texts < 2 {
        return "One text tells no specialty: there is nothing to compare it with.".to_owned();
    }
    let n = counted(n_texts);
    let texts = format!("{} texts", counted(n_texts));
    if specialty.all.n == 0 {
        return format!(
            "Unused in these {texts} ({tokens}), where even is {}: no specialty to look for, and no verdict.",
            of(even)
        );
    }
    let test = format!(
        "Fisher's exact test against the other texts, corrected for {n} of them, tokens taken as independent"
    );
    let found = specialty.found();
    if let Some(first) = found.first()
        && let Some(it) = specialty.texts[*first]
    {
        let times = if it.elsewhere > 0.0 {
            format!("{} × as often", short(it.share / it.elsewhere))
        } else {
            "only".to_owned()
        };
        let others = match &found[1..] {
            [] => String::new(),
            rest => format!(
                " Also above the others: {}.",
                rest.iter()
                    .map(|it| names.get(*it).copied().unwrap_or("?"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        };
        return format!(
            "Specialty found: picked {times} in {}, {} of its {}, {} elsewhere (q = {}; {test}).{others} \
             It says where the expert is used, not what it does.",
            names.get(*first).copied().unwrap_or("?"),
            of(it.share),
            count_of(it.uses.n_tokens, "token"),
            of(it.elsewhere),
            short(it.q)
        );
    }
    let (least, most) = specialty.range().unwrap_or_default();
    let q = specialty.least_q().unwrap_or(1.0);
    let between = format!("{} to {} of the tokens", of(least), of(most));
    if q <= FALSE_DISCOVERIES {
        format!(
            "No specialty found: picked for {between} of {texts}, even is {}. That is more than chance \
             (least q = {}; {test}), but nowhere {SPECIALTY_RATIO} × the {} it has over all {tokens}.",
            of(even),
            short(q),
            of(specialty.all.n as f64 / specialty.all.n_tokens as f64)
        )
    } else {
        format!(
            "No specialty found: picked for {between} of {texts}, even is {}; over {tokens} chance \
             alone gives as much (least q = {}; {test}).",
            of(even),
            short(q)
        )
    }
}

/// P(picked again at t + 1) beside what independent tokens would give.
#[must_use]
pub fn repetition_words(uses: &ExpertUse) -> String {
    let (Some(again), Some(share)) = (uses.repetition(), uses.share()) else {
        return "No token follows one of its own yet.".to_owned();
    };
    format!(
        "Picked again for the next token in {} of {} cases, {}; if each token were routed by itself it would be its \
         share of all tokens, {}.",
        grouped(uses.n_repeated),
        grouped(uses.n_followed),
        percent(again as f32),
        percent(share as f32)
    )
}
