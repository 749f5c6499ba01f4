//! Sequences of encoder–decoder models, the tokens of a source and then those of a text, and the groups of layers that
//! read them. A model of one stack has one group, without a name, that reads all there is: nothing asks which it is.

use std::ops::Range;

use super::{
    Intervention, InterventionSet, ModelSpec, Position, RouterId, RouterRef, StackId, TokenId,
};

/// Layers that read the same part of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerGroup {
    /// Encoder or decoder.
    pub stack: StackId,
    /// `encoder` or `decoder`; empty where the model has one stack.
    pub name: &'static str,
    /// What their columns are: `source` or `text`; empty where there is but one sequence.
    pub reads: &'static str,
    /// Rows of its routers in `ModelSpec::routers`.
    pub routers: Range<usize>,
}

/// Where the source of a sequence ends. Without an encoder there is none, and every position is the decoder's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceParts {
    /// Positions of the source.
    pub n_source: usize,
    /// Whether they are points of a series.
    pub is_series: bool,
}

impl SequenceParts {
    /// The stack that reads a position.
    #[must_use]
    pub fn stack(self, at: Position) -> StackId {
        if at.idx() < self.n_source {
            StackId::Encoder
        } else {
            StackId::Decoder
        }
    }

    /// Where a position stands among those of its own stack: what edits and panels count.
    #[must_use]
    pub fn within(self, at: Position) -> Position {
        match self.stack(at) {
            StackId::Encoder => at,
            StackId::Decoder => Position::new(at.idx() - self.n_source),
        }
    }

    /// The position of a sequence that is this one of a stack.
    #[must_use]
    pub fn in_sequence(self, stack: StackId, within: Position) -> Position {
        match stack {
            StackId::Encoder => within,
            StackId::Decoder => within.plus(self.n_source),
        }
    }

    /// The positions of a sequence of `n` that a stack reads.
    #[must_use]
    pub fn range(self, stack: StackId, n: usize) -> Range<usize> {
        let end = self.n_source.min(n);
        match stack {
            StackId::Encoder => 0..end,
            StackId::Decoder => end..n,
        }
    }

    /// How a position is called: `token 3`, of a source `source token 3`, of a series `point 3`.
    #[must_use]
    pub fn name(self, at: Position) -> String {
        let within = self.within(at);
        match (self.is_series, self.stack(at)) {
            (true, _) => format!("point {within}"),
            (false, StackId::Encoder) => format!("source token {within}"),
            (false, StackId::Decoder) => format!("token {within}"),
        }
    }
}

impl ModelSpec {
    /// The groups of its layers, in the order of its routers; those without a router too.
    #[must_use]
    pub fn groups(&self) -> Vec<LayerGroup> {
        let group = |stack, name, reads| {
            let mine = |it: &usize| self.routers[*it].place.stack == stack;
            let first = (0..self.routers.len()).find(mine);
            let n = (0..self.routers.len()).filter(mine).count();
            let first = first.unwrap_or(0);
            LayerGroup {
                stack,
                name,
                reads,
                routers: first..first + n,
            }
        };
        if self.encoder.is_none() {
            return vec![group(StackId::Decoder, "", "")];
        }
        vec![
            group(StackId::Encoder, "encoder", "source"),
            group(StackId::Decoder, "decoder", "text"),
        ]
    }

    /// The group that a router is of.
    #[must_use]
    pub fn group_of(&self, router: RouterId) -> Option<LayerGroup> {
        let mut groups = self.groups().into_iter();
        groups.find(|it| it.routers.contains(&router.idx()))
    }

    /// The router that stands for this one in another stack: in the same place from its start, or the last there.
    #[must_use]
    pub fn counterpart(&self, router: RouterId, stack: StackId) -> RouterId {
        let is_there = self.router(router).is_none_or(|it| it.place.stack == stack);
        if is_there || self.encoder.is_none() {
            return router;
        }
        let groups = self.groups();
        let own = groups.iter().find(|it| it.routers.contains(&router.idx()));
        let other = groups.iter().find(|it| it.stack == stack);
        let (Some(own), Some(other)) = (own, other) else {
            return router;
        };
        let Some(last) = other.routers.clone().next_back() else {
            return router;
        };
        let nth = router.idx() - own.routers.start;
        RouterId::new((other.routers.start + nth).min(last))
    }

    /// The stack whose positions an edit counts; none where it acts on both, each by its own.
    #[must_use]
    pub fn stack_of(&self, at: RouterRef) -> Option<StackId> {
        match at {
            RouterRef::InStack(stack, _) => Some(stack),
            RouterRef::All | RouterRef::AllAttention if self.encoder.is_some() => None,
            _ => Some(StackId::Decoder),
        }
    }

