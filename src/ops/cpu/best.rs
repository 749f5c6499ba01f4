//! The best few of many numbers.

/// Values whose best one stands for them all when a bound is looked for.
const GROUP: usize = 32;

/// Ids of the n best, best first, ties to the lowest id.
pub fn best_ids(values: &[f32], n: usize) -> Vec<u32> {
    let better = |a: &u32, b: &u32| {
        values[*b as usize]
            .total_cmp(&values[*a as usize])
            .then(a.cmp(b))
    };
    let mut ids = candidates(values, n);
    if n > 0 && n < ids.len() {
        ids.select_nth_unstable_by(n - 1, better);
    }
    ids.truncate(n);
    ids.sort_unstable_by(better);
    ids
}

/// Ids among which the n best are. At least n values reach the n-th best of the groups' best ones,
/// and where few are wanted, few others do.
fn candidates(values: &[f32], n: usize) -> Vec<u32> {
    let best_of = |it: &[f32]| it.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut bests: Vec<f32> = values.chunks(GROUP).map(best_of).collect();
    if n == 0 || n >= bests.len() {
        return (0..values.len() as u32).collect();
    }
    let bound = *bests.select_nth_unstable_by(n - 1, |a, b| b.total_cmp(a)).1;
    let reaches = |(_, it): &(usize, &f32)| **it >= bound;
    let found = values.iter().enumerate().filter(reaches);
    found.map(|(v, _)| v as u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_those_a_sort_puts_first_and_ties_go_to_the_lowest_id() {
        for (n_values, n_distinct) in [(1, 1), (21, 3), (1000, 1), (5000, 40), (5000, 5000)] {
            let value = |i: usize| (i * 7919 % n_distinct) as f32;
            let values: Vec<f32> = (0..n_values).map(value).collect();
            let mut want: Vec<u32> = (0..n_values as u32).collect();
            want.sort_by(|a, b| values[*b as usize].total_cmp(&values[*a as usize]));
            for n in [0, 1, 20, 700] {
                let got = best_ids(&values, n);
                assert_eq!(got, want[..n.min(n_values)], "{n} of {n_values}");
            }
        }
    }
}
