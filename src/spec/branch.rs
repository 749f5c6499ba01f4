//! Texts that left the screen, each a value that can be shown again: where it forked off, the experiment it is a
//! function of, and what was written.

use serde::{Deserialize, Serialize};

use super::{Experiment, ModelSpec, Position, TokenId};

/// Which text, counted from 0 in the order they left the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BranchId(pub u32);

/// A text that was on screen, with its baseline and edited row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Number of the text.
    pub id: BranchId,
    /// What it is called: `Text 1`, until it is named.
    pub name: String,
    /// The text it was made from, and the first position that is its own; none for a prompt of its own.
    pub parent: Option<(BranchId, Position)>,
    /// What it is a function of.
    pub experiment: Experiment,
    /// What was written without edits and under them, as long as it was when it left last; the second is empty where
    /// there were no edits.
    pub texts: [Vec<TokenId>; 2],
}

/// Most letters of a name.
const LONGEST_NAME: usize = 60;

/// Every text that left the screen, and where the one on screen forked off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Branches {
    list: Vec<Branch>,
    /// The parent of the text on screen.
    parent: Option<(BranchId, Position)>,
    /// How many were named; ids are not given twice.
    n_named: u32,
}

impl Branches {
    /// All of them, the oldest first.
    #[must_use]
    pub fn list(&self) -> &[Branch] {
        &self.list
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: BranchId) -> Option<&Branch> {
        self.list.iter().find(|it| it.id == id)
    }

    /// The one whose text an experiment has; edits that are switched off make no other text.
    #[must_use]
    pub fn of(&self, experiment: &Experiment) -> Option<BranchId> {
        let found = self
            .list
            .iter()
            .rfind(|it| it.experiment.has_text_of(experiment));
        found.map(|it| it.id)
    }

    /// Calls one something else; a name of nothing but spaces changes nothing.
    pub fn rename(&mut self, id: BranchId, name: &str) {
        let name: String = name.trim().chars().take(LONGEST_NAME).collect();
        let found = self.list.iter_mut().find(|it| it.id == id);
        if let Some(it) = found.filter(|_| !name.is_empty()) {
            it.name = name;
        }
    }

    /// Forgets one. Those made from it are then of what it was made from: they share the text up to the earlier of both
    /// places.
    pub fn delete(&mut self, id: BranchId) {
        let Some(at) = self.list.iter().position(|it| it.id == id) else {
            return;
        };
        let gone = self.list.remove(at);
        let parents = self.list.iter_mut().map(|it| &mut it.parent);
        for parent in parents.chain([&mut self.parent]) {
            if let Some((_, from)) = parent.filter(|it| it.0 == id) {
                *parent = gone.parent.map(|(of, at)| (of, at.min(from)));
            }
        }
    }

    /// The text of `from` gives its place to that of `to`. What is written for `from` is named, once;
    /// where nothing is beyond the given tokens, only its parent is passed on.
    ///
    /// * `spec`: of the model that writes both
    /// * `texts`: what is on screen for `from` without edits and under them
    ///
    /// Returns the name of the text that left.
    pub fn replace(
        &mut self,
        spec: &ModelSpec,
        (from, to): (&Experiment, &Experiment),
        texts: [&[TokenId]; 2],
    ) -> Option<BranchId> {
        let is_written = texts.iter().any(|it| it.len() > from.given.len());
        let left = is_written.then(|| self.named(from, texts));
        let alike = |it: &&[_]| to.given.iter().zip(*it).take_while(|(a, b)| a == b).count();
        let tokens = texts.into_iter().max_by_key(alike).unwrap_or_default();
        self.parent = match (self.of(to), left) {
            // Back on screen: it keeps the parent it had.
            (Some(id), _) => self.get(id).and_then(|it| it.parent),
            (None, Some(id)) => {
                let at = forked_at(spec, (from, to), tokens);
                Some((id, at)).filter(|it| it.1 > Position(0))
            }
            (None, None) => self.parent,
        };
        left
    }

    fn named(&mut self, experiment: &Experiment, texts: [&[TokenId]; 2]) -> BranchId {
        let texts = texts.map(<[_]>::to_vec);
        let mut list = self.list.iter_mut();
        if let Some(it) = list.rfind(|it| it.experiment.has_text_of(experiment)) {
            it.texts = texts;
            return it.id;
        }
        let id = BranchId(self.n_named);
        self.n_named += 1;
        self.list.push(Branch {
            id,
            name: format!("Text {}", self.n_named),
            parent: self.parent,
            experiment: experiment.clone(),
            texts,
        });
        id
    }
}

/// The first position at which the text of `to` may differ from that of `from`, of which `tokens` is the
/// longest row. A token is drawn from the position before it.
fn forked_at(
    spec: &ModelSpec,
    (from, to): (&Experiment, &Experiment),
    tokens: &[TokenId],
) -> Position {
    let common = to
        .given
        .iter()
        .zip(tokens)
        .take_while(|(a, b)| a == b)
        .count();
    if from.sampling != to.sampling || common < to.given.len() || from.given.len() > common {
        return Position::new(common);
    }
    match first_edited(spec, from, to) {
        Some(at) => Position::new((at.idx() + 1).max(common)),
        None => Position::new(common),
    }
}