    /// The first position of a sequence that may change under an edit: all of it under one of the encoder, whose every
    /// token sees all others.
    ///
    /// * `parts`: of the sequence
    #[must_use]
    pub fn first_changed(&self, edit: &Intervention, parts: SequenceParts) -> Position {
        match self.stack_of(edit.at) {
            Some(StackId::Decoder) => parts.in_sequence(StackId::Decoder, edit.span.start()),
            Some(StackId::Encoder) | None => Position(0),
        }
    }

    /// The first position of a sequence that may change under a list.
    ///
    /// * `tokens`: of the sequence
    #[must_use]
    pub fn first_edited(&self, edits: &InterventionSet, tokens: &[TokenId]) -> Position {
        let parts = self.parts(tokens);
        let first = edits.active().map(|it| self.first_changed(it, parts));
        first.min().unwrap_or_default()
    }

    /// Where the source of these tokens ends.
    #[must_use]
    pub fn parts(&self, tokens: &[TokenId]) -> SequenceParts {
        SequenceParts {
            n_source: self.n_source(tokens),
            is_series: self.is_series(),
        }
    }

    /// How many of the tokens of a sequence are its source: those before the token that the decoder's text starts with.
    /// In a source that token stands as `TokenId::START_IN_SOURCE`. 0 where the model has no encoder.
    #[must_use]
    pub fn n_source(&self, tokens: &[TokenId]) -> usize {
        let Some(encoder) = &self.encoder else {
            return 0;
        };
        let start = tokens.iter().position(|it| *it == encoder.start);
        start.unwrap_or(tokens.len())
    }

    /// Tokens of the vocabulary as a prompt: those of a source have the token behind them that the decoder's text starts
    /// with, and may hold it themselves. An encoder reads all of them: what it leaves out is said by an attention mask, and a
    /// tokenizer masks what it fills up a batch with, not what stands in a text (the stack of
    /// Transformers' `modeling_switch_transformers.py` fills a missing mask with ones).
    #[must_use]
    pub fn prompt_of(&self, tokens: Vec<TokenId>) -> Vec<TokenId> {
        let Some(encoder) = &self.encoder else {
            return tokens;
        };
        let in_source = |it| {
            if it == encoder.start {
                TokenId::START_IN_SOURCE
            } else {
                it
            }
        };
        let mut out: Vec<TokenId> = tokens.into_iter().map(in_source).collect();
        out.push(encoder.start);
        out
    }

    /// The first tokens of a sequence as a prompt: a part of a source is one of its own.
    #[must_use]
    pub fn beginning(&self, mut tokens: Vec<TokenId>) -> Vec<TokenId> {
        if let Some(encoder) = &self.encoder
            && !tokens.contains(&encoder.start)
        {
            tokens.push(encoder.start);
        }
        tokens
    }

    /// The token of the vocabulary that one of a sequence is.
    #[must_use]
    pub fn in_vocabulary(&self, token: TokenId) -> TokenId {
        token.in_vocabulary(self.encoder.as_ref().map(|it| it.start))
    }

    /// The given tokens of an experiment as they are typed.
    #[must_use]
    pub fn given_ids(&self, given: &[TokenId]) -> GivenIds {
        let n = match &self.encoder {
            Some(_) => self.n_source(given),
            None => given.len(),
        };
        let ids = given[..n].iter().map(|it| self.in_vocabulary(*it));
        GivenIds {
            ids: ids.collect(),
            text: (given.len() > n + 1).then(|| given[n..].to_vec()),
        }
    }
}

impl TokenId {
    /// The token that a decoder's text starts with, where it stands in the source: an id that no vocabulary has, so that a
    /// sequence says by itself where its source ends.
    pub const START_IN_SOURCE: Self = Self(u32::MAX - 1);

    /// The token of a vocabulary that one of a sequence is.
    ///
    /// * `start`: what a decoder's text starts with; none where there is no encoder
    #[must_use]
    pub(super) fn in_vocabulary(self, start: Option<Self>) -> Self {
        start
            .filter(|_| self == Self::START_IN_SOURCE)
            .unwrap_or(self)
    }

    /// An id as it is typed; none where it is no whole number, or one that stands for something else here.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let id = text.trim().parse().map(Self).ok();
        id.filter(|it| *it != Self::START_IN_SOURCE)
    }
}

/// Given tokens as they are typed: ids of the vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenIds {
    /// What the text starts with; of an encoder–decoder model its source.
    pub ids: Vec<TokenId>,
    /// What the text of an encoder–decoder model begins with; none for its start token alone.
    pub text: Option<Vec<TokenId>>,
}

