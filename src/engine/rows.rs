//! The rows of an open model: which there are, which are on screen, and the sequences the backend holds of them.
//!
//! **Invariant:** a row on screen is a function of the experiment alone. The order of requests
//! decides which rows exist and how long they are, never what they say.

use super::{
    Backend, BackendError, Event, EventSender,
    row_cache::{CachedRow, Origin, RowCache},
};
use crate::spec::{
    Experiment, InterventionSet, PolicyError, Revision, RoutingPolicy, SeqId, TokenId,
};
use crate::trace::{ModelFacts, RowEvent, RowId, ShownRows};

/// Every list of edits so far; its number is its place, and the empty list is 0.
#[derive(Clone, Debug)]
pub(super) struct Lists(Vec<InterventionSet>);

impl Default for Lists {
    fn default() -> Self {
        Self(vec![InterventionSet::default()])
    }
}

impl Lists {
    fn number(&mut self, list: &InterventionSet) -> Revision {
        let known = self.0.iter().position(|it| it == list);
        Revision::new(known.unwrap_or_else(|| {
            self.0.push(list.clone());
            self.0.len() - 1
        }))
    }
}

/// What is on screen.
#[derive(Clone, Debug)]
pub(super) struct Screen {
    experiment: Experiment,
    pub baseline: RowId,
    /// The edited row and the counterfactual.
    pub edited: Option<(RowId, RowId)>,
}

/// The rows of a model, and the backend that computes them.
pub(super) struct Rows {
    pub backend: Box<dyn Backend>,
    pub facts: ModelFacts,
    pub cache: RowCache,
    pub screen: Option<Screen>,
    lists: Lists,
}

impl Rows {
    /// No rows, on this backend.
    pub fn new(backend: Box<dyn Backend>, facts: ModelFacts, lists: Lists) -> Self {
        Self {
            backend,
            facts,
            cache: RowCache::default(),
            screen: None,
            lists,
        }
    }

    /// The lists of edits there were, for the next model.
    pub fn into_lists(self) -> Lists {
        self.lists
    }

    /// What a list of edits does to this model.
    ///
    /// # Errors
    /// A list that cannot act on it.
    pub fn lower(&mut self, edits: &InterventionSet) -> Result<RoutingPolicy, PolicyError> {
        let revision = self.lists.number(edits);
        RoutingPolicy::lower(edits, &self.facts.spec, revision)
    }

    /// Puts the rows of an experiment on screen; `policy` is what its edits do.
    pub fn show(&mut self, wanted: Experiment, policy: RoutingPolicy, out: &mut EventSender) {
        let baseline = self.writer(&wanted.baseline(), RoutingPolicy::default(), out);
        let mut shown = vec![baseline];
        let n_source = self.facts.spec.n_source(&wanted.given);
        let (edited_from, revision) = (policy.first_touched(n_source), policy.revision());
        let edited = (!wanted.edits.is_idle()).then(|| {
            let edited = self.writer(&wanted, policy.clone(), out);
            let counterfactual = self.counterfactual(&wanted, baseline, policy, out);
            shown.extend([edited, counterfactual]);
            (edited, counterfactual)
        });
        self.cache.show(&shown);
        self.screen = Some(Screen {
            experiment: wanted,
            baseline,
            edited,
        });
        out.send(Event::Row(RowEvent::Shown(ShownRows {
            baseline,
            edited: edited.map(|(it, _)| it),
            counterfactual: edited.map(|(_, it)| it),
            edited_from,
            revision,
        })));
    }

    /// The row that writes an experiment: the kept one, or a new one that holds the given tokens
    /// and, where only the list changed, what the rows on screen hold up to the first difference.
    fn writer(
        &mut self,
        wanted: &Experiment,
        policy: RoutingPolicy,
        out: &mut EventSender,
    ) -> RowId {
        if let Some(id) = self.cache.find(wanted, false) {
            return id;
        }
        let row = CachedRow {
            tokens: self.carried(wanted, &policy),
            policy,
            sampling: wanted.sampling,
            n_given: wanted.given.len(),
            n_source: self.facts.spec.n_source(&wanted.given),
            is_counterfactual: false,
            n_read: 0,
            drawn: None,
            seq: None,
            last_shown: 0,
        };
        let (id, origin) = self.cache.add(wanted.clone(), row);
        self.tell_forked(id, origin, &wanted.edits, out);
        id
    }

    fn counterfactual(
        &mut self,
        wanted: &Experiment,
        baseline: RowId,
        policy: RoutingPolicy,
        out: &mut EventSender,
    ) -> RowId {
        if let Some(id) = self.cache.find(wanted, true) {
            return id;
        }
        let added = self
            .cache
            .add_counterfactual(wanted.clone(), baseline, policy);
        self.tell_forked(added.0, added.1, &wanted.edits, out);
        added.0
    }

