//! The networks of a layer on the device: stacked, and cut by whole experts where one binding
//! cannot hold them all, by rows of one expert where it cannot hold that either.

use std::ops::Range;

use super::{
    device::Gpu,
    packing::UNIT_BYTES,
    weight::{GpuWeight, common_format, row_bytes},
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
    /// `[E, 2F, H]`: an expert's gate rows, then its up rows.
    pub(super) gate_up: Vec<ExpertShard>,
    /// `[E, H, F]`.
    pub(super) down: Vec<ExpertShard>,
}

/// What one dispatch works on: whole experts, or some rows of one.
#[derive(Clone, Debug)]
pub struct ExpertShard {
    /// Which experts.
    pub experts: Range<usize>,
    /// Which rows of each, in rows of its output.
    pub rows: Range<usize>,
    /// Theirs, expert after expert, in one binding.
    pub weight: GpuWeight,
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
    let gates: Vec<[&WeightView; 2]> = views
        .iter()
        // `limits` refuses networks without a gate.
        .map(|it| [it.gate.as_ref().unwrap_or(&it.up), &it.up])
        .collect();
    let downs: Vec<[&WeightView; 1]> = views.iter().map(|it| [&it.down]).collect();
    Ok(GpuExperts {
        n_experts: views.len(),
        width,
        d_ff,
        gate_up: shards(gpu, "gate and up", &gates, binding_bytes)?,
        down: shards(gpu, "down", &downs, binding_bytes)?,
    })
}

/// Matrices of each expert, all of one shape, stacked.
fn shards<const N: usize>(
    gpu: &Gpu,
    label: &str,
    experts: &[[&WeightView; N]],
    binding_bytes: u64,
) -> Result<Vec<ExpertShard>, DeviceError> {
    let Some([first, ..]) = experts.first().map(<[_; N]>::as_slice) else {
        return Ok(Vec::new());
    };
    let (n_rows, n_cols) = first.shape();
    let all: Vec<&WeightView> = experts.iter().flatten().copied().collect();
    let row_bytes = N * row_bytes(common_format(&all), n_cols);
    // What stands behind the rows is padded to a whole unit.
    let room = (binding_bytes as usize).saturating_sub(UNIT_BYTES);
    let most = (room / row_bytes.max(1)).max(1);
    cuts(experts.len(), n_rows, most)
        .into_iter()
        .map(|(ids, rows)| {
            let views: Vec<WeightView> = experts[ids.clone()]
                .iter()
                .flatten()
                .filter_map(|it| it.rows(rows.clone()))
                .collect();
            let views: Vec<&WeightView> = views.iter().collect();
            Ok(ExpertShard {
                weight: gpu.weight_of(label, &views)?,
                experts: ids,
                rows,
            })
        })
        .collect()
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
