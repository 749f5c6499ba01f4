//! What a run will hold in memory, by what it is for, and the one rule by which it is refused: what is held must be no
//! more than this process may still take.
//!
//! Weights that are read where they lie in their files are not held: the system drops such pages and reads them again,
//! so that a file larger than memory opens. They take address space alone, which is asked for when they are mapped.

use serde::Serialize;

use super::{Allowances, CheckpointError, gigabytes};
use crate::spec::count_of;

/// What a run will hold, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryNeed {
    /// Weights that are read where they lie in their files while the model runs. They are not held.
    pub mapped_bytes: u64,
    /// Weights that are made up and not yet there.
    pub made_up_bytes: u64,
    /// Copies of weights that are not aligned in their file.
    pub copied_bytes: u64,
    /// Weights made into blocks.
    pub block_bytes: u64,
    /// Weights widened to f32: vectors.
    pub widened_bytes: u64,
    /// Weights in the buffers of a device.
    pub device_bytes: u64,
    /// Positions that caches and record are counted for, of each sequence.
    pub n_positions: usize,
    /// Sequences side by side.
    pub n_sequences: usize,
    /// KV caches, f32.
    pub cache_bytes: u64,
    /// What is recorded: choices, the routers' logits, all logits where they are asked for.
    pub record_bytes: u64,
    /// Activations and logits of one step.
    pub step_bytes: u64,
}

impl MemoryNeed {
    /// Each kind that counts, with its words; those of none are left out.
    #[must_use]
    pub fn parts(&self) -> Vec<(u64, String)> {
        let positions = count_of(self.n_positions, "position");
        let cache = match self.n_sequences {
            0 | 1 => format!("of cache at {positions}"),
            n => format!("of cache for {n} sequences of {positions}"),
        };
        let all = [
            (self.made_up_bytes, "of weights that are made up".to_owned()),
            (
                self.copied_bytes,
                "of copies, because tensors are not aligned in the file".to_owned(),
            ),
            (self.block_bytes, "of weights in blocks".to_owned()),
            (self.widened_bytes, "of weights widened to f32".to_owned()),
            (
                self.device_bytes,
                "of weights in buffers of the device".to_owned(),
            ),
            (self.cache_bytes, cache),
            (self.record_bytes, "of what is recorded".to_owned()),
            (self.step_bytes, "for the numbers of one step".to_owned()),
        ];
        all.into_iter().filter(|it| it.0 > 0).collect()
    }

    /// All that is held.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let parts = self.parts().into_iter();
        parts.fold(0, |sum, it| sum.saturating_add(it.0))
    }

    /// What stays with the program where a device has memory of its own: the record.
    #[must_use]
    pub fn beside_device(&self) -> Self {
        Self {
            record_bytes: self.record_bytes,
            n_positions: self.n_positions,
            n_sequences: self.n_sequences,
            ..Self::default()
        }
    }

    /// Whether it may be held; yes where the system does not say what may be taken.
    #[must_use]
    pub fn fits(&self, may: &Allowances) -> bool {
        may.own().is_none_or(|it| self.held_bytes() <= it.bytes)
    }

    /// Refuses what may not be held.
    ///
    /// # Errors
    /// What it is, its parts of a hundredth and more, and what sets the limit.
    pub fn check(
        &self,
        may: &Allowances,
        what: &'static str,
        name: &str,
    ) -> Result<(), CheckpointError> {
        match may.own() {
            Some(room) if self.held_bytes() > room.bytes => Err(CheckpointError::Memory {
                what,
                need: self.words(),
                room,
                name: name.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// `68.2 GB of memory: 64.0 GB of copies …, 4.2 GB of cache at 4,096 positions`.
    #[must_use]
    pub fn words(&self) -> String {
        let held = self.held_bytes();
        let parts = self.parts().into_iter();
        let parts: Vec<String> = parts
            .filter(|it| it.0 >= held / 100)
            .map(|(bytes, words)| format!("{} {words}", gigabytes(bytes)))
            .collect();
        format!("{} of memory: {}", gigabytes(held), parts.join(", "))
    }

    /// A note where weights cannot stay in memory beside what is held.
    #[must_use]
    pub fn paging_note(&self, may: &Allowances) -> Option<String> {
        let room = may.pages()?;
        let all = self.held_bytes().saturating_add(self.mapped_bytes);
        (self.mapped_bytes > 0 && all > room.bytes).then(|| {
            format!(
                "the weights do not stay in memory, so that pages are read again from disk: {} of them are read where they lie, and {room}",
                gigabytes(self.mapped_bytes)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    fn need() -> MemoryNeed {
        MemoryNeed {
            mapped_bytes: 900 * GB,
            copied_bytes: 64 * GB,
            n_positions: 4096,
            n_sequences: 1,
            cache_bytes: 2 * GB,
            step_bytes: 1,
            ..MemoryNeed::default()
        }
    }

    #[test]
    fn what_is_read_where_it_lies_is_not_held() {
        assert_eq!(need().held_bytes(), 66 * GB + 1);
        assert!(need().fits(&Allowances::free(66 * GB + 1)));
        assert!(!need().fits(&Allowances::free(66 * GB)));
        assert!(need().fits(&Allowances::default()));
    }

    #[test]
    fn a_refusal_has_the_parts_that_matter_and_the_room() {
        let refused = need().check(&Allowances::free(24 * GB), "running this model", "big");
        assert_eq!(
            refused.unwrap_err().to_string(),
            "running this model needs 66.0 GB of memory: 64.0 GB of copies, because tensors are not aligned in the \
             file, 2.0 GB of cache at 4,096 positions, but 24.0 GB are free (big)"
        );
        assert!(need().check(&Allowances::free(67 * GB), "", "").is_ok());
        let rows = MemoryNeed {
            n_sequences: 4,
            ..need()
        };
        let words = "2.0 GB of cache for 4 sequences of 4,096 positions";
        assert!(rows.words().ends_with(words), "{}", rows.words());
    }

    #[test]
    fn weights_that_do_not_stay_in_memory_are_told() {
        let note = need().paging_note(&Allowances::free(24 * GB)).unwrap();
        assert!(note.contains("read again from disk: 900.0 GB"), "{note}");
        assert!(note.ends_with("24.0 GB are free"), "{note}");
        assert_eq!(need().paging_note(&Allowances::free(2000 * GB)), None);
        let unmapped = MemoryNeed {
            mapped_bytes: 0,
            ..need()
        };
        assert_eq!(unmapped.paging_note(&Allowances::free(1)), None);
    }
}