/// Why ids are none that a model can begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenIdsError {
    /// Ids for a decoder, and there is but one stack.
    #[error("this model has no encoder: give --ids alone")]
    NoEncoder,
    /// A text that starts with another token.
    #[error("the text of this model starts with token {start}: --decoder-ids has to begin with it")]
    NoStart {
        /// Id of the token the decoder starts with.
        start: TokenId,
    },
}

impl GivenIds {
    /// The given tokens of an experiment on a model.
    ///
    /// # Errors
    /// A text for a model without an encoder, or one that starts with another token.
    pub fn given(self, spec: &ModelSpec) -> Result<Vec<TokenId>, GivenIdsError> {
        let mut given = spec.prompt_of(self.ids);
        match (&spec.encoder, self.text) {
            (_, None) => {}
            (None, Some(_)) => return Err(GivenIdsError::NoEncoder),
            (Some(encoder), Some(text)) => {
                let start = encoder.start;
                let rest = text.strip_prefix(&[start]);
                given.extend(rest.ok_or(GivenIdsError::NoStart { start })?);
            }
        }
        Ok(given)
    }

    /// As options of a command line.
    #[must_use]
    pub fn options(&self) -> String {
        let words = |all: &[TokenId]| -> String {
            let all: Vec<String> = all.iter().map(ToString::to_string).collect();
            all.join(",")
        };
        let ids = format!("--ids {}", words(&self.ids));
        match &self.text {
            Some(it) => format!("{ids} --decoder-ids {}", words(it)),
            None => ids,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_may_hold_the_token_that_the_text_starts_with() {
        let spec = ModelSpec {
            encoder: Some(crate::spec::EncoderSpec {
                layers: Vec::new(),
                start: TokenId(0),
            }),
            ..ModelSpec::with_routers([])
        };
        let ids = |all: &[u32]| -> Vec<TokenId> { all.iter().copied().map(TokenId).collect() };
        let source = ids(&[5, 0, 7, 0]);
        let given = spec.prompt_of(source.clone());
        assert_eq!((spec.n_source(&given), given.len()), (4, 5));
        let read: Vec<TokenId> = given.iter().map(|it| spec.in_vocabulary(*it)).collect();
        assert_eq!(read, ids(&[5, 0, 7, 0, 0]));
        assert!(given.iter().all(|it| spec.takes(*it)));
        // As it is typed and back, with a text behind it that holds the token too.
        for text in [None, Some(ids(&[0, 6, 0, 3]))] {
            let typed = GivenIds {
                ids: source.clone(),
                text,
            };
            let given = typed.clone().given(&spec).unwrap();
            assert_eq!(spec.n_source(&given), 4);
            assert_eq!(spec.given_ids(&given), typed);
        }
        // What a row begins with is a prompt as it is; a part of its source is one, too.
        assert_eq!(spec.beginning(given.clone()), given);
        assert_eq!(spec.beginning(given[..2].to_vec()).len(), 3);
        let other = GivenIds {
            ids: ids(&[5]),
            text: Some(ids(&[6])),
        };
        let start = TokenId(0);
        assert_eq!(
            other.clone().given(&spec),
            Err(GivenIdsError::NoStart { start })
        );
        let one = ModelSpec::with_routers([]);
        assert_eq!(other.given(&one), Err(GivenIdsError::NoEncoder));
        assert_eq!(one.given_ids(&source).options(), "--ids 5,0,7,0");
        assert!(!one.takes(TokenId::START_IN_SOURCE));
        assert_eq!(TokenId::typed(" 7 "), Some(TokenId(7)));
        let stands_for = TokenId::START_IN_SOURCE.to_string();
        assert!(
            [&*stands_for, "-1", "x"]
                .iter()
                .all(|it| TokenId::typed(it).is_none())
        );
    }

    #[test]
    fn positions_count_within_their_own_stack() {
        let two = SequenceParts {
            n_source: 3,
            is_series: false,
        };
        for (at, stack, within, name) in [
            (0, StackId::Encoder, 0, "source token 0"),
            (2, StackId::Encoder, 2, "source token 2"),
            (3, StackId::Decoder, 0, "token 0"),
            (7, StackId::Decoder, 4, "token 4"),
        ] {
            let at = Position::new(at);
            assert_eq!((two.stack(at), two.within(at).idx()), (stack, within));
            assert_eq!(two.in_sequence(stack, two.within(at)), at);
            assert_eq!(two.name(at), name);
        }
        assert_eq!(two.range(StackId::Encoder, 8), 0..3);
        assert_eq!(two.range(StackId::Decoder, 8), 3..8);
        assert_eq!(two.range(StackId::Decoder, 2), 2..2);
        let one = SequenceParts::default();
        assert_eq!(one.range(StackId::Encoder, 8), 0..0);
        assert_eq!(one.name(Position(5)), "token 5");
    }
}
