//! The order of checkpoints whose names differ in their numbers alone: `step-3` before `step-20`.

/// Puts names that differ in their numbers alone in the order of these; others stay as they are.
pub fn sort_steps<T>(all: &mut [T], name: impl Fn(&T) -> String) {
    let pattern = |it: &T| -> Vec<String> {
        let parts = parts(&name(it));
        parts.into_iter().map(|it| it.0).collect()
    };
    let mut patterns = all.iter().map(pattern);
    let first = patterns.next();
    if patterns.all(|it| Some(it) == first) {
        all.sort_by_cached_key(|it| parts(&name(it)));
    }
}

/// A name cut at its numbers: the words before each, and the number behind them.
fn parts(name: &str) -> Vec<(String, u128)> {
    let mut out: Vec<(String, u128)> = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let is_digit = |it: char| it.is_ascii_digit();
        let (word, behind) = rest.split_at(rest.find(is_digit).unwrap_or(rest.len()));
        let end = behind.find(|it| !is_digit(it)).unwrap_or(behind.len());
        let (number, behind) = behind.split_at(end);
        out.push((word.to_owned(), number.parse().unwrap_or(0)));
        rest = behind;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(names: &[&str], wanted: &[&str]) {
        let mut names = names.to_vec();
        sort_steps(&mut names, |it| (*it).to_owned());
        assert_eq!(names, wanted);
    }

    #[test]
    fn steps_are_taken_by_their_numbers_and_others_as_they_are_named() {
        check(
            &["run/step-100", "run/step-20", "run/step-3"],
            &["run/step-3", "run/step-20", "run/step-100"],
        );
        check(&["run2/s1/x", "run1/s9/x"], &["run1/s9/x", "run2/s1/x"]);
        check(
            &["step-9.gguf", "step-10.gguf"],
            &["step-9.gguf", "step-10.gguf"],
        );
        check(&["tour-collapsed", "tour"], &["tour-collapsed", "tour"]);
        check(&["new", "base"], &["new", "base"]);
    }
}
