//! Edits, models and numbers in words: one way to say each, in the window, on a shared page, in the terminal.

use crate::spec::{
    Action, Intervention, InterventionSet, LayerId, ModelSpec, Position, RouterId, RouterPlace,
    RouterRef, RouterSpec, Sampling, Site, Span, StackId,
};
use crate::trace::ModelFacts;

/// Whether a router is one of those an edit names.
#[must_use]
pub fn covers(at: RouterRef, place: &RouterPlace) -> bool {
    let is =
        |stack, layer, site| place.stack == stack && place.layer == layer && place.site == site;
    match at {
        RouterRef::All => true,
        RouterRef::AllAttention => place.site == Site::Attention,
        RouterRef::Layer(layer) => is(StackId::Decoder, layer, Site::Ffn),
        RouterRef::Attention(layer) => is(StackId::Decoder, layer, Site::Attention),
        RouterRef::InStack(stack, layer) => is(stack, layer, Site::Ffn),
    }
}

/// How an edit names a router; none where there is no such router.
#[must_use]
pub fn router_ref(spec: &ModelSpec, router: RouterId) -> Option<RouterRef> {
    let place = spec.router(router)?.place;
    Some(match (place.site, spec.encoder.is_some()) {
        (Site::Attention, _) => RouterRef::Attention(place.layer),
        (Site::Ffn, true) => RouterRef::InStack(place.stack, place.layer),
        (Site::Ffn, false) => RouterRef::Layer(place.layer),
    })
}

/// The layer in which the Tour model keeps each language to an expert (assets/models/SOURCES.md).
const TOUR_LANGUAGE_LAYER: LayerId = LayerId(4);

/// The router that is looked at first: in the Tour model that of the layer where languages keep to experts, else the
/// middle one.
#[must_use]
pub fn first_router(facts: &ModelFacts) -> Option<RouterId> {
    let spec = &facts.spec;
    let of_languages = spec.router_at(StackId::Decoder, TOUR_LANGUAGE_LAYER, Site::Ffn);
    let is_tour = facts.name.eq_ignore_ascii_case("tour");
    of_languages
        .filter(|_| is_tour)
        .or_else(|| spec.middle_router())
}

fn place_words(at: RouterRef) -> String {
    match at {
        RouterRef::All => "every layer".to_owned(),
        RouterRef::AllAttention => "every attention router".to_owned(),
        RouterRef::Layer(layer) => format!("layer {layer}"),
        RouterRef::Attention(layer) => format!("layer {layer}'s attention"),
        RouterRef::InStack(StackId::Encoder, layer) => format!("encoder layer {layer}"),
        RouterRef::InStack(StackId::Decoder, layer) => format!("decoder layer {layer}"),
    }
}

/// What an edit does: `Mask expert 5 in layer 4`.
#[must_use]
pub fn edit_words(edit: &Intervention) -> String {
    let place = place_words(edit.at);
    match edit.action {
        Action::Bias { expert, value } => {
            format!("Bias expert {expert} in {place} by {}", signed(value.0))
        }
        Action::Select { expert, value } => {
            format!("Favour expert {expert} in {place} by {}", signed(value.0))
        }
        Action::K { n: 1 } => format!("Choose one expert in {place}"),
        Action::K { n } => format!("Choose {n} experts in {place}"),
        Action::Mask { expert } => format!("Mask expert {expert} in {place}"),
        Action::Force {
            expert,
            share: None,
        } => format!("Force expert {expert} in {place}"),
        Action::Force {
            expert,
            share: Some(share),
        } => format!(
            "Force expert {expert} in {place}, {} of the weight",
            percent(share.0)
        ),
        Action::Uniform => format!("Equal weights in {place}"),
        Action::Random { seed } => format!("Random experts in {place}, seed {seed}"),
        Action::Zero { expert } => format!("Silence expert {expert} in {place}"),
        Action::Swap { expert, with } => {
            format!("Run expert {with} for expert {expert} in {place}")
        }
    }
}

