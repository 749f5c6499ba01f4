//! Memory for weights, in large pages where the system has them.
//!
//! A weight that does not fit the caches is read from one end to the other. In small pages the processor looks up an
//! address every 4 KiB and does not look ahead beyond it; large ones are read up to a third faster.

use std::ops::Deref;

use memmap2::MmapMut;

/// Less is not worth a map of its own: no large page would fit.
const LEAST_BYTES: usize = 2 << 20;

/// Words of memory, once written.
#[derive(Debug)]
pub struct Pages(MmapMut);

impl Pages {
    /// So many words, all 0 until `fill` has written them; none where the system has none, or they are few.
    pub(super) fn filled(n_words: usize, fill: &dyn Fn(&mut [u32])) -> Option<Self> {
        let n_bytes = n_words.checked_mul(size_of::<u32>())?;
        if n_bytes < LEAST_BYTES {
            return None;
        }
        let mut map = MmapMut::map_anon(n_bytes).ok()?;
        // Only advice: without it the pages are small.
        #[cfg(target_os = "linux")]
        drop(map.advise(memmap2::Advice::HugePage));
        fill(bytemuck::try_cast_slice_mut(&mut map).ok()?);
        Some(Self(map))
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Blob;

    #[test]
    fn memory_is_filled_once_whatever_its_size() {
        for n_words in [0, 1, 1000, LEAST_BYTES / 4 - 1, LEAST_BYTES / 4, 3_000_001] {
            let blob = Blob::filled(n_words, |words| {
                assert!(words.iter().all(|it| *it == 0), "{n_words}");
                let numbers = words.iter_mut().zip(1_u32..);
                numbers.for_each(|(word, i)| *word = i);
            });
            let words: &[u32] = bytemuck::cast_slice(blob.bytes());
            assert!(words.iter().copied().eq(1..=n_words as u32), "{n_words}");
            let is_large = matches!(blob, Blob::Pages(_));
            assert_eq!(is_large, n_words >= LEAST_BYTES / 4, "{n_words}");
        }
    }
}
