//! The networks of a layer on the device: stacked, and cut by whole experts where one binding
//! cannot hold them all, by rows of one expert where it cannot hold that either, and where the next
//! expert is stored in another format. Gates and ups of two formats lie apart.

use std::ops::Range;

use super::{
    device::Gpu,
    formats::Coding,
    memory::Slice,
    packing::{RowLayout, UNIT_BYTES},
    weight::Shard,
};
use crate::checkpoint::WeightView;
use crate::ops::{DeviceError, Mlp};

/// Experts of a layer at most: as many as `group` of the kernel counts.
const MAX_EXPERTS: usize = 2048;

/// All experts of a layer, or the one network of a dense one.
#[derive(Clone, Debug)]
pub struct GpuExperts {
    /// E.
    pub(super) n_experts: usize,
    /// H.
    pub(super) width: usize,
    /// F.
    pub(super) d_ff: usize,
    /// `[E, 2F, H]`: an expert's gate rows, then its up rows; or `[E, F, H]` twice, gates first; or the ups alone.
    pub(super) gate_up: Vec<ExpertShard>,
    /// `[E, H, F]`.
    pub(super) down: Vec<ExpertShard>,
    /// `[E, 2F + H]`: an expert's biases of gate, up and down, zeros for one that is not there; none where no network has
    /// any.
    pub(super) biases: Option<Slice>,
}

impl GpuExperts {
    /// Bytes of weights a product reads of a shard, where the load is even: each slot one network, a grouped one no
    /// network twice.
    pub(super) fn weight_bytes(
        &self,
        shard: &ExpertShard,
        n_slots: usize,
        is_grouped: bool,
    ) -> u64 {
        let most = if is_grouped {
            self.n_experts
        } else {
            usize::MAX
        };
        shard.weight.slice.n_bytes * n_slots.min(most) as u64 / self.n_experts.max(1) as u64
    }

    /// Bytes a product writes with a shard, where the load is even: each slot rows of one network.
    pub(super) fn written_bytes(&self, shard: &ExpertShard, n_slots: usize) -> u64 {
        let numbers = n_slots * shard.rows.len() * shard.experts.len();
        (4 * numbers / self.n_experts.max(1)) as u64
    }
}

/// Which rows of the experts' matrices a shard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matrices {
    /// Those of the gate, then those of the up.
    GateUp,
    /// Those of the gate.
    Gate,
    /// Those of the up.
    Up,
    /// Those of the up of networks without a gate.
    Alone,
    /// Those of the down.
    Down,
}

/// What one dispatch works on: whole experts, or some rows of one.
#[derive(Clone, Debug)]
pub struct ExpertShard {
    /// Which experts.
    pub experts: Range<usize>,
    /// Which rows of each, in rows of its output.
    pub rows: Range<usize>,
    /// Of which matrices.
    pub of: Matrices,
    /// Theirs, expert after expert.
    pub weight: Shard,
}

/// Makes a layer's experts ready, in the order of their ids; one network is a layer of one.
///
/// # Errors
/// No memory, or a row that no binding holds.
pub fn experts_of(gpu: &Gpu, views: &[Mlp<WeightView>]) -> Result<GpuExperts, DeviceError> {
    experts_within(gpu, views, gpu.facts.binding_bytes)
}

/// The same with bindings of so many bytes.
///
/// # Errors
/// No memory, or a row that no binding holds.
pub(super) fn experts_within(
    gpu: &Gpu,
    views: &[Mlp<WeightView>],
    binding_bytes: u64,
) -> Result<GpuExperts, DeviceError> {
    let views = &of_one_width(views);
    let (d_ff, width) = views.first().map_or((0, 0), |it| it.up.shape());
    if views.len() > MAX_EXPERTS {
        return Err(DeviceError::TooSmall {
            adapter: gpu.facts.name.clone(),
            what: format!(
                "a layer has {} experts, at most {MAX_EXPERTS} are computed",
                views.len()
            ),
        });
    }
    let (mut gate_up, mut down) = (Vec::new(), Vec::new());
    let of_inner = |it: &Mlp<WeightView>| (it.gate.as_ref().map(Coding::of), Coding::of(&it.up));
    for run in runs(views, of_inner) {
        let (gate, up) = run.key;
        let mut add = |of| cut(gpu, of, &run.ids, run.views, binding_bytes, &mut gate_up);
        match gate {
            None => add(Matrices::Alone)?,
            Some(it) if it == up => add(Matrices::GateUp)?,
            Some(_) => {
                add(Matrices::Gate)?;
                add(Matrices::Up)?;
            }
        }
    }
    for run in runs(views, |it| Coding::of(&it.down)) {
        let (ids, views) = (&run.ids, run.views);
        cut(gpu, Matrices::Down, ids, views, binding_bytes, &mut down)?;
    }
    Ok(GpuExperts {
        n_experts: views.len(),
        width,
        d_ff,
        gate_up,
        down,
        biases: biases(gpu, views, [d_ff, d_ff, width])?,
    })
}

/// The same networks, those that are narrower than others with inner rows of zeros, which add nothing.
fn of_one_width(views: &[Mlp<WeightView>]) -> std::borrow::Cow<'_, [Mlp<WeightView>]> {
    let width = |it: &Mlp<WeightView>| it.up.shape().0;
    let widest = views.iter().map(width).max().unwrap_or(0);
    if views.iter().all(|it| width(it) == widest) {
        return views.into();
    }
    let cols = |it: &WeightView| it.shape().1;
    let padded = |it: &Mlp<WeightView>| Mlp {
        gate: it.gate.as_ref().map(|it| it.padded(widest, cols(it))),
        up: it.up.padded(widest, cols(&it.up)),
        down: it.down.padded(it.down.shape().0, widest),
        gate_bias: it.gate_bias.as_ref().map(|it| it.padded(1, widest)),
        up_bias: it.up_bias.as_ref().map(|it| it.padded(1, widest)),
        down_bias: it.down_bias.clone(),
    };
    views.iter().map(padded).collect::<Vec<_>>().into()
}