/// The positions an edit acts on: `from “qui” on`, `everywhere`, `tokens 3 to 7`.
#[must_use]
pub fn span_words(span: Span, name: impl Fn(Position) -> Option<String>) -> String {
    let name = |at: Position| match name(at) {
        Some(it) => format!("{it} ({at})"),
        None => format!("token {at}"),
    };
    match (span.from, span.until) {
        (None, None) => "everywhere".to_owned(),
        (Some(from), None) => format!("from {} on", name(from)),
        (None, Some(until)) => format!("before token {until}"),
        (Some(from), Some(until)) if until.idx() == from.idx() + 1 => {
            format!("only {}", name(from))
        }
        (Some(from), Some(until)) => format!("only tokens {from} to {}", until.idx() - 1),
    }
}

/// The whole list in words, for the head of the edited column: `four experts masked`.
#[must_use]
pub fn list_words(edits: &InterventionSet) -> String {
    let active: Vec<&Intervention> = edits.active().collect();
    match active[..] {
        [] => "no edits".to_owned(),
        [one] => {
            let words = edit_words(one);
            let mut chars = words.chars();
            chars
                .next()
                .map(|it| it.to_lowercase().chain(chars).collect())
                .unwrap_or_default()
        }
        _ if active
            .iter()
            .all(|it| matches!(it.action, Action::Mask { .. })) =>
        {
            format!("{} experts masked", counted(active.len()))
        }
        _ => format!("{} edits", counted(active.len())),
    }
}

/// A small number as a word.
#[must_use]
pub fn counted(n: usize) -> String {
    const WORDS: [&str; 10] = [
        "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    ];
    WORDS
        .get(n)
        .map_or_else(|| n.to_string(), |it| (*it).to_owned())
}

/// `+2`, `-0.5`: the sign always written.
#[must_use]
pub fn signed(value: f32) -> String {
    if value < 0.0 {
        format!("−{}", -value)
    } else {
        format!("+{value}")
    }
}

/// Below this a size is said to be less.
const LEAST_SHOWN: f64 = 0.001;

/// By how much something changed, with its sign and in three digits: `+0.256`; what rounds to nothing is still
/// something: `less than 0.001`. `0` where nothing changed.
#[must_use]
pub fn change_words(value: f64) -> String {
    let size = value.abs();
    if size < LEAST_SHOWN {
        return size_words(size);
    }
    let sign = if value < 0.0 { '−' } else { '+' };
    format!("{sign}{}", short(size))
}

/// A size of which the order of magnitude alone is read where it is small: `0.123`, `less than 0.001`.
#[must_use]
pub fn size_words(size: f64) -> String {
    if size == 0.0 || size >= LEAST_SHOWN {
        short(size)
    } else {
        format!("less than {LEAST_SHOWN}")
    }
}

/// Three significant digits at most: `0.123`, `4.56`, `789`.
#[must_use]
pub fn short(value: f64) -> String {
    // Without the sign of a zero.
    let value = value + 0.0;
    let size = value.abs();
    let text = if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else if size >= 0.001 || size == 0.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1e}")
    };
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A share as per cent: `25 %`, `0.4 %`.
#[must_use]
pub fn percent(share: f32) -> String {
    format!("{} %", short(f64::from(share) * 100.0))
}

/// A number of things in thousands, millions, billions: `7.2 M`.
#[must_use]
pub fn big(n: u64) -> String {
    const UNITS: [(f64, &str); 3] = [(1e9, " B"), (1e6, " M"), (1e3, " k")];
    let value = n as f64;
    UNITS.iter().find(|(unit, _)| value >= *unit).map_or_else(
        || n.to_string(),
        |(unit, name)| {
            let scaled = value / unit;
            if scaled >= 100.0 {
                format!("{scaled:.0}{name}")
            } else {
                format!("{scaled:.1}{name}")
            }
        },
    )
}

/// Bytes: `14.4 MB`.
#[must_use]
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// The line in the middle of the top bar, after the name.
#[must_use]
pub fn facts_words(facts: &ModelFacts) -> String {
    let spec = &facts.spec;
    let even = |get: fn(&RouterSpec) -> usize| {
        let mut all = spec.routers.iter().map(get);
        let first = all.next();
        first.filter(|it| all.all(|other| other == *it))
    };
    let experts = even(|it| it.n_experts).map_or_else(
        || format!("up to {} experts", spec.max_experts()),
        |n| format!("{n} experts"),
    );
    let groups = spec.groups().into_iter();
    let layers = groups.map(|it| spec.layers_of(it.stack).len().to_string());
    let layers: Vec<String> = layers.collect();
    let top_k = even(|it| it.top_k).map_or_else(String::new, |k| format!(", top-{k}"));
    format!(
        "{} architecture · {} layers × {experts}{top_k} · {} parameters, {} active · {}",
        spec.family_label,
        layers.join(" + "),
        big(facts.parameters.total),
        big(facts.parameters.active),
        facts.dtype,
    )
}

