//! How many threads there are to compute with.

use std::{env, error::Error as _, thread::available_parallelism};

/// What says how many, where it is set.
const VARIABLE: &str = "RAYON_NUM_THREADS";
/// Threads a core, at most: more only take turns, and a process may not have any number of them.
const MAX_PER_CORE: usize = 4;

/// Why there are no threads to compute with.
#[derive(Debug, thiserror::Error)]
pub enum ThreadsError {
    /// The system gives none.
    #[error(
        "the threads to compute with cannot be started: {0}; fewer may be asked for with {VARIABLE}"
    )]
    NotStarted(#[source] rayon::ThreadPoolBuildError),
}

/// Starts the threads that products are cut for: one a core, or as many as the environment says, within bounds.
/// Returns what is to be said of that.
///
/// # Errors
/// The system gives no threads.
pub fn start_threads() -> Result<Option<String>, ThreadsError> {
    let most = available_parallelism().map_or(1, usize::from) * MAX_PER_CORE;
    let asked = env::var(VARIABLE)
        .ok()
        .and_then(|it| it.trim().parse().ok());
    let (n, note) = bounded(asked, most);
    let built = rayon::ThreadPoolBuilder::new()
        .num_threads(n)
        .build_global();
    match built {
        // Without a cause they had been started before.
        Err(error) if error.source().is_some() => Err(ThreadsError::NotStarted(error)),
        _ => Ok(note),
    }
}

/// How many are started, 0 for one a core; and what is to be said of it.
fn bounded(asked: Option<u64>, most: usize) -> (usize, Option<String>) {
    match asked {
        Some(n) if n > most as u64 => {
            let note =
                format!("{VARIABLE} is {n}; {most} threads are started, {MAX_PER_CORE} a core");
            (most, Some(note))
        }
        Some(n) => (n as usize, None),
        None => (0, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_threads_than_four_a_core_are_not_started() {
        assert_eq!(bounded(None, 8), (0, None));
        assert_eq!(bounded(Some(0), 8), (0, None));
        assert_eq!(bounded(Some(8), 8), (8, None));
        for n in [9, 100_000, u64::MAX] {
            let (got, note) = bounded(Some(n), 8);
            assert!(got == 8 && note.unwrap().contains("8 threads are started"));
        }
    }
}
