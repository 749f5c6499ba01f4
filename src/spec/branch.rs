//! Texts that left the screen, each a value that can be shown again: where it forked off, and the
//! experiment it is a function of.

use serde::{Deserialize, Serialize};

use super::{Experiment, InterventionSet, Position, TokenId};

/// Which text, counted from 0 in the order they left the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BranchId(pub u32);

/// A text that was on screen, with its baseline and edited row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// What it is called: `Text 1`.
    pub name: String,
    /// The text it was made from, and the first position that is its own; none for a prompt of its own.
    pub parent: Option<(BranchId, Position)>,
    /// What it is a function of.
    pub experiment: Experiment,
}

/// Every text that left the screen, and where the one on screen forked off.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Branches {
    list: Vec<Branch>,
    /// The parent of the text on screen.
    parent: Option<(BranchId, Position)>,
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
        self.list.get(id.0 as usize)
    }

    /// The text of `from` gives its place to that of `to`. What is written for `from` is named, once;
    /// where nothing is (`is_written` false), only its parent is passed on.
    ///
    /// Returns the name of the text that left.
    pub fn replace(
        &mut self,
        from: &Experiment,
        to: &Experiment,
        is_written: bool,
        tokens: &[TokenId],
    ) -> Option<BranchId> {
        let left = is_written.then(|| self.named(from));
        self.parent = match (self.find(to), left) {
            // Back on screen: it keeps the parent it had.
            (Some(id), _) => self.get(id).and_then(|it| it.parent),
            (None, Some(id)) => {
                Some((id, forked_at(from, to, tokens))).filter(|it| it.1 > Position(0))
            }
            (None, None) => self.parent,
        };
        left
    }

    fn named(&mut self, experiment: &Experiment) -> BranchId {
        if let Some(id) = self.find(experiment) {
            return id;
        }
        let id = BranchId(self.list.len() as u32);
        self.list.push(Branch {
            name: format!("Text {}", id.0 + 1),
            parent: self.parent,
            experiment: experiment.clone(),
        });
        id
    }

    /// The text of an experiment; edits that are switched off make no other text.
    fn find(&self, experiment: &Experiment) -> Option<BranchId> {
        let at = self
            .list
            .iter()
            .rposition(|it| it.experiment.has_text_of(experiment));
        at.map(|it| BranchId(it as u32))
    }
}

/// The first position at which the text of `to` may differ from that of `from`, of which `tokens` is the
/// longest row. A token is drawn from the position before it.
fn forked_at(from: &Experiment, to: &Experiment, tokens: &[TokenId]) -> Position {
    let common = to
        .given
        .iter()
        .zip(tokens)
        .take_while(|(a, b)| a == b)
        .count();
    if from.sampling != to.sampling || common < to.given.len() || from.given.len() > common {
        return Position::new(common);
    }
    match first_edited(&from.edits, &to.edits) {
        Some(at) => Position::new((at.idx() + 1).max(common)),
        None => Position::new(common),
    }
}

/// The first position at which two lists may act differently.
fn first_edited(a: &InterventionSet, b: &InterventionSet) -> Option<Position> {
    let n_same = a
        .active()
        .zip(b.active())
        .take_while(|(a, b)| a == b)
        .count();
    let rest = a.active().skip(n_same).chain(b.active().skip(n_same));
    rest.map(|it| it.span.start()).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Amount, Sampling};

    fn ids(range: std::ops::Range<u32>) -> Vec<TokenId> {
        range.map(TokenId).collect()
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
        let left = branches.replace(&first, &second, true, &ids(0..9));
        assert_eq!(left, Some(BranchId(0)));
        // Back on screen, and left again: it is still the same text.
        let left = branches.replace(&second, &first, true, &ids(0..9));
        assert_eq!(left, Some(BranchId(1)));
        let left = branches.replace(&first, &second, true, &ids(0..9));
        assert_eq!(left, Some(BranchId(0)));
        let names: Vec<&str> = branches.list().iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["Text 1", "Text 2"]);
        assert_eq!(branches.list()[0].parent, None);
        assert_eq!(branches.list()[1].parent, Some((BranchId(0), Position(5))));
        assert_eq!(branches.list()[1].experiment, second);
    }

    #[test]
    fn a_text_of_which_nothing_was_written_is_not_named() {
        let mut branches = Branches::default();
        assert_eq!(
            branches.replace(&given(3), &given(4), false, &ids(0..3)),
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
            branches.replace(&from, &to, true, &ids(0..9));
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
}
