//! What is known of the selected expert on the selected row, kept until either changes and caught up as the row grows.

use std::sync::Arc;

use crate::analysis::{ExpertUse, LEAST_OCCURRENCES, Specialty, TextUse, WordUse};
use crate::document::TokenTexts;
use crate::spec::{ModelSpec, RouterId, TokenId};
use crate::trace::ModelFacts;
use crate::ui::{Cx, ExpertAt, Memo, RowOf};

/// One expert's numbers.
#[derive(Clone, Debug)]
pub struct Card {
    facts: Arc<ModelFacts>,
    row: RowOf,
    /// Router and index of the expert.
    pub at: ExpertAt,
    /// Where it was picked, and with whom.
    pub uses: ExpertUse,
    /// What each token of the row shows.
    texts: TokenTexts,
    /// Input tokens read often enough to say something of them.
    pub words: Vec<(TokenId, WordUse)>,
}

impl Card {
    /// Nothing read yet but the row's `texts`; none without a row or such an expert.
    fn new(cx: &Cx<'_>, at: ExpertAt, texts: TokenTexts) -> Option<Self> {
        let facts = Arc::clone(cx.session.facts.as_ref()?);
        let router = facts.spec.router(at.router)?;
        let uses = (at.expert.idx() < router.n_experts)
            .then(|| ExpertUse::new(at.router, at.expert, beside(&facts.spec, at.router)))?;
        Some(Self {
            facts,
            row: RowOf::of(cx)?,
            at,
            uses,
            texts,
            words: Vec::new(),
        })
    }

    /// The expert's numbers as they are now; starts from `kept` where that is still of the same row and expert.
    pub fn caught_up(kept: Option<Self>, cx: &Cx<'_>, at: ExpertAt) -> Option<Self> {
        let kept = kept.filter(|it| it.is_of_row(cx));
        let mut card = match kept {
            Some(it) if it.is_of(cx, at) => it,
            // Another expert of the same row: its words are the same.
            Some(it) => Self::new(cx, at, it.texts)?,
            None => Self::new(cx, at, TokenTexts::default())?,
        };
        card.catch_up(cx);
        Some(card)
    }

    fn is_of_row(&self, cx: &Cx<'_>) -> bool {
        RowOf::of(cx) == Some(self.row)
    }

    fn is_of(&self, cx: &Cx<'_>, at: ExpertAt) -> bool {
        let n = cx.row().map_or(0, |it| it.record.store.len());
        self.is_of_row(cx) && self.at == at && self.uses.n_read() <= n
    }

    /// Whether there is nothing to catch up with.
    pub fn is_current(&self, cx: &Cx<'_>, at: ExpertAt) -> bool {
        let n = cx.row().map_or(0, |it| it.record.store.len());
        self.is_of(cx, at) && self.uses.n_read() == n
    }

    fn catch_up(&mut self, cx: &Cx<'_>) {
        let Some(view) = cx.row() else {
            return;
        };
        let facts = &self.facts;
        // Tokens that were drawn and not read yet have words too.
        self.texts
            .update(&facts.tokens, &view.record.tokens, &facts.eos);
        if self.is_current(cx, self.at) {
            return;
        }
        self.uses
            .catch_up(&view.record.store, |it| facts.is_special(it));
        self.words = self.uses.words(LEAST_OCCURRENCES);
    }

    /// What each token of the row shows.
    pub fn texts(&self) -> &[String] {
        self.texts.texts()
    }

    /// `Expert 4.5`: layer and expert.
    pub fn name(&self) -> String {
        name(&self.facts.spec, self.at)
    }

    /// The routers before and after.
    pub fn beside(&self) -> [Option<RouterId>; 2] {
        beside(&self.facts.spec, self.at.router)
    }
}

/// `Expert 4.5`: layer and expert.
pub fn name(spec: &ModelSpec, at: ExpertAt) -> String {
    let layer = spec.router(at.router).map_or(0, |it| it.place.layer.0);
    format!("Expert {layer}.{}", at.expert)
}

/// The routers before and after, of the same stack and the same part of the layer.
fn beside(spec: &ModelSpec, router: RouterId) -> [Option<RouterId>; 2] {
    let is_alike = |it: &RouterId| {
        let place = |id| spec.router(id).map(|it| (it.place.stack, it.place.site));
        place(*it) == place(router)
    };
    let ids = || spec.router_ids().map(|(id, _)| id).filter(is_alike);
    [
        ids().take_while(|it| *it < router).last(),
        ids().find(|it| *it > router),
    ]
}

/// An expert's share in each text of a survey, kept until a count changes.
#[derive(Clone, Debug, Default)]
pub struct Surveyed {
    specialty: Memo<Vec<TextUse>, Specialty>,
}

impl Surveyed {
    /// Compares the texts anew where a count has changed.
    pub fn refresh(&mut self, cx: &Cx<'_>, at: ExpertAt) {
        let counts = text_uses(cx, at);
        self.specialty.get(counts, |it| Specialty::of(it));
    }

    /// What the counts say.
    pub fn specialty(&self) -> &Specialty {
        self.specialty.value()
    }

    /// How often it was picked in each text, and of how many tokens.
    pub fn counts(&self) -> &[TextUse] {
        self.specialty.key().map_or(&[], |it| it)
    }
}

fn text_uses(cx: &Cx<'_>, at: ExpertAt) -> Vec<TextUse> {
    let texts = cx.session.survey.iter().flat_map(|it| &it.texts);
    texts
        .map(|it| TextUse {
            n: it.load.picks(at.router, at.expert),
            n_tokens: it.load.n_tokens(crate::analysis::PhaseFilter::All),
        })
        .collect()
}
