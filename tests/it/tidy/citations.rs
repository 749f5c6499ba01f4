//! What a comment cites can be read by whoever reads the comment: a paper, a class of another program, or the formula.

use std::fs;

use super::{files_below, root};

/// Pages about moescope that do not come with it, as comments name them.
const NOT_HERE: &[&str] = &[
    concat!("design ", "document"),
    concat!("document, ", "section"),
    concat!("families ", "document"),
    concat!("interventions ", "document"),
    concat!("metrics ", "document"),
];

/// The page of [`NOT_HERE`] that the comments of a source name, where they do: comments are read without their line
/// breaks.
fn cited(text: &str) -> Option<&'static str> {
    let comments = text
        .lines()
        .filter_map(|it| it.trim_start().split_once("//"));
    let comments = comments.filter(|it| it.0.is_empty()).map(|it| it.1);
    let words = comments.flat_map(|it| it.trim_start_matches(['/', '!']).split_whitespace());
    let whole = words.collect::<Vec<_>>().join(" ");
    NOT_HERE.iter().copied().find(|it| whole.contains(it))
}

#[test]
fn a_page_that_is_not_here_is_found_over_two_lines() {
    let broken = concat!("/// Range (metrics", "\n    /// document, row 3).\n");
    assert_eq!(cited(broken), Some(concat!("metrics ", "document")));
    assert_eq!(cited(concat!("let it = \"a design ", "document\";")), None);
    assert_eq!(cited("/// `Σ p c` (arXiv 2405.04434).\n"), None);
}

#[test]
fn comments_cite_what_a_reader_can_find() {
    for folder in ["src", "kernels", "shaders", "tests"] {
        let files = ["rs", "wgsl"].map(|it| files_below(&root().join(folder), it));
        for path in files.concat() {
            let text = fs::read_to_string(&path).unwrap();
            if let Some(page) = cited(&text) {
                panic!("{} cites \"{page}\", which is not here", path.display());
            }
        }
    }
}
