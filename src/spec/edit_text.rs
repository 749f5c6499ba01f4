//! The text form of an edit, which the command line, the window and saved files share.
//!
//! **Invariant:** `parse(print(x)) == x`.

use std::{fmt, str::FromStr};

use super::{Action, Amount, ExpertId, Intervention, LayerId, Position, RouterRef, Span, StackId};

/// Why a text is not an edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (in edit \"{text}\")")]
pub struct EditError {
    what: String,
    text: String,
}

impl fmt::Display for RouterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::AllAttention => f.write_str("attn.*"),
            Self::Layer(layer) => write!(f, "{layer}"),
            Self::Attention(layer) => write!(f, "attn.{layer}"),
            Self::InStack(StackId::Encoder, layer) => write!(f, "enc.{layer}"),
            Self::InStack(StackId::Decoder, layer) => write!(f, "dec.{layer}"),
        }
    }
}

impl fmt::Display for Intervention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.action.keyword(), self.at)?;
        match self.action {
            Action::Bias { expert, value } | Action::Select { expert, value } => {
                write!(f, ".{expert}={value}")?;
            }
            Action::K { n } => write!(f, "={n}")?,
            Action::Mask { expert }
            | Action::Zero { expert }
            | Action::Force {
                expert,
                share: None,
            } => write!(f, ".{expert}")?,
            Action::Force {
                expert,
                share: Some(share),
            } => write!(f, ".{expert}={share}")?,
            Action::Uniform => {}
            Action::Random { seed } => write!(f, "={seed}")?,
            Action::Swap { expert, with } => write!(f, ".{expert}>{with}")?,
        }
        if let Some(from) = self.span.from {
            write!(f, "@{from}..")?;
        }
        match (self.span.from, self.span.until) {
            (None, Some(until)) => write!(f, "@..{until}"),
            (Some(_), Some(until)) => write!(f, "{until}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Intervention {
    type Err = EditError;

    fn from_str(text: &str) -> Result<Self, EditError> {
        parse(text.trim()).map_err(|what| EditError {
            what,
            text: text.to_owned(),
        })
    }
}

const FORMS: &str = "bias:L.E=+2, select:L.E=+0.1, k:L=n, mask:L.E, force:L.E, force:L.E=0.5, uniform:L, random:L=seed, zero:L.E or swap:L.E>F";

fn parse(text: &str) -> Result<Intervention, String> {
    let (body, span) = match text.split_once('@') {
        Some((body, span)) => (body, parse_span(span)?),
        None => (text, Span::default()),
    };
    let (keyword, rest) = body
        .split_once(':')
        .ok_or_else(|| format!("an edit is one of {FORMS}"))?;
    let (target, value) = match rest.split_once(['=', '>']) {
        Some((target, value)) => (target, Some((rest.as_bytes()[target.len()], value))),
        None => (rest, None),
    };
    let whole_layer = matches!(keyword, "k" | "uniform" | "random");
    let (at, expert) = parse_target(target, !whole_layer)?;
    let action = parse_action(keyword, expert, value)?;
    Ok(Intervention { action, at, span })
}

fn parse_action(
    keyword: &str,
    expert: ExpertId,
    value: Option<(u8, &str)>,
) -> Result<Action, String> {
    let wanted = |what: &str| format!("{keyword} needs {what}");
    match (keyword, value) {
        ("bias", Some((b'=', it))) => Ok(Action::Bias {
            expert,
            value: finite(it)?,
        }),
        ("select", Some((b'=', it))) => Ok(Action::Select {
            expert,
            value: finite(it)?,
        }),
        ("bias" | "select", _) => Err(wanted("a value, as in bias:0.3=+2")),
        ("k", Some((b'=', it))) => match whole::<u16>(it)? {
            0 => Err("k must be at least 1".to_owned()),
            n => Ok(Action::K { n }),
        },
        ("k", _) => Err(wanted("a number of experts, as in k:0=1")),
        ("mask", None) => Ok(Action::Mask { expert }),
        ("zero", None) => Ok(Action::Zero { expert }),
        ("force", None) => Ok(Action::Force {
            expert,
            share: None,
        }),
        ("force", Some((b'=', it))) => match finite(it)? {
            Amount(share) if (0.0..1.0).contains(&share) => Ok(Action::Force {
                expert,
                share: Some(Amount(share)),
            }),
            share => Err(format!("a share lies from 0 to below 1, not {share}")),
        },
        ("uniform", None) => Ok(Action::Uniform),
        ("random", Some((b'=', it))) => Ok(Action::Random { seed: whole(it)? }),
        ("random", _) => Err(wanted("a seed, as in random:0=7")),
        ("swap", Some((b'>', it))) => Ok(Action::Swap {
            expert,
            with: ExpertId(whole(it)?),
        }),
        ("swap", _) => Err(wanted("a second expert, as in swap:0.3>5")),
        ("mask" | "zero" | "force" | "uniform", _) => Err(format!("{keyword} takes no such value")),
        _ => Err(format!(
            "unknown edit \"{keyword}\"; an edit is one of {FORMS}"
        )),
    }
}

/// `L.E`, `*.E`, `attn.L.E`, `enc.L.E`, `dec.L.E`; without `.E` where the edit is about a whole layer.
fn parse_target(text: &str, with_expert: bool) -> Result<(RouterRef, ExpertId), String> {
    let shape = if with_expert {
        "layer and expert, as in 4.5"
    } else {
        "a layer, as in 4"
    };
    let mut parts: Vec<&str> = text.split('.').collect();
    let expert = match (with_expert, parts.len()) {
        (true, 2 | 3) => ExpertId(whole(parts.pop().unwrap_or_default())?),
        (false, 1 | 2) => ExpertId::default(),
        _ => return Err(format!("expected {shape}, not \"{text}\"")),
    };
    let at = match parts[..] {
        ["*"] => RouterRef::All,
        ["attn", "*"] => RouterRef::AllAttention,
        ["attn", layer] => RouterRef::Attention(LayerId(whole(layer)?)),
        ["enc", layer] => RouterRef::InStack(StackId::Encoder, LayerId(whole(layer)?)),
        ["dec", layer] => RouterRef::InStack(StackId::Decoder, LayerId(whole(layer)?)),
        [layer] => RouterRef::Layer(LayerId(whole(layer)?)),
        _ => return Err(format!("expected {shape}, not \"{text}\"")),
    };
    Ok((at, expert))
}

impl FromStr for RouterRef {
    type Err = String;

    /// `4`, `attn.4`, `enc.1`, `dec.3`, `*`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_target(text, false).map(|it| it.0)
    }
}

