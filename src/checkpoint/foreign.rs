//! What lies where a model is expected and is none: pointers and pages saved in place of files.

/// The first bytes of what is known, and what it is.
const STARTS: &[(&[u8], &str)] = &[
    (
        b"version https://git-lfs",
        "this is a Git LFS pointer and not the file itself, which `git lfs pull` fetches",
    ),
    (b"GGUF", "this is a GGUF file"),
    (
        b"PK\x03\x04",
        "this is a zip archive (in such torch.save writes pickled weights)",
    ),
    (b"\x80\x02", "this is a pickle, of which nothing is run"),
    (b"\x80\x03", "this is a pickle, of which nothing is run"),
    (b"\x80\x04", "this is a pickle, of which nothing is run"),
    (b"\x1F\x8B", "this is a gzip archive"),
    (b"\xFD7zXZ", "this is an xz archive"),
    (b"\x28\xB5\x2F\xFD", "this is a zstd archive"),
    (b"\xFF\xFE", "this is a text in UTF-16 or no text"),
    (b"\xFE\xFF", "this is a text in UTF-16 or no text"),
];

/// How pages of the web begin, in small letters.
const PAGES: [&[u8]; 4] = [b"<!doctype", b"<html", b"<?xml", b"<!--"];

/// What the bytes of a file are, where they are something known that is no model's file.
pub(super) fn recognised(bytes: &[u8]) -> Option<&'static str> {
    let known = STARTS.iter().find(|it| bytes.starts_with(it.0));
    if let Some((_, what)) = known {
        return Some(what);
    }
    let text = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let is_page = PAGES.iter().any(|it| {
        let start = text.get(..it.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(it))
    });
    is_page.then_some("this is a web page saved in place of the file")
}
