//! The difference to the baseline: both loads from the first edited position on, counted on as the texts grow.

use crate::analysis::{LoadStats, PhaseFilter};
use crate::spec::{Position, RouterId};
use crate::ui::words::{count_of, grouped, plural, short};
use crate::ui::{Cx, Memo, RowKey};

use super::plot::{Against, Plot, Scale};

/// Of which rows a difference is, and from where.
type ComparedOf = (RowKey, RowKey, Position);

/// Both loads.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    counted: Memo<ComparedOf, Counted>,
}

#[derive(Clone, Debug, Default)]
struct Counted {
    /// Up to where each is counted; none before either was.
    ends: Option<[Position; 2]>,
    /// Baseline, other.
    loads: [LoadStats; 2],
}

impl Compared {
    /// Counts what came since the last call; begins anew where other rows are compared.
    pub fn update(&mut self, cx: &Cx<'_>, against: Against) {
        let Some((of, ends)) = wanted(cx, against) else {
            *self = Self::default();
            return;
        };
        let holds = |it: &Counted| {
            it.ends
                .is_none_or(|it| it[0] <= ends[0] && it[1] <= ends[1])
        };
        let counted = self.counted.resume(of, holds);
        let starts = counted.ends.unwrap_or([of.2; 2]);
        let session = cx.session;
        let other = match against {
            Against::Counterfactual => session.counterfactual(),
            Against::Edited => session.edited(),
        };
        let special = |it| session.is_special(it);
        for (n, view) in [session.baseline(), other].into_iter().enumerate() {
            if let Some(view) = view {
                let new = starts[n]..ends[n];
                counted.loads[n].count_more(&view.record.store, new, special);
            }
        }
        counted.ends = Some(ends);
    }

    /// Tokens of a phase counted: of the baseline, of the other.
    fn n_tokens(&self, phase: PhaseFilter) -> [u64; 2] {
        let [baseline, other] = &self.counted.value().loads;
        [baseline.n_tokens(phase), other.n_tokens(phase)]
    }

    /// How much more of the tokens each expert of a router takes than in the baseline, -1 to 1. `[E]`
    fn changes(&self, router: RouterId, phase: PhaseFilter) -> Option<Vec<f64>> {
        let [baseline, other] = &self.counted.value().loads;
        let (baseline, other) = (
            baseline.router(router, phase)?,
            other.router(router, phase)?,
        );
        let share = |n: u64, of: u64| (of > 0).then(|| n as f64 / of as f64);
        baseline
            .n
            .iter()
            .zip(&other.n)
            .map(|(a, b)| Some(share(*b, other.n_tokens)? - share(*a, baseline.n_tokens)?))
            .collect()
    }
}

/// The rows compared without their lengths, the first position, and up to where each counts.
fn wanted(cx: &Cx<'_>, against: Against) -> Option<(ComparedOf, [Position; 2])> {
    let session = cx.session;
    let shown = session.shown()?;
    let from = shown.edited_from?;
    let key = |row| RowKey {
        opened: session.opened,
        row,
        len: 0,
    };
    let (row, other) = match against {
        Against::Counterfactual => (shown.counterfactual?, session.counterfactual()?),
        Against::Edited => (shown.edited?, session.edited()?),
    };
    let ends = [
        session.baseline()?.record.store.end(),
        other.record.store.end(),
    ];
    // The counterfactual may still be catching up: the same tokens on both sides.
    let ends = match against {
        Against::Counterfactual => [ends[0].min(ends[1]); 2],
        Against::Edited => ends,
    };
    Some(((key(shown.baseline), key(row), from), ends))
}

/// The cells of a difference.
pub fn fill(cx: &Cx<'_>, out: &mut Plot, compared: Option<&Compared>) {
    let phase = out.asked.phase;
    let routers = cx.spec().map_or(0, |it| it.routers.len());
    let all: Vec<Option<Vec<f64>>> = (0..routers)
        .map(|it| compared?.changes(RouterId::new(it), phase))
        .collect();
    let sizes: Vec<f64> = all.iter().flatten().flatten().map(|it| it.abs()).collect();
    let most = sizes.iter().copied().fold(0.0, f64::max);
    let range = end_of_scale(sizes);
    let beyond = if most > range { " or more" } else { "" };
    out.fill(cx, |id, _| {
        let changes = all[id.idx()].as_deref().unwrap_or_default();
        let cell = |it: f64| (0.5 + it / range / 2.0).clamp(0.0, 1.0) as f32;
        changes.iter().map(|it| (Some(*it), cell(*it))).collect()
    });
    out.scale = Scale {
        low: format!("−{}", short(range * 100.0)),
        high: format!(
            "+{}{beyond}: percentage points of {}",
            short(range * 100.0),
            plural(2, cx.noun())
        ),
        even: Some(0.5),
    };
    out.sentence = sentence(out, compared, most > 0.0);
}

/// Where the scale ends: few ends, so that it seldom jumps, and what lies beyond the largest twentieth of the changes does
/// not flatten all others.
fn end_of_scale(sizes: Vec<f64>) -> f64 {
    let mut sizes: Vec<f64> = sizes.into_iter().filter(|it| *it > 0.0).collect();
    sizes.sort_by(f64::total_cmp);
    let at = (sizes.len() * 19).div_ceil(20).saturating_sub(1);
    let usual = sizes.get(at).copied().unwrap_or(0.0);
    let ends = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5];
    ends.into_iter().find(|it| usual <= *it).unwrap_or(1.0)
}

fn sentence(out: &Plot, compared: Option<&Compared>, differs: bool) -> String {
    let [n_before, n] = compared.map_or([0; 2], |it| it.n_tokens(out.asked.phase));
    if n == 0 || n_before == 0 {
        return "No token was read under the edits yet; Space writes on.".to_owned();
    }
    let text = match out.asked.against {
        Against::Counterfactual => format!("the same {}", count_of(n, "token")),
        Against::Edited => format!(
            "{} of the edited text beside {}",
            count_of(n, "token"),
            grouped(n_before)
        ),
    };
    if !differs {
        return format!(
            "Every expert is picked as often under the edits as without, over {text} from the first edited one on."
        );
    }
    format!(
        "How much more often (orange) or less often (blue) each expert is picked under the edits, over {text} from the first edited one on."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_large_change_does_not_flatten_the_others() {
        let check = |sizes: &[f64], wanted: f64| {
            assert!(
                (end_of_scale(sizes.to_vec()) - wanted).abs() < 1e-9,
                "{sizes:?}"
            );
        };
        check(&[], 0.01);
        check(&[0.0, 0.0], 0.01);
        check(&[0.9], 1.0);
        check(&[0.03, 0.04, 0.05], 0.05);
        // 40 small ones and one of 96 points: the scale is that of the small ones.
        let mut sizes = vec![0.04; 40];
        sizes.push(0.96);
        check(&sizes, 0.05);
    }
}
