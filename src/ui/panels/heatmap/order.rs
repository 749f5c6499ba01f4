//! In which order a layer's experts stand: by id, by load, or so that those picked together are neighbours.
//!
//! By load and by co-activation each layer has an order of its own, since an id means nothing
//! outside its layer: columns are then places, and the cells or the pointer name the experts.

use std::rc::Rc;

use crate::analysis::{PhaseFilter, chained, pair_counts};
use crate::spec::{ExpertId, RouterId};
use crate::ui::{Cx, ExpertAt, Memo, RowKey};

/// What the order follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Ids, the same in each layer.
    #[default]
    Id,
    /// The load of each layer, the most used first: columns are ranks.
    Load,
    /// Experts picked together side by side, layer by layer.
    CoActivation,
}

impl Order {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::Id, Self::Load, Self::CoActivation];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Id => "by id",
            Self::Load => "by load",
            Self::CoActivation => "by co-activation",
        }
    }

    /// What the columns are, over their numbers; nothing where they are experts.
    pub fn axis(self) -> &'static str {
        match self {
            Self::Id => "",
            Self::Load => "rank",
            Self::CoActivation => "place",
        }
    }

    /// What is said of it under the plot.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Id => "",
            Self::Load => " Each layer is sorted by its own load: columns are ranks, not experts.",
            Self::CoActivation => {
                " Each layer is ordered so that experts picked together are neighbours (a greedy chain): columns are places, not experts."
            }
        }
    }
}

/// Which expert stands in which column, layer by layer. Empty where that is its id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// What the order follows.
    pub order: Order,
    n_cols: usize,
    /// `[R × E]`: the expert of a column.
    experts: Vec<ExpertId>,
    /// `[R × E]`: the column of an expert.
    cols: Vec<usize>,
}

impl Places {
    /// The expert of a column; of its id where ids are the order.
    pub fn expert(&self, col: usize, row: usize) -> ExpertId {
        let place = row * self.n_cols + col;
        self.experts
            .get(place)
            .copied()
            .unwrap_or(ExpertId::new(col))
    }

    /// The column of an expert.
    pub fn col(&self, at: ExpertAt) -> usize {
        let place = at.router.idx() * self.n_cols + at.expert.idx();
        self.cols.get(place).copied().unwrap_or(at.expert.idx())
    }

    fn add(&mut self, mut experts: Vec<ExpertId>) {
        experts.extend((experts.len()..self.n_cols).map(ExpertId::new));
        let mut cols = vec![0; self.n_cols];
        for (col, expert) in experts.iter().enumerate() {
            if let Some(it) = cols.get_mut(expert.idx()) {
                *it = col;
            }
        }
        self.experts.append(&mut experts);
        self.cols.append(&mut cols);
    }
}

/// The order kept from frame to frame.
///
/// While text is written it is made anew only when the text has grown by an eighth: cells that swap
/// places with every token could not be followed.
#[derive(Clone, Debug, Default)]
pub struct Orders {
    places: Memo<(Order, PhaseFilter, RowKey), Rc<Places>>,
}

impl Orders {
    /// The order for the row shown.
    pub fn update(&mut self, cx: &Cx<'_>, order: Order, phase: PhaseFilter) -> Rc<Places> {
        let row = cx.session.row_key(cx.selection.row).unwrap_or_default();
        let now = (order, phase, row);
        let holds = self.places.key().is_some_and(|(order, phase, held)| {
            let of_same =
                (*order, *phase, held.row, held.opened) == (now.0, now.1, row.row, row.opened);
            let hardly_grew = held.len <= row.len && row.len <= held.len + held.len / 8;
            of_same && (held.len == row.len || (cx.session.playing && hardly_grew))
        });
        if !holds {
            self.places.set(now, |_| Rc::new(make(cx, order, phase)));
        }
        Rc::clone(self.places.value())
    }
}

fn make(cx: &Cx<'_>, order: Order, phase: PhaseFilter) -> Places {
    let Some((spec, view)) = cx.spec().zip(cx.row()).filter(|_| order != Order::Id) else {
        return Places {
            order,
            ..Places::default()
        };
    };
    let mut out = Places {
        order,
        n_cols: spec.max_experts(),
        ..Places::default()
    };
    for (id, router) in spec.router_ids() {
        out.add(match order {
            Order::CoActivation if router.top_k > 1 => {
                let special = |it| cx.session.is_special(it);
                let counts = pair_counts(&view.record.store, id, router.n_experts, special);
                chained(&counts, router.n_experts)
            }
            Order::Load => by_load(view.load.router(id, phase), router.n_experts),
            // Where one expert is picked for a token, none are picked together.
            Order::Id | Order::CoActivation => ids(router.n_experts),
        });
    }
    out
}

fn ids(n_experts: usize) -> Vec<ExpertId> {
    (0..n_experts).map(ExpertId::new).collect()
}

/// The most used first, ties by id.
fn by_load(load: Option<crate::analysis::RouterLoad>, n_experts: usize) -> Vec<ExpertId> {
    let mut out = ids(n_experts);
    if let Some(load) = load {
        let n = |it: &ExpertId| load.n.get(it.idx()).copied().unwrap_or(0);
        out.sort_by_key(|it| std::cmp::Reverse(n(it)));
    }
    out
}

/// The expert `n` columns further in its row, where there is one.
pub fn beside(cx: &Cx<'_>, places: &Places, at: ExpertAt, n: isize) -> Option<ExpertId> {
    let n_experts = cx.spec()?.router(at.router)?.n_experts;
    let col = places.col(at).checked_add_signed(n)?;
    (col < n_experts).then(|| places.expert(col, at.router.idx()))
}

/// The first expert of a router as it stands.
pub fn first(places: &Places, router: RouterId) -> ExpertId {
    places.expert(0, router.idx())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_and_experts_are_each_others_inverse() {
        let mut places = Places {
            n_cols: 4,
            ..Places::default()
        };
        places.add([2, 0, 1].map(ExpertId::new).to_vec());
        places.add([3, 1, 0, 2].map(ExpertId::new).to_vec());
        for row in 0..2 {
            for col in 0..4 {
                let at = ExpertAt {
                    router: RouterId::new(row),
                    expert: places.expert(col, row),
                };
                assert_eq!(places.col(at), col);
            }
        }
        assert_eq!(Places::default().expert(5, 3), ExpertId(5));
    }
}
