//! How many of what, in words: the one way in which every sentence says a number of things.

/// A whole number with its thousands parted: `10,233`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `token` for one, `tokens` else.
#[must_use]
pub fn plural(n: u64, thing: &str) -> String {
    if n == 1 {
        thing.to_owned()
    } else {
        format!("{thing}s")
    }
}

/// A number of things: `1 token`, `12,345 tokens`.
///
/// * `n`: of any type of whole numbers; what is beyond 64 bits is said as the most there is
#[must_use]
pub fn count_of(n: impl TryInto<u64>, thing: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{} {}", grouped(n), plural(n, thing))
}

/// A part of a number of things: `3 of 1,024 tokens`.
#[must_use]
pub fn part_of(n: impl TryInto<u64>, all: impl TryInto<u64>, thing: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    format!("{} of {}", grouped(n), count_of(all, thing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_grouped_and_one_thing_is_one() {
        let check = |n: u64, wanted: &str| assert_eq!(count_of(n, "token"), wanted);
        check(0, "0 tokens");
        check(1, "1 token");
        check(2, "2 tokens");
        check(999, "999 tokens");
        check(1_000, "1,000 tokens");
        check(1_234_567, "1,234,567 tokens");
        check(u64::MAX, "18,446,744,073,709,551,615 tokens");
        assert_eq!(count_of(3_usize, "more layer"), "3 more layers");
        assert_eq!(part_of(1_u32, 1_usize, "text"), "1 of 1 text");
        assert_eq!(part_of(1_024, 2_048, "text"), "1,024 of 2,048 texts");
    }
}
