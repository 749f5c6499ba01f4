//! `strftime_now`: the time here and now, as Python's `datetime.now().strftime` writes it.

use jiff::{ZonedDateTime, fmt::strtime};

use super::{budget::Budget, fault::Res};

/// The letters of C's strftime, on which Python's rests.
const KNOWN: &str = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%";

/// The time now, in this machine's zone.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn now(budget: &Budget, format: &str) -> Res<String> {
    written(budget, format, &ZonedDateTime::now())
}

/// A time in Python's directives. `datetime.now()` knows no zone, so `%z` and `%Z` are empty; what is no
/// directive stays as it is.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn written(budget: &Budget, format: &str, time: &ZonedDateTime) -> Res<String> {
    let mut out = budget.text();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        let directive = directive(&rest[at..]);
        match directive.chars().next_back() {
            Some('f') => out.push(&format!("{:06}", time.subsec_nanosecond() / 1000))?,
            Some('z' | 'Z') => {}
            Some(it) if !KNOWN.contains(it) => out.push(directive)?,
            letter => match strtime::format(plain(letter).unwrap_or(directive), time) {
                Ok(text) => out.push(&text)?,
                Err(_) => out.push(directive)?,
            },
        }
        rest = &rest[at + directive.len()..];
    }
    out.push(rest)?;
    Ok(out.done())
}

/// The directives whose form depends on the country, as they are where none is chosen.
fn plain(letter: Option<char>) -> Option<&'static str> {
    match letter? {
        'c' => Some("%a %b %e %H:%M:%S %Y"),
        'x' => Some("%m/%d/%y"),
        'X' => Some("%H:%M:%S"),
        'r' => Some("%I:%M:%S %p"),
        _ => None,
    }
}

/// The sign, its flags and its letter. A width is none: it would be a way to fill the memory.
fn directive(text: &str) -> &str {
    let is_flag = |it: &char| matches!(it, '-' | '_' | '0' | '^' | '#');
    let flags = text[1..].chars().take_while(is_flag).count();
    let letter = text[1 + flags..].chars().next().map_or(0, char::len_utf8);
    &text[..1 + flags + letter]
}
