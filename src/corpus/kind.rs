//! What a file is by its first bytes, where it is no text: so that it is said by its name before a line is read.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _, Seek as _},
};

/// Bytes looked at.
const N_HEAD: usize = 4096;

/// Something that is no text, and what helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    /// With its article: `a zip archive`.
    pub what: &'static str,
    /// What to do about it.
    pub help: &'static str,
}

const UNPACK: &str = "unpack it first";
const CONVERT: &str = "save it as UTF-8 first";
const EXPORT: &str = "write its texts to a JSONL file first";
const COPY: &str = "write what comes out of it to a file first";
const NO_HELP: &str = "give plain text or JSONL";

/// First bytes that tell a format.
const SIGNATURES: &[(&[u8], &str, &str)] = &[
    (b"\x1f\x8b", "gzip-compressed data", UNPACK),
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"PK\x05\x06", "an empty zip archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data", UNPACK),
    (b"\xfd7zXZ\0", "xz-compressed data", UNPACK),
    (b"\x04\x22\x4d\x18", "lz4-compressed data", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"PAR1\x15", "a Parquet table", EXPORT),
    (b"ARROW1\0\0", "an Arrow table", EXPORT),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"%PDF-", "a PDF", EXPORT),
    (b"\x80\x02", "a Python pickle", EXPORT),
    (b"\x80\x03", "a Python pickle", EXPORT),
    (b"\x80\x04", "a Python pickle", EXPORT),
    (b"\x80\x05", "a Python pickle", EXPORT),
    (b"\x93NUMPY", "a NumPy array", EXPORT),
    (b"\x89PNG\r\n", "a picture (PNG)", NO_HELP),
    (b"\xff\xd8\xff", "a picture (JPEG)", NO_HELP),
    (b"\x7fELF", "a program", NO_HELP),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS that stands for the file",
        "fetch the file with git lfs pull",
    ),
    (b"\xff\xfe\0\0", "text in UTF-32", CONVERT),
    (b"\0\0\xfe\xff", "text in UTF-32", CONVERT),
    (b"\xff\xfe", "text in UTF-16", CONVERT),
    (b"\xfe\xff", "text in UTF-16", CONVERT),
];

/// Something that is not even a file; none for a regular one.
pub(super) fn not_a_file(data: &Metadata) -> Option<Foreign> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = data.file_type();
        let what = if kind.is_fifo() {
            "a pipe"
        } else if kind.is_socket() {
            "a socket"
        } else if kind.is_char_device() || kind.is_block_device() {
            "a device"
        } else {
            ""
        };
        if !what.is_empty() {
            return Some(Foreign { what, help: COPY });
        }
    }
    (!data.is_file()).then_some(Foreign {
        what: "no regular file",
        help: COPY,
    })
}

/// What an open file holds by its first bytes, where that is no text; it is read from its start afterwards.
///
/// # Errors
/// Whatever the system says.
pub(super) fn of_file(file: &mut File) -> io::Result<Option<Foreign>> {
    let mut head = Vec::with_capacity(N_HEAD);
    file.by_ref().take(N_HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(foreign(&head))
}

fn foreign(head: &[u8]) -> Option<Foreign> {
    let signed = SIGNATURES.iter().find(|it| head.starts_with(it.0));
    if let Some((_, what, help)) = signed {
        return Some(Foreign { what, help });
    }
    // Letters that a text may begin with, and what only such a file has behind them.
    if head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY") {
        let what = "bzip2-compressed data";
        return Some(Foreign { what, help: UNPACK });
    }
    if head.starts_with(b"GGUF") && head.get(5..8) == Some(&[0; 3]) {
        let what = "a model (GGUF)";
        return Some(Foreign {
            what,
            help: NO_HELP,
        });
    }
    if head.get(257..262) == Some(b"ustar") {
        let what = "a tar archive";
        return Some(Foreign { what, help: UNPACK });
    }
    // Its header is JSON after the header's length.
    if head.get(8) == Some(&b'{') && head[4..8] == [0; 4] {
        let what = "a safetensors file";
        return Some(Foreign {
            what,
            help: NO_HELP,
        });
    }
    by_zeros(head)
}

/// Latin letters in UTF-16 have every second byte 0; text has next to none.
fn by_zeros(head: &[u8]) -> Option<Foreign> {
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|it| **it == 0);
    let (even, odd, half) = (zeros(0).count(), zeros(1).count(), head.len() / 2);
    let is_many = |n: usize| n * 5 > half * 2;
    let is_few = |n: usize| n * 20 <= half;
    if half > 0 && (is_many(even) && is_few(odd) || is_many(odd) && is_few(even)) {
        let what = "text in UTF-16";
        return Some(Foreign {
            what,
            help: CONVERT,
        });
    }
    let is_binary = (even + odd) * 20 > head.len();
    is_binary.then_some(Foreign {
        what: "binary data",
        help: NO_HELP,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &[u8], wanted: Option<&str>) {
        assert_eq!(foreign(head).map(|it| it.what), wanted, "{head:?}");
    }

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn what_is_no_text_is_called_by_its_name() {
        check(b"\x1f\x8b\x08\0\0\0\0\0", Some("gzip-compressed data"));
        check(b"PK\x03\x04\x14\0", Some("a zip archive"));
        check(b"PAR1\x15\x04\x15", Some("a Parquet table"));
        check(b"BZh91AY&SY\xd1\x9d", Some("bzip2-compressed data"));
        check(b"GGUF\x03\0\0\0\x01", Some("a model (GGUF)"));
        for text in ["GGUF is a format", "BZh, he said", "PAR1 and PAR2"] {
            check(text.as_bytes(), None);
        }
        let mut header = 900_u64.to_le_bytes().to_vec();
        header.extend(b"{\"a\":{}}");
        check(&header, Some("a safetensors file"));
        check(&[0; 4096], Some("binary data"));
        check(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12\n",
            Some("a pointer of Git LFS that stands for the file"),
        );
        let mut tar = vec![b'a'; 257];
        tar.extend(b"ustar\0");
        check(&tar, Some("a tar archive"));
    }

    #[test]
    fn utf_16_is_known_with_and_without_its_mark() {
        let wanted = Some("text in UTF-16");
        for bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            check(&utf16("\u{feff}once", bytes), wanted);
            check(&utf16("once upon a time, été", bytes), wanted);
            check(&utf16("a", bytes), wanted);
        }
    }

    #[test]
    fn text_is_text_with_a_stray_zero_too() {
        for text in [
            "",
            "a",
            "once upon a time",
            "été",
            "一二三",
            "{\"text\": \"\"}",
        ] {
            check(text.as_bytes(), None);
        }
        check(b"one long line with \0 in it", None);
        check(b"caf\xe9, in Latin-1", None);
    }
}