/// The first position at which the lists of two experiments may act differently, of texts that begin alike.
fn first_edited(spec: &ModelSpec, from: &Experiment, to: &Experiment) -> Option<Position> {
    let (a, b) = (&from.edits, &to.edits);
    let parts = spec.parts(&to.given);
    let n_same = a
        .active()
        .zip(b.active())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = a.active().skip(n_same).chain(b.active().skip(n_same));
    rest.map(|it| spec.first_changed(it, parts)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Amount, EncoderSpec, Sampling};

    fn ids(range: std::ops::Range<u32>) -> Vec<TokenId> {
        range.map(TokenId).collect()
    }

    fn one_stack() -> ModelSpec {
        ModelSpec::with_routers([])
    }

    fn given(n: u32) -> Experiment {
        Experiment {
            given: ids(0..n),
            ..Experiment::default()
        }
    }

    #[test]
    fn a_text_that_leaves_is_named_once_and_knows_where_the_next_forked_off() {
        let (first, mut second) = (given(3), given(5));
        second.given.push(TokenId(90));
        let mut branches = Branches::default();
        let left = branches.replace(&one_stack(), (&first, &second), [&ids(0..9), &[]]);
        assert_eq!(left, Some(BranchId(0)));
        // Back on screen, and left again: it is still the same text.
        let left = branches.replace(&one_stack(), (&second, &first), [&ids(0..9), &[]]);
        assert_eq!(left, Some(BranchId(1)));
        let left = branches.replace(&one_stack(), (&first, &second), [&ids(0..9), &[]]);
        assert_eq!(left, Some(BranchId(0)));
        let names: Vec<&str> = branches.list().iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["Text 1", "Text 2"]);
        assert_eq!(branches.list()[0].parent, None);
        assert_eq!(branches.list()[1].parent, Some((BranchId(0), Position(5))));
        assert_eq!(branches.list()[1].experiment, second);
    }

    #[test]
    fn a_text_is_named_and_deleted_and_those_made_from_it_keep_their_place() {
        let all = [given(3), given(5), given(8), given(9)];
        let mut branches = Branches::default();
        for pair in all.windows(2) {
            let written: Vec<TokenId> = ids(0..20);
            branches.replace(&one_stack(), (&pair[0], &pair[1]), [&written, &[]]);
        }
        let parent = |it: &Branches, id| it.get(BranchId(id)).unwrap().parent;
        assert_eq!(parent(&branches, 2), Some((BranchId(1), Position(8))));
        branches.rename(BranchId(2), "  the lion ");
        branches.rename(BranchId(2), "   ");
        assert_eq!(branches.get(BranchId(2)).unwrap().name, "the lion");
        branches.delete(BranchId(1));
        assert!(branches.get(BranchId(1)).is_none());
        assert_eq!(parent(&branches, 2), Some((BranchId(0), Position(5))));
        branches.delete(BranchId(7));
        branches.delete(BranchId(0));
        assert_eq!(parent(&branches, 2), None);
        // An id that is free again is not given again.
        branches.replace(&one_stack(), (&given(9), &given(3)), [&ids(0..20), &[]]);
        let names: Vec<&str> = branches.list().iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["the lion", "Text 4"]);
        assert_eq!(branches.of(&given(9)), Some(BranchId(3)));
        assert_eq!(branches.list()[1].texts[0].len(), 20);
    }

    #[test]
    fn a_text_of_which_nothing_was_written_is_not_named() {
        let mut branches = Branches::default();
        assert_eq!(
            branches.replace(&one_stack(), (&given(3), &given(4)), [&ids(0..3), &[]]),
            None
        );
        assert!(branches.list().is_empty());
    }

    #[test]
    fn where_it_forks_follows_from_what_was_changed() {
        let check = |change: fn(&mut Experiment), want: Option<u32>| {
            let (from, mut to) = (given(4), given(4));
            change(&mut to);
            let mut branches = Branches::default();
            branches.replace(&one_stack(), (&from, &to), [&ids(0..9), &[]]);
            let parent = branches.parent.map(|it| it.1.0);
            assert_eq!(parent, want);
        };
        check(
            |it| {
                it.sampling = Sampling {
                    temperature: Amount(1.5),
                    ..it.sampling
                }
            },
            Some(4),
        );
        check(|it| it.given = ids(0..7), Some(7));
        check(|it| it.given = ids(0..2), Some(2));
        // Another prompt altogether.
        check(|it| it.given = ids(50..54), None);
        // An edit at position 6 changes what is drawn for position 7; one in the prompt, the first token drawn.
        check(|it| it.edits.push("mask:0.1@6..".parse().unwrap()), Some(7));
        check(|it| it.edits.push("mask:0.1".parse().unwrap()), Some(4));
    }

    #[test]
    fn an_edit_of_a_decoder_counts_its_positions_behind_the_source() {
        let spec = ModelSpec {
            encoder: Some(EncoderSpec {
                layers: Vec::new(),
                start: TokenId(0),
            }),
            ..one_stack()
        };
        // Five tokens of a source, the one the text starts with, and six written.
        let from = Experiment {
            given: [5, 6, 7, 8, 9, 0].map(TokenId).into(),
            ..Experiment::default()
        };
        let text: Vec<TokenId> = [&*from.given, &ids(20..26)].concat();
        let check = |edit: &str, want: u32| {
            let mut to = from.clone();
            to.edits.push(edit.parse().unwrap());
            let mut branches = Branches::default();
            branches.replace(&spec, (&from, &to), [&text, &[]]);
            let parent = branches.parent.map(|it| it.1.0);
            assert_eq!(parent, Some(want), "{edit}");
        };
        check("mask:dec.1.0@3..", 9);
        check("mask:dec.1.0", 6);
        // The whole text under one of the source, from the first token drawn on.
        check("mask:enc.1.0@3..", 6);
        check("mask:*.0@3..", 6);
    }
}
