//! A text as the model's pieces spell it: the steps of the normalizer, each within limits.

use std::{cell::Cell, sync::OnceLock};

use serde_json::Value;
use tokenizers::{NormalizedString, Normalizer, NormalizerWrapper, pattern::Pattern as _};

use super::{
    budget::{Budget, MAX_GROWN_BYTES, check_grown},
    growth::Growth,
    pattern::Pattern,
    rules::{rules, written},
};

thread_local! {
    /// Bytes that the parts of the text at hand became. The library asks that a normalizer can be shared by threads,
    /// and gives it one part after the other on one.
    static GROWN_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// The steps of a normalizer, one after the other.
#[derive(Debug)]
pub(super) struct NormalSteps(Vec<Step>);

#[derive(Debug)]
struct Step {
    how: How,
    growth: Growth,
}

#[derive(Debug)]
enum How {
    Replace(Pattern, String),
    Library(Box<NormalizerWrapper>),
}

impl NormalSteps {
    /// The steps of the library's normalizer.
    ///
    /// # Errors
    /// One that is beyond a limit.
    pub(super) fn of(normalizer: &NormalizerWrapper) -> Result<Self, String> {
        let rules = rules("normalizer", &written(normalizer)?)?;
        rules
            .iter()
            .map(Step::of)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The normalizer for one text.
    pub(super) fn within<'a>(&'a self, budget: &'a Budget) -> Within<'a> {
        GROWN_BYTES.set(0);
        Within {
            steps: &self.0,
            budget,
            failure: OnceLock::new(),
        }
    }
}

/// Whether the library may normalize some texts, as it does with those of added tokens: it does so without limits.
///
/// # Errors
/// One sentence where it may not.
pub(in crate::checkpoint) fn check_all<'a>(
    normalizer: &NormalizerWrapper,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<(), String> {
    const SECS: u64 = 5;
    let steps = NormalSteps::of(normalizer)?;
    let budget = Budget::secs(SECS);
    let within = steps.within(&budget);
    for text in texts {
        let mut text = NormalizedString::from(text);
        within.normalize(&mut text).map_err(|it| it.to_string())?;
    }
    Ok(())
}

impl Step {
    fn of(rule: &Value) -> Result<Self, String> {
        let growth = Growth::of_normalizer(rule)?;
        let how = if let Some((pattern, content)) = replace(rule)? {
            How::Replace(pattern, content)
        } else {
            // As a text: a table of replacements is read from nothing else.
            let it = serde_json::from_str(&rule.to_string()).map_err(|it| it.to_string())?;
            How::Library(Box::new(it))
        };
        Ok(Self { how, growth })
    }

    fn apply(&self, text: &mut NormalizedString, budget: &Budget) -> tokenizers::Result<()> {
        budget.check()?;
        self.check(text.get(), budget)?;
        self.follow(text, budget)
    }

    fn follow(&self, text: &mut NormalizedString, budget: &Budget) -> tokenizers::Result<()> {
        match &self.how {
            How::Replace(pattern, content) => text.replace(pattern.within(budget), content),
            How::Library(it) => it.normalize(text),
        }
    }

    /// Whether the text may become what this step makes of it. Where it might grow too long, it is tried out piece
    /// by piece.
    fn check(&self, text: &str, budget: &Budget) -> tokenizers::Result<()> {
        if self.growth.of(text.len(), 1) <= MAX_GROWN_BYTES as f64 {
            return Ok(());
        }
        if let How::Replace(pattern, content) = &self.how {
            // What matches may depend on all of the text, so that pieces of it would not do.
            let parts = pattern.within(budget).find_matches(text)?;
            let grown = parts.iter().map(|((start, end), is_match)| {
                if *is_match {
                    content.len()
                } else {
                    end - start
                }
            });
            check_grown(grown.fold(0, usize::saturating_add))?;
            return Ok(());
        }
        let n_piece = (MAX_GROWN_BYTES as f64 / self.growth.times) as usize;
        let (mut rest, mut n_bytes) = (text, 0);
        while !rest.is_empty() {
            budget.check()?;
            let end = rest.ceil_char_boundary(n_piece.clamp(1, rest.len()));
            let (piece, behind) = rest.split_at(end);
            let mut piece = NormalizedString::from(piece);
            self.follow(&mut piece, budget)?;
            n_bytes += piece.get().len();
            check_grown(n_bytes)?;
            rest = behind;
        }
        Ok(())
    }
}

/// Pattern and content of a rule that replaces; `None` for others.
///
/// # Errors
/// A pattern that cannot be used.
pub(super) fn replace(rule: &Value) -> Result<Option<(Pattern, String)>, String> {
    if super::growth::kind(rule) != "Replace" {
        return Ok(None);
    }
    let pattern = Pattern::of_rule(rule)?;
    let content = rule.get("content").and_then(Value::as_str);
    Ok(Some((pattern, content.unwrap_or_default().to_owned())))
}

/// The normalizer as the library asks for one, for one text.
pub(super) struct Within<'a> {
    steps: &'a [Step],
    budget: &'a Budget,
    /// The first thing that went wrong: the library does not pass it on.
    failure: OnceLock<String>,
}

impl Within<'_> {
    /// Whether all went well.
    ///
    /// # Errors
    /// The first thing that did not.
    pub(super) fn end(self) -> Result<(), String> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }

    fn follow(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        for step in self.steps {
            step.apply(text, self.budget)?;
        }
        GROWN_BYTES.set(GROWN_BYTES.get() + text.get().len());
        Ok(check_grown(GROWN_BYTES.get())?)
    }
}

impl Normalizer for Within<'_> {
    fn normalize(&self, text: &mut NormalizedString) -> tokenizers::Result<()> {
        let result = match self.failure.get() {
            Some(why) => Err(why.clone().into()),
            None => self.follow(text),
        };
        result.inspect_err(|why| {
            self.failure.get_or_init(|| why.to_string());
            text.clear();
        })
    }
}