/// How tokens are drawn: `temperature 0.7, seed 1`.
#[must_use]
pub fn sampling_words(it: &Sampling) -> String {
    let mut parts = vec![if it.temperature.0 == 0.0 {
        "the likeliest token each time".to_owned()
    } else {
        format!("temperature {}, seed {}", it.temperature, it.seed)
    }];
    if it.top_k > 0 {
        parts.push(format!("top-k {}", it.top_k));
    }
    if it.top_p.0 < 1.0 {
        parts.push(format!("top-p {}", it.top_p));
    }
    if it.min_p.0 > 0.0 {
        parts.push(format!("min-p {}", it.min_p));
    }
    parts.join(", ")
}

/// A word as a shell takes it whole.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-:,=@+".contains(it);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edit_reads_as_a_sentence() {
        let check = |text: &str, words: &str| {
            assert_eq!(edit_words(&text.parse().unwrap()), words);
        };
        check("mask:4.5", "Mask expert 5 in layer 4");
        check(
            "force:*.0=0.5",
            "Force expert 0 in every layer, 50 % of the weight",
        );
        check("bias:1.2=-0.5", "Bias expert 2 in layer 1 by −0.5");
        check("k:0=1", "Choose one expert in layer 0");
        check("swap:0.3>5@9..", "Run expert 5 for expert 3 in layer 0");
        check("zero:attn.2.1", "Silence expert 1 in layer 2's attention");
    }

    #[test]
    fn spans_read_as_words() {
        let check = |text: &str, words: &str| {
            let edit: Intervention = text.parse().unwrap();
            let name = |at: Position| (at == Position(9)).then(|| "“qui”".to_owned());
            assert_eq!(span_words(edit.span, name), words);
        };
        check("mask:4.5@9..", "from “qui” (9) on");
        check("mask:4.5", "everywhere");
        check("mask:4.5@3..8", "only tokens 3 to 7");
        check("mask:4.5@9..10", "only “qui” (9)");
        // Of a token that was not read yet nothing but its place is known.
        check("mask:4.5@12..", "from token 12 on");
        check("mask:4.5@12..13", "only token 12");
        check("mask:4.5@..4", "before token 4");
    }

    #[test]
    fn a_change_has_its_sign_and_is_never_rounded_to_nothing() {
        let check = |value: f64, words: &str| assert_eq!(change_words(value), words);
        check(0.256_31, "+0.256");
        check(-0.256_31, "−0.256");
        check(12.345, "+12.3");
        check(-0.001, "−0.001");
        check(0.000_4, "less than 0.001");
        check(-1e-9, "less than 0.001");
        check(0.0, "0");
    }

    #[test]
    fn numbers_keep_three_digits() {
        let check = |value: f64, words: &str| assert_eq!(short(value), words);
        check(-0.0, "0");
        assert_eq!(size_words(0.000_66), "less than 0.001");
        assert_eq!([0.0, 0.066].map(size_words), ["0", "0.066"]);
        check(0.0, "0");
        check(0.1234, "0.123");
        check(6.154, "6.15");
        check(25.0, "25");
        check(310.4, "310");
        assert_eq!(big(7_221_920), "7.2 M");
        assert_eq!(big(512), "512");
        assert_eq!(bytes(14_378_024), "14.4 MB");
    }

    #[test]
    fn words_reach_the_program_through_a_shell_unchanged() {
        assert_eq!(shell_word("tour"), "tour");
        assert_eq!(shell_word("mask:4.5@9.."), "mask:4.5@9..");
        assert_eq!(shell_word("k:*=1"), "'k:*=1'");
        assert_eq!(shell_word("it's here"), r"'it'\''s here'");
        assert_eq!(shell_word(""), "''");
    }
}