    fn tell_forked(
        &self,
        row: RowId,
        origin: Origin,
        edits: &InterventionSet,
        out: &mut EventSender,
    ) {
        let kept = self.cache.get(row);
        out.send(Event::Row(RowEvent::Forked {
            row,
            parent: origin.parent,
            at: origin.at,
            n_given: kept.n_given,
            edits: (kept.policy.revision(), edits.clone()),
        }));
    }

    fn carried(&self, wanted: &Experiment, policy: &RoutingPolicy) -> Vec<TokenId> {
        let same = self.screen.as_ref().filter(|it| {
            it.experiment.given == wanted.given && it.experiment.sampling == wanted.sampling
        });
        let rows = same.into_iter().flat_map(|it| {
            let edited = it.edited.map(|(edited, _)| edited);
            [Some(it.baseline), edited].into_iter().flatten()
        });
        let carried = rows.map(|id| {
            let row = self.cache.get(id);
            let differ = policy.first_difference(&row.policy, row.n_source);
            let n = differ.map_or(row.tokens.len(), |it| (it.idx() + 1).min(row.tokens.len()));
            &row.tokens[..n.max(row.n_given)]
        });
        carried
            .max_by_key(|it| it.len())
            .unwrap_or(&wanted.given)
            .to_vec()
    }

    /// Goes on elsewhere: rows keep their tokens, and their caches are made anew when they are needed.
    pub fn move_to(&mut self, backend: Box<dyn Backend>) {
        self.cache.forget_caches();
        self.backend = backend;
    }

    /// Gives back what a failed step left in the caches of the rows on screen: nothing is known of it.
    pub fn drop_shown_caches(&mut self) {
        let counterfactual = self.screen.as_ref().and_then(|it| it.edited).map(|it| it.1);
        let rows: Vec<RowId> = self.written().chain(counterfactual).collect();
        for id in rows {
            if let Some(seq) = self.cache.get_mut(id).seq.take() {
                self.backend.release(seq);
            }
        }
    }

    /// Drops the caches of rows long not shown until the rest fits.
    pub fn keep_within(&mut self, budget_bytes: usize) {
        self.cache.keep_within(budget_bytes, &mut *self.backend);
    }

    /// The row's sequence; where it has none, a copy of what it shares with another, as far as that can be had.
    ///
    /// # Errors
    /// What the backend says.
    pub fn ensure_seq(&mut self, id: RowId) -> Result<SeqId, BackendError> {
        if let Some(seq) = self.cache.get(id).seq {
            return Ok(seq);
        }
        let seq = match self.cache.cache_for(id, &*self.backend) {
            Some((source, at)) => self.backend.fork(source, at)?.0,
            None => self.backend.open(),
        };
        self.cache.get_mut(id).seq = Some(seq);
        Ok(seq)
    }

    /// Whether a row's text is over: it wrote an end-of-text token.
    fn is_ended(&self, id: RowId) -> bool {
        let row = self.cache.get(id);
        let last = row.tokens.last();
        row.tokens.len() > row.n_given && last.is_some_and(|it| self.facts.eos.contains(it))
    }

    /// Whether the texts of all rows that write are over.
    pub fn are_ended(&self) -> bool {
        self.written().all(|it| self.is_ended(it))
    }

    /// Whether a token can follow.
    pub fn can_write(&self, id: RowId) -> bool {
        self.cache.get(id).tokens.len() < self.facts.n_ctx && !self.is_ended(id)
    }

    /// Positions a row's cache holds.
    pub fn n_cached(&self, id: RowId) -> usize {
        let seq = self.cache.get(id).seq;
        seq.map_or(0, |it| self.backend.len(it))
    }

    /// Baseline and edited row.
    pub fn written(&self) -> impl Iterator<Item = RowId> + use<> {
        let screen = self.screen.as_ref();
        let baseline = screen.map(|it| it.baseline);
        let edited = screen.and_then(|it| it.edited).map(|(it, _)| it);
        [baseline, edited].into_iter().flatten()
    }

    /// The rows that write the next token: the edited one, and the baseline where it is no longer
    /// ahead or goes on alone.
    pub fn writers(&self) -> Vec<RowId> {
        let Some(screen) = &self.screen else {
            return Vec::new();
        };
        let len = |id| self.cache.get(id).tokens.len();
        let edited = screen.edited.map(|(it, _)| it);
        let edited = edited.filter(|it| self.can_write(*it));
        let is_ahead = edited.is_some_and(|it| len(screen.baseline) > len(it));
        let baseline = (!is_ahead && self.can_write(screen.baseline)).then_some(screen.baseline);
        [baseline, edited].into_iter().flatten().collect()
    }

    /// The counterfactual, where it reads along with these writers.
    pub fn counterfactual_beside(&self, writers: &[RowId]) -> Option<RowId> {
        let screen = self.screen.as_ref()?;
        let (_, counterfactual) = screen.edited?;
        writers.contains(&screen.baseline).then_some(counterfactual)
    }

    /// Everyone in the next token's batch.
    pub fn in_step(&self) -> Vec<RowId> {
        let mut rows = self.writers();
        rows.extend(self.counterfactual_beside(&rows));
        rows
    }
}
