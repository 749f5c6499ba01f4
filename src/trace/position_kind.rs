//! What stands at a position of a row, which decides what is said of it: a token of a text, with letters and
//! probabilities, or a point of a time series, with a value and forecasts.

use std::borrow::Cow;

use crate::spec::ModelSpec;

/// What is written of tokens or texts and says something else of points than the word alone, each wherever it stands, in
/// this order.
const OF_POINTS: &[(&str, &str)] = &[
    (", special tokens left out", ""),
    ("; special tokens are not counted", ""),
    ("token by token", "point by point"),
    ("input token", "input value"),
    ("Input token", "Input value"),
    ("the texts you choose", "the series you choose"),
    (
        "Texts that leave the screen stand here: a candidate, Back, another seed, temperature or list of edits",
        "Series that leave the screen stand here: one point back, another series or list of edits",
    ),
    ("Every text that left", "Every series that left"),
    ("other texts", "other series"),
    ("several kinds of text", "several kinds of series"),
    ("texts unlike those", "series unlike those"),
    ("load text by text", "load series by series"),
    ("if the text falls apart", "if the forecast falls apart"),
    ("baseline text", "baseline series"),
    ("edited text", "edited series"),
    ("mixed text", "mixed series"),
    ("this text", "this series"),
    (" texts (", " series ("),
    ("one text alone", "one series alone"),
];

/// What stands at the positions of a model's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionKind {
    /// A token of a vocabulary: what follows has probabilities, and edits change them by a KL in nats.
    #[default]
    Token,
    /// A point of a time series: what follows is forecast over several horizons, and edits change the forecast by so many
    /// standard deviations of the series.
    Point,
}

impl PositionKind {
    /// That of a model of this shape.
    #[must_use]
    pub fn of(spec: &ModelSpec) -> Self {
        if spec.is_series() {
            Self::Point
        } else {
            Self::Token
        }
    }

    /// What one is called.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Point => "point",
        }
    }

    /// Words written of tokens, said of what stands here: of points where those do. The word changes where it stands alone,
    /// not in a name, as of a file; a command line, whose names may be any words, is not for it.
    #[must_use]
    pub fn said<'a>(self, words: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let words = words.into();
        let is_of_tokens = || {
            ["token", "Token", "text", "Text"]
                .iter()
                .any(|it| words.contains(it))
        };
        if self == Self::Token || !is_of_tokens() {
            return words;
        }
        let mut out = words.into_owned();
        for (of_tokens, of_points) in OF_POINTS {
            if out.contains(of_tokens) {
                out = out.replace(of_tokens, of_points);
            }
        }
        Cow::Owned(of_points(&out))
    }

    /// The name of a panel or a column that is written of tokens.
    #[must_use]
    pub fn named(self, name: &'static str) -> &'static str {
        if self == Self::Token {
            return name;
        }
        match name {
            "Next token" => "Forecast",
            "token" => "point",
            "tokens" => "points",
            "of tokens" => "of points",
            "token id" => "bits",
            "share of tokens" => "share of points",
            "share of its tokens" => "share of its points",
            "tokens with both" => "points with both",
            "tokens of the first" => "points of the first",
            "tokens together" => "points together",
            "tokens counted" => "points counted",
            "tokens/s" => "points/s",
            "from token" => "from point",
            "given tokens" => "given points",
            "drawn tokens" => "forecast points",
            _ => name,
        }
    }

    /// What the whole is called.
    #[must_use]
    pub fn whole(self) -> &'static str {
        match self {
            Self::Token => "text",
            Self::Point => "series",
        }
    }

    /// What several of them are called.
    #[must_use]
    pub fn wholes(self) -> &'static str {
        match self {
            Self::Token => "texts",
            Self::Point => "series",
        }
    }

    /// What edits change at a position.
    #[must_use]
    pub fn change(self) -> &'static str {
        match self {
            Self::Token => "KL",
            Self::Point => "difference of forecasts",
        }
    }

    /// The unit of that change: `sd` is one standard deviation of the series.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Token => "nats",
            Self::Point => "sd",
        }
    }
}

/// `token` as a whole word becomes `point`. One beside a letter, a digit, a path's or a file name's sign is a part of a name.
fn of_points(words: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("tokens", "points"),
        ("token", "point"),
        ("Tokens", "Points"),
        ("Token", "Point"),
    ];
    let is_name = |it: char| it.is_alphanumeric() || matches!(it, '_' | '-' | '/' | '\\');
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(found) = rest.find("oken").and_then(|it| it.checked_sub(1)) {
        let Some((before, at)) = rest.split_at_checked(found) else {
            break;
        };
        let word = WORDS.iter().find(|(it, _)| {
            let after = at.strip_prefix(it);
            after.is_some_and(|it| !it.starts_with(char::is_alphanumeric))
        });
        let begins = !before.ends_with(is_name);
        let ends = |after: &str| {
            let mut next = after.chars();
            let is_speed = after.starts_with("/s");
            let first = next.next();
            let is_file = first == Some('.') && next.next().is_some_and(char::is_alphanumeric);
            is_speed || !(first.is_some_and(is_name) || is_file)
        };
        out.push_str(before);
        match word {
            Some((token, point)) if begins && ends(&at[token.len()..]) => {
                out.push_str(point);
                rest = &at[token.len()..];
            }
            _ => {
                let n = at.chars().take(5).map(char::len_utf8).sum();
                out.push_str(&at[..n]);
                rest = &at[n..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_tokens_are_said_of_points() {
        let check = |words: &str, wanted: &str| {
            assert_eq!(PositionKind::Point.said(words), wanted);
            assert_eq!(PositionKind::Token.said(words), words);
        };
        check("72 of 4,096 tokens", "72 of 4,096 points");
        check("1 token", "1 point");
        check("Tokens, token. (token)", "Points, point. (point)");
        check("3.5 tokens/s", "3.5 points/s");
        check("no word of it", "no word of it");
        check(
            "in token.csv, tokens-2.csv, a/token, my_tokens and tokenizer.json",
            "in token.csv, tokens-2.csv, a/token, my_tokens and tokenizer.json",
        );
        check("über token…", "über point…");
        check(
            "Over 9 tokens of the edited text: what this text uses (Health, over mixed text)",
            "Over 9 points of the edited series: what this series uses (Health, over mixed series)",
        );
        check("the context; text.csv", "the context; text.csv");
        check("broken", "broken");
        check(
            "Over 5 tokens, special tokens left out; x",
            "Over 5 points; x",
        );
    }
}
