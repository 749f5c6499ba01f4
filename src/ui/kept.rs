//! Values a panel keeps between frames, and what they belong to.

use crate::trace::RowId;
use crate::ui::{Cx, RowChoice};

/// A value with the key it was made for.
///
/// **Invariant:** without a key the value is the default.
#[derive(Clone, Debug)]
pub struct Memo<K, V> {
    key: Option<K>,
    value: V,
}

impl<K, V: Default> Default for Memo<K, V> {
    fn default() -> Self {
        Self {
            key: None,
            value: V::default(),
        }
    }
}

impl<K: PartialEq, V: Default> Memo<K, V> {
    /// The value of `key`: the one kept, or one that `make` makes where that was made for another key.
    pub fn get(&mut self, key: K, make: impl FnOnce(&K) -> V) -> &V {
        if !self.is_of(&key) {
            self.set(key, make);
        }
        &self.value
    }

    /// The value of `key` to go on with: the one kept where it is of this key and `holds`, else a default.
    pub fn resume(&mut self, key: K, holds: impl FnOnce(&V) -> bool) -> &mut V {
        if !self.is_of(&key) || !holds(&self.value) {
            self.set(key, |_| V::default());
        }
        &mut self.value
    }

    /// Makes the value of `key`, whatever is kept.
    pub fn set(&mut self, key: K, make: impl FnOnce(&K) -> V) {
        self.value = make(&key);
        self.key = Some(key);
    }

    /// Whether the value is of this key.
    #[must_use]
    pub fn is_of(&self, key: &K) -> bool {
        self.key.as_ref() == Some(key)
    }

    /// What the value was made for; none before the first one.
    #[must_use]
    pub fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    /// The value made last; the default before the first one.
    #[must_use]
    pub fn value(&self) -> &V {
        &self.value
    }

    /// The same, to be changed.
    pub fn value_mut(&mut self) -> &mut V {
        &mut self.value
    }
}

/// A row of an open model, whatever its length. Rows only grow under one id, so that what was read of one need not be
/// read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOf {
    opened: u64,
    row: RowId,
}

impl RowOf {
    /// The row shown.
    #[must_use]
    pub fn of(cx: &Cx<'_>) -> Option<Self> {
        let shown = cx.session.shown()?;
        let edited = shown
            .edited
            .filter(|it| cx.session.rows.recording.row(*it).is_some());
        let row = match cx.selection.row {
            RowChoice::Baseline => shown.baseline,
            RowChoice::Edited => edited.unwrap_or(shown.baseline),
        };
        Some(Self {
            opened: cx.session.opened,
            row,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_for_a_key() {
        let mut memo = Memo::<u32, String>::default();
        let mut n_made = 0;
        for key in [1, 1, 2, 2, 1] {
            let got = memo.get(key, |key| {
                n_made += 1;
                key.to_string()
            });
            assert_eq!(*got, key.to_string());
        }
        assert_eq!(n_made, 3);
        assert_eq!(memo.key(), Some(&1));
    }

    #[test]
    fn what_was_read_is_read_on_until_it_no_longer_holds() {
        let mut memo = Memo::<&str, Vec<u32>>::default();
        let mut read = |key, n_held: usize| {
            let it = memo.resume(key, |it| it.len() <= n_held);
            it.push(0);
            it.len()
        };
        assert_eq!(read("a", 9), 1);
        assert_eq!(read("a", 9), 2);
        assert_eq!(read("a", 1), 1, "longer than what it was read from");
        assert_eq!(read("b", 9), 1, "of another row");
    }
}
