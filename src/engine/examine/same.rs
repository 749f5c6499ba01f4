//! Which experts are copies of each other: by their weights, or by what they put out.
//!
//! All pairs are looked at in a sample; only those that may be the same are looked at whole, each against the first of
//! its group.

use super::Network;
use crate::checkpoint::WeightView;
use crate::trace::{Copies, SameBy};

/// The least cosine of every matrix of two experts that are copies.
const LEAST_COSINE: f32 = 0.99;
/// The same in a sample.
const LEAST_IN_SAMPLE: f32 = 0.9;
/// The most that outputs of copies differ by, of their length.
const MOST_APART: f32 = 1e-3;
/// Random inputs they are compared on.
const N_COMPARED: usize = 64;
/// Rows and numbers of a row that are looked at first.
const SAMPLE: (usize, usize) = (8, 512);

struct Group {
    /// Rows in the list of networks.
    rows: Vec<usize>,
    by: SameBy,
    likeness: f32,
}

/// Groups of networks that are copies. `outputs`: what each puts out on a few inputs, where that can be computed;
/// `output`: the same on as many as are asked for.
pub(super) fn grouped(
    networks: &[Network],
    outputs: &[Option<Vec<f32>>],
    output: &dyn Fn(usize, &Network) -> Option<Vec<f32>>,
) -> Vec<Copies> {
    let samples: Vec<Vec<Vec<f32>>> = networks.iter().map(sample).collect();
    let mut groups: Vec<Group> = Vec::new();
    for row in 0..networks.len() {
        let found = groups.iter().enumerate().find_map(|(at, group)| {
            let first = group.rows[0];
            let by_weights = same_weights(
                (&networks[first], &samples[first]),
                (&networks[row], &samples[row]),
            );
            let same = by_weights.map(|it| (SameBy::Weights, it)).or_else(|| {
                let few = apart(outputs[first].as_deref()?, outputs[row].as_deref()?)?;
                if few > MOST_APART {
                    return None;
                }
                let many = [first, row].map(|it| output(N_COMPARED, &networks[it]));
                let [Some(a), Some(b)] = many else {
                    return None;
                };
                let many = apart(&a, &b).filter(|it| *it <= MOST_APART)?;
                Some((SameBy::Outputs, 1.0 - many))
            });
            same.map(|it| (at, it))
        });
        match found {
            Some((at, (by, likeness))) => {
                let group = &mut groups[at];
                group.rows.push(row);
                group.likeness = group.likeness.min(likeness);
                if by == SameBy::Outputs {
                    group.by = by;
                }
            }
            None => groups.push(Group {
                rows: vec![row],
                by: SameBy::Weights,
                likeness: 1.0,
            }),
        }
    }
    let several = groups.into_iter().filter(|it| it.rows.len() > 1);
    several
        .map(|it| Copies {
            experts: it.rows.iter().map(|row| networks[*row].id).collect(),
            by: it.by,
            likeness: it.likeness,
        })
        .collect()
}

fn matrices(network: &Network) -> impl Iterator<Item = &WeightView> {
    let mlp = &network.mlp;
    mlp.gate.iter().chain([&mlp.up, &mlp.down])
}

/// Of each matrix a few rows, the front of each.
fn sample(network: &Network) -> Vec<Vec<f32>> {
    let of = |view: &WeightView| {
        let (rows, cols) = view.shape();
        let n = SAMPLE.0.min(rows);
        let mut row = vec![0.0; cols];
        let mut out = Vec::with_capacity(n * cols.min(SAMPLE.1));
        for at in 0..n {
            view.widen_row(at * rows / n, &mut row);
            out.extend_from_slice(&row[..cols.min(SAMPLE.1)]);
        }
        out
    };
    matrices(network).map(of).collect()
}

/// The least cosine of their matrices, where all of them point the same way.
fn same_weights(
    (a, of_a): (&Network, &[Vec<f32>]),
    (b, of_b): (&Network, &[Vec<f32>]),
) -> Option<f32> {
    let have_shape = matrices(a)
        .map(WeightView::shape)
        .eq(matrices(b).map(WeightView::shape));
    let may_be = have_shape
        && of_a
            .iter()
            .zip(of_b)
            .all(|(a, b)| dot(a, b) > LEAST_IN_SAMPLE * (dot(a, a) * dot(b, b)).sqrt());
    if !may_be {
        return None;
    }
    let all = matrices(a).zip(matrices(b)).map(|(a, b)| cosine(a, b));
    let least = all.reduce(f32::min)?;
    (least > LEAST_COSINE).then_some(least)
}

/// The cosine of all numbers of two matrices; 0 where one is zero.
fn cosine(a: &WeightView, b: &WeightView) -> f32 {
    let (rows, cols) = a.shape();
    let (mut of_a, mut of_b) = (vec![0.0f32; cols], vec![0.0f32; cols]);
    let (mut ab, mut aa, mut bb) = (0.0f64, 0.0f64, 0.0f64);
    for row in 0..rows {
        a.widen_row(row, &mut of_a);
        b.widen_row(row, &mut of_b);
        ab += f64::from(dot(&of_a, &of_b));
        aa += f64::from(dot(&of_a, &of_a));
        bb += f64::from(dot(&of_b, &of_b));
    }
    if aa * bb == 0.0 {
        return 0.0;
    }
    (ab / (aa * bb).sqrt()) as f32
}

/// Σ a · b, from the first to the last.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// How far two outputs are apart, of their length; none where one is zero.
fn apart(a: &[f32], b: &[f32]) -> Option<f32> {
    if a.len() != b.len() {
        return None;
    }
    let (of_a, of_b) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    if of_a == 0.0 || of_b == 0.0 {
        return None;
    }
    let between = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    Some(between.sqrt() / of_a.min(of_b))
}
