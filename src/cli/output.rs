//! Where commands print: results to stdout, remarks to stderr.
//!
//! **Invariant:** nothing here panics, whatever becomes of the two. A reader of the result who leaves ends the command
//! quietly; a result that cannot be written is a failure; that nobody reads a remark stops nothing.

use std::{
    fmt::{Display, Write as _},
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::{Failure, Status};
use crate::spec::{printable, shown};

/// What a command prints to.
pub struct Output<'a> {
    out: Box<dyn Write + 'a>,
    log: Box<dyn Write + 'a>,
    /// Whether the result goes to a terminal.
    is_seen: bool,
    /// Whether the remarks do.
    is_watched: bool,
}

impl Output<'static> {
    /// The program's own stdout and stderr.
    #[must_use]
    pub fn standard() -> Self {
        let (out, log) = (io::stdout(), io::stderr());
        Self {
            is_seen: out.is_terminal(),
            is_watched: log.is_terminal(),
            out: Box::new(out),
            log: Box::new(log),
        }
    }
}

impl<'a> Output<'a> {
    /// Prints elsewhere; to no terminal.
    #[must_use]
    pub fn to(out: &'a mut dyn Write, log: &'a mut dyn Write) -> Self {
        Self {
            out: Box::new(out),
            log: Box::new(log),
            is_seen: false,
            is_watched: false,
        }
    }

    /// Prints a part of the result: as it is, but on a terminal without what would move its cursor.
    ///
    /// # Errors
    /// The reader has left ([`Status::Left`]), or it cannot be written (3).
    pub fn print(&mut self, text: &str) -> Result<(), Failure> {
        let bytes = if self.is_seen {
            printable(text)
        } else {
            text.into()
        };
        let printed = self.out.write_all(bytes.as_bytes());
        printed
            .and_then(|()| self.out.flush())
            .map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::left(),
                _ => Failure::part_way(format!("the result cannot be printed: {error}")),
            })
    }

    /// Prints an object as JSON, in one line or in many.
    ///
    /// # Errors
    /// What `print` says.
    pub fn print_json(&mut self, object: &impl Serialize, is_compact: bool) -> Result<(), Failure> {
        let text = json_text(object, is_compact)?;
        self.print(&text)
    }

    /// A remark, in a line of its own.
    pub fn remark(&mut self, text: impl Display) {
        // That nobody reads it stops nothing.
        drop(writeln!(self.log, "{}", shown(text)));
    }

    /// Progress, over what stood in that line of a terminal; not for a file.
    pub fn progress(&mut self, text: &str) {
        if self.is_watched {
            drop(write!(self.log, "\r{}", shown(text)));
        }
    }

    /// Ends a line of progress.
    pub fn end_progress(&mut self, end: &str) {
        if self.is_watched {
            drop(write!(self.log, "{end}"));
        }
    }
}

/// An object as JSON with a line break at its end. Strings of JSON may hold what a terminal takes for a command;
/// here that is escaped, too.
///
/// # Errors
/// What cannot be written as JSON.
pub fn json_text(object: &impl Serialize, is_compact: bool) -> Result<String, Failure> {
    let text = if is_compact {
        serde_json::to_string(object)
    } else {
        serde_json::to_string_pretty(object)
    };
    let text = text.map_err(Failure::part_way)?;
    let mut out = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        match letter {
            // Those below are escaped already, and line breaks stand between values only.
            '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{feff}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('\n');
    Ok(out)
}

/// Says why the program ends as it does.
#[must_use]
pub fn end(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if failure.status != Status::Left {
                Output::standard().remark(format_args!("moescope: {failure}"));
            }
            ExitCode::from(failure.status as u8)
        }
    }
}

/// Prints help, or what is wrong with a command line, as clap lays it out.
#[must_use]
pub fn end_of_usage(error: &clap::Error) -> ExitCode {
    let mut output = Output::standard();
    let styled = error.render();
    if error.use_stderr() {
        let text = if output.is_watched {
            styled.ansi().to_string()
        } else {
            styled.to_string()
        };
        drop(output.log.write_all(text.as_bytes()));
        return ExitCode::from(Status::Misuse as u8);
    }
    // Help has no words but the program's own: its colours may pass.
    let text = if output.is_seen {
        styled.ansi().to_string()
    } else {
        styled.to_string()
    };
    output.is_seen = false;
    end(output.print(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails in some way.
    struct Fails(io::ErrorKind);

    impl Write for Fails {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_left_is_no_failure_and_a_full_disk_is() {
        for (kind, wanted) in [
            (io::ErrorKind::BrokenPipe, Status::Left),
            (io::ErrorKind::StorageFull, Status::PartWay),
        ] {
            let (mut out, mut log) = (Fails(kind), Fails(kind));
            let mut output = Output::to(&mut out, &mut log);
            output.remark("a remark");
            assert_eq!(output.print("a").unwrap_err().status, wanted);
        }
    }

    #[test]
    fn on_a_terminal_a_text_moves_no_cursor_and_in_a_file_it_stays() {
        let text = "one\n\u{1b}[2Jtwo";
        for (is_seen, wanted) in [(true, "one\n\\u{1b}[2Jtwo"), (false, text)] {
            let (mut out, mut log) = (Vec::new(), Vec::new());
            let mut output = Output::to(&mut out, &mut log);
            output.is_seen = is_seen;
            output.print(text).unwrap();
            output.remark("a\u{1b}[0mb\nc");
            drop(output);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
            assert_eq!(String::from_utf8(log).unwrap(), "a\\u{1b}[0mb\\nc\n");
        }
    }

    #[test]
    fn json_reads_back_and_holds_no_command_for_a_terminal() {
        let text = "a\u{9b}2J\u{1b}\u{202e}é\n";
        let json = json_text(&[text], true).unwrap();
        assert!(!json.trim_end().chars().any(char::is_control), "{json}");
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(back, [text]);
    }
}
