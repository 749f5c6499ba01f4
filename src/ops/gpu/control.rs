//! The edits of a batch as words that `kernels/route.wgsl` reads: for each row its record and its
//! position, then one record for each of the policies that differ.
//!
//! **Invariant:** however many edits there are, they are one upload and no dispatch of their own.

use crate::ops::{BatchSpan, hash::pcg};

use crate::spec::{RouterId, RouterPolicy, RouterSpec};

/// No expert, in a word of the device.
pub const NOBODY: u32 = u32::MAX;

/// Words of a record: numbers.
const AT_K: usize = 0;
const AT_FLAGS: usize = 1;
const AT_RANDOM_KEY: usize = 2;
const AT_N_FORCED: usize = 3;
const AT_N_SHARED: usize = 4;
const AT_GIVEN: usize = 5;
/// Words of a record: where its tables begin, 0 for one that is not there.
const AT_LOGIT_BIAS: usize = 6;
const AT_SELECT_BIAS: usize = 7;
const AT_ALLOWED: usize = 8;
const AT_FORCED: usize = 9;
const AT_SHARES: usize = 10;
const AT_NETWORKS: usize = 11;
const AT_FORCED_LIST: usize = 12;
/// Words of a record before its tables.
const RECORD_WORDS: usize = 13;

/// Bits of the word `AT_FLAGS`.
const IS_UNIFORM: u32 = 1;
const IS_RANDOM: u32 = 2;

/// No share.
const NO_SHARE: f32 = -1.0;

/// What the kernel reads of the edits.
#[derive(Debug)]
pub struct EditRecords {
    /// `[T, 2]`: first word of the row's record, 0 without edits, and its position; then the records.
    pub words: Vec<u32>,
    /// Whether any forced expert has a share.
    pub has_shares: bool,
}

impl EditRecords {
    /// What holds for a router in these rows; `None` where no edit touches any of them.
    pub fn of(
        id: RouterId,
        spec: &RouterSpec,
        spans: &[BatchSpan<'_>],
        n_rows: usize,
    ) -> Option<Self> {
        let mut out = Self {
            words: vec![0; 2 * n_rows],
            has_shares: false,
        };
        let mut records: Vec<(&RouterPolicy, u32)> = Vec::new();
        for span in spans {
            for (row, at) in span.positions() {
                let Some(policy) = span.policy.at(id, at) else {
                    continue;
                };
                // Rows of one range share their policy, so the newest is nearly always the one.
                let same = records
                    .iter()
                    .rev()
                    .find(|(it, _)| std::ptr::eq(*it, policy));
                let known = same.or_else(|| records.iter().find(|(it, _)| *it == policy));
                let record = if let Some((_, record)) = known {
                    *record
                } else {
                    let record = out.add(policy, spec);
                    records.push((policy, record));
                    record
                };
                out.words[2 * row] = record;
                out.words[2 * row + 1] = at.0;
            }
        }
        (!records.is_empty()).then_some(out)
    }

    /// Adds a record; returns its first word.
    fn add(&mut self, policy: &RouterPolicy, spec: &RouterSpec) -> u32 {
        let n_experts = spec.n_experts;
        let start = self.words.len();
        // By id, as they are summed on the CPU.
        let mut by_id = policy.forced.clone();
        by_id.sort_by_key(|it| it.0);
        let shares: Vec<f32> = by_id.iter().filter_map(|it| it.1).collect();
        self.has_shares |= !shares.is_empty();
        let seed = policy.random.unwrap_or(0);
        self.words.extend([0; RECORD_WORDS]);
        let flags =
            u32::from(policy.uniform) * IS_UNIFORM + u32::from(policy.random.is_some()) * IS_RANDOM;
        let numbers = [
            (AT_K, policy.k as u32),
            (AT_FLAGS, flags),
            (
                AT_RANDOM_KEY,
                pcg(pcg(seed) ^ u32::from(spec.place.layer.0)),
            ),
            (AT_N_FORCED, policy.forced.len() as u32),
            (AT_N_SHARED, shares.len() as u32),
            (AT_GIVEN, shares.iter().sum::<f32>().to_bits()),
        ];
        for (at, number) in numbers {
            self.words[start + at] = number;
        }
        let is_forced = |e: usize| policy.forced.iter().any(|it| it.0.idx() == e);
        let n_flagged = if policy.forced.is_empty() {
            0
        } else {
            n_experts
        };
        let tables = [
            (AT_LOGIT_BIAS, floats(&policy.logit_bias)),
            (AT_SELECT_BIAS, floats(&policy.select_bias)),
            (
                AT_ALLOWED,
                bits(policy.allowed.len(), |e| policy.allowed[e]),
            ),
            (AT_FORCED, bits(n_flagged, is_forced)),
            (
                AT_SHARES,
                share_table(policy, n_experts, !shares.is_empty()),
            ),
            (AT_NETWORKS, network_table(policy, n_experts)),
            (
                AT_FORCED_LIST,
                policy.forced.iter().map(|it| it.0.idx() as u32).collect(),
            ),
        ];
        for (at, table) in tables {
            if !table.is_empty() {
                self.words[start + at] = self.words.len() as u32;
                self.words.extend(table);
            }
        }
        start as u32
    }
}

fn floats(of: &[f32]) -> Vec<u32> {
    of.iter().map(|it| it.to_bits()).collect()
}

/// One bit an expert.
fn bits(n: usize, holds: impl Fn(usize) -> bool) -> Vec<u32> {
    let mut out = vec![0u32; n.div_ceil(32)];
    for e in (0..n).filter(|it| holds(*it)) {
        out[e / 32] |= 1 << (e % 32);
    }
    out
}

fn share_table(policy: &RouterPolicy, n_experts: usize, has_shares: bool) -> Vec<u32> {
    if !has_shares {
        return Vec::new();
    }
    let mut out = vec![NO_SHARE.to_bits(); n_experts];
    for (expert, share) in &policy.forced {
        out[expert.idx()] = share.unwrap_or(NO_SHARE).to_bits();
    }
    out
}

fn network_table(policy: &RouterPolicy, n_experts: usize) -> Vec<u32> {
    if policy.zeroed.is_empty() && policy.swapped.is_empty() {
        return Vec::new();
    }
    let mut out: Vec<u32> = (0..n_experts as u32).collect();
    for (expert, with) in &policy.swapped {
        out[expert.idx()] = u32::from(with.0);
    }
    for expert in &policy.zeroed {
        out[expert.idx()] = NOBODY;
    }
    out
}