fn parse_span(text: &str) -> Result<Span, String> {
    let end = |it: &str| {
        if it.is_empty() {
            Ok(None)
        } else {
            whole(it).map(|it| Some(Position(it)))
        }
    };
    let (from, until) = text
        .split_once("..")
        .ok_or_else(|| format!("positions are written a..b, not \"{text}\""))?;
    let span = Span {
        from: end(from)?,
        until: end(until)?,
    };
    match span.until {
        Some(until) if until <= span.start() => Err(format!(
            "positions {text} hold nothing: the first must lie below the second"
        )),
        _ => Ok(span),
    }
}

/// A whole number in plain digits: no sign, so that there is one way to write an id.
fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    let digits = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    match text.parse() {
        Ok(it) if digits => Ok(it),
        _ => Err(format!("expected a whole number in range, not \"{text}\"")),
    }
}

fn finite(text: &str) -> Result<Amount, String> {
    match text.parse::<f32>() {
        Ok(it) if it.is_finite() => Ok(Amount(it)),
        _ => Err(format!("expected a finite number, not \"{text}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, printed: &str) {
        let edit: Intervention = text.parse().unwrap();
        assert_eq!(edit.to_string(), printed);
        assert_eq!(printed.parse::<Intervention>().unwrap(), edit);
    }

    #[test]
    fn every_form_reads_and_prints() {
        check("bias:4.5=+2.0", "bias:4.5=2");
        check("bias:*.0=-0.25@3..", "bias:*.0=-0.25@3..");
        check("select:enc.1.7=1e-3", "select:enc.1.7=0.001");
        check("k:*=3@..8", "k:*=3@..8");
        check("mask:attn.2.11@5..9", "mask:attn.2.11@5..9");
        check("mask:attn.*.0", "mask:attn.*.0");
        check("force:dec.3.1", "force:dec.3.1");
        check("force:0.2=.5", "force:0.2=0.5");
        check("uniform:2@0..", "uniform:2@0..");
        check("random:attn.4=4294967295", "random:attn.4=4294967295");
        check(" zero:0.2047 ", "zero:0.2047");
        check("swap:0.0>2", "swap:0.0>2");
        check("mask:1.2@..", "mask:1.2");
    }

    #[test]
    fn what_is_no_edit_is_refused_in_a_sentence() {
        for text in [
            "",
            "mask",
            "mask:",
            "mask:1",
            "mask:1.2.3",
            "mask:a.b",
            "mask:1.2=3",
            "mask:-1.2",
            "mask:1.+2",
            "mask:1.70000",
            "bias:1.2",
            "bias:1.2=inf",
            "bias:1.2=nan",
            "bias:1.2=1e99",
            "bias:1.2>3",
            "k:1=0",
            "k:1.2=3",
            "k:1=-1",
            "force:1.2=1",
            "force:1.2=-0.1",
            "uniform:1.2",
            "uniform:1=3",
            "random:1",
            "random:1=4294967296",
            "swap:1.2=3",
            "swap:1.2>",
            "mask:1.2@5",
            "mask:1.2@5..5",
            "mask:1.2@9..3",
            "mask:1.2@..0",
            "mask:1.2@x..",
            "boost:1.2",
            "mask:all.2",
            "mask:*.*",
        ] {
            let error = text.parse::<Intervention>().unwrap_err().to_string();
            assert!(error.contains("edit \""), "{text}: {error}");
        }
    }
}