/// The biases of all networks, in f32.
fn biases(
    gpu: &Gpu,
    views: &[Mlp<WeightView>],
    lengths: [usize; 3],
) -> Result<Option<Slice>, DeviceError> {
    let of = |it: &Mlp<WeightView>| {
        [&it.gate_bias, &it.up_bias, &it.down_bias].map(|it| it.as_ref().map(WeightView::to_f32))
    };
    let all: Vec<[Option<Vec<f32>>; 3]> = views.iter().map(of).collect();
    if all.iter().flatten().all(Option::is_none) {
        return Ok(None);
    }
    let all = all.into_iter().flat_map(|it| it.into_iter().zip(lengths));
    let numbers = all.flat_map(|(it, n)| it.unwrap_or_else(|| vec![0.0; n]));
    let numbers: Vec<f32> = numbers.collect();
    let view = WeightView::of_numbers(&numbers);
    Ok(Some(gpu.weight_of("biases", &[&view])?.vector))
}

/// Experts one after the other that are stored alike.
struct Alike<'a, K> {
    ids: Range<usize>,
    views: &'a [Mlp<WeightView>],
    /// How they are stored.
    key: K,
}

/// The experts of a layer, those that follow each other and are stored alike together.
fn runs<K: PartialEq>(
    views: &[Mlp<WeightView>],
    key: impl Fn(&Mlp<WeightView>) -> K,
) -> Vec<Alike<'_, K>> {
    let mut runs: Vec<Alike<'_, K>> = Vec::new();
    for (i, it) in views.iter().enumerate() {
        let key = key(it);
        match runs.last_mut() {
            Some(run) if run.key == key => {
                run.ids.end = i + 1;
                run.views = &views[run.ids.clone()];
            }
            _ => runs.push(Alike {
                ids: i..i + 1,
                views: &views[i..=i],
                key,
            }),
        }
    }
    runs
}

impl Matrices {
    /// Of one expert.
    fn views(self, it: &Mlp<WeightView>) -> Vec<&WeightView> {
        match self {
            Self::GateUp => it.gate.iter().chain([&it.up]).collect(),
            Self::Gate => it.gate.iter().collect(),
            Self::Up | Self::Alone => vec![&it.up],
            Self::Down => vec![&it.down],
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::GateUp => "gate and up",
            Self::Gate => "gate",
            Self::Up | Self::Alone => "up",
            Self::Down => "down",
        }
    }
}

/// Adds the shards of matrices of experts `ids` that are stored alike, all of one shape.
fn cut(
    gpu: &Gpu,
    of: Matrices,
    ids: &Range<usize>,
    experts: &[Mlp<WeightView>],
    binding_bytes: u64,
    shards: &mut Vec<ExpertShard>,
) -> Result<(), DeviceError> {
    let first = of.views(&experts[0]);
    let (n_rows, n_cols) = first[0].shape();
    let layout = RowLayout::of(Coding::of(first[0]));
    let row_bytes = first.len() * layout.row_bytes(n_cols);
    // What stands behind the rows is padded to a whole unit.
    let behind = UNIT_BYTES + experts.len() * first.len() * layout.list_bytes(n_cols);
    let room = (binding_bytes as usize).saturating_sub(behind);
    let most = (room / row_bytes.max(1)).max(1);
    for (here, rows) in cuts(experts.len(), n_rows, most) {
        let views: Vec<WeightView> = experts[here.clone()]
            .iter()
            .flat_map(|it| of.views(it))
            .filter_map(|it| it.rows(rows.clone()))
            .collect();
        let views: Vec<&WeightView> = views.iter().collect();
        let made = gpu.weight_of(of.label(), &views)?;
        shards.extend(made.shards.into_iter().map(|weight| ExpertShard {
            experts: ids.start + here.start..ids.start + here.end,
            rows: rows.clone(),
            of,
            weight,
        }));
    }
    Ok(())
}

/// Where experts of `n_rows` rows are cut, so that no piece has more than `most` rows.
fn cuts(n_experts: usize, n_rows: usize, most: usize) -> Vec<(Range<usize>, Range<usize>)> {
    let pieces = |n: usize, step: usize| {
        (0..n)
            .step_by(step)
            .map(move |it| it..n.min(it + step))
            .collect::<Vec<_>>()
    };
    if n_rows <= most {
        let whole = |it| (it, 0..n_rows);
        return pieces(n_experts, most / n_rows.max(1))
            .into_iter()
            .map(whole)
            .collect();
    }
    (0..n_experts)
        .flat_map(|e| {
            pieces(n_rows, most)
                .into_iter()
                .map(move |it| (e..e + 1, it))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_holds_whole_experts_where_one_fits_and_rows_of_one_where_none_does() {
        assert_eq!(
            cuts(5, 10, 25),
            [(0..2, 0..10), (2..4, 0..10), (4..5, 0..10)]
        );
        assert_eq!(
            cuts(2, 10, 6),
            [(0..1, 0..6), (0..1, 6..10), (1..2, 0..6), (1..2, 6..10)]
        );
        assert_eq!(cuts(0, 10, 6), []);
    }
}
