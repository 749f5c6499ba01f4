//! Maps whose files are cut short, or whose disk fails, while they are read: the signal SIGBUS, taken.
//!
//! What the handler does is little, and sound: it compares the address with the maps registered here, which live; it
//! maps zeros over the rest of that map with `mmap`, a bare system call; it sets a mark. A reader then finds zeros,
//! which are numbers like any others. Any other SIGBUS is passed on to whoever took it before, at first the system,
//! which ends the program.
//!
//! A handler may wait for nobody, so the table is a fixed one of atomics; a file beyond its end is mapped all the same
//! and not watched. These are the only atomics of the program.

use std::{
    ffi::{c_int, c_void},
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Files that are watched at the same time, at most.
const N_SLOTS: usize = 4096;
/// The start of a slot that is taken and not filled in yet; no map starts there.
const TAKEN: usize = 1;

static SLOTS: [Slot; N_SLOTS] = [const { Slot::new() }; N_SLOTS];
/// Who took the signal before.
static BEFORE: OnceLock<Option<libc::sigaction>> = OnceLock::new();

/// A map, by its addresses; free where it starts at 0.
#[derive(Debug)]
struct Slot {
    start: AtomicUsize,
    /// Behind its last page. 0 until `start` is set, and again before it is given up.
    end: AtomicUsize,
    is_torn: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            is_torn: AtomicBool::new(false),
        }
    }

    /// The end of the map that an address lies in.
    fn end_at(&self, address: usize) -> Option<usize> {
        let start = self.start.load(Ordering::SeqCst);
        let end = self.end.load(Ordering::SeqCst);
        // The same map at both looks.
        let is_one = self.start.load(Ordering::SeqCst) == start && start > TAKEN;
        (is_one && (start..end).contains(&address)).then_some(end)
    }
}

/// A map that is watched, until this is dropped.
#[derive(Debug)]
pub(super) struct Watch(&'static Slot);

impl Watch {
    /// Watches the map of a file; none where the table is full or the signal cannot be had.
    pub(super) fn over(map: &[u8]) -> Option<Self> {
        if map.is_empty() || !is_handled() {
            return None;
        }
        let is_taken = |it: &&Slot| {
            let taken = it
                .start
                .compare_exchange(0, TAKEN, Ordering::SeqCst, Ordering::SeqCst);
            taken.is_ok()
        };
        let slot = SLOTS.iter().find(is_taken)?;
        let start = map.as_ptr().addr();
        slot.is_torn.store(false, Ordering::SeqCst);
        slot.start.store(start, Ordering::SeqCst);
        let end = (start + map.len()).next_multiple_of(page_bytes());
        slot.end.store(end, Ordering::SeqCst);
        Some(Self(slot))
    }

    /// Whether zeros were read in place of the file's bytes.
    pub(super) fn is_torn(&self) -> bool {
        self.0.is_torn.load(Ordering::SeqCst)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.end.store(0, Ordering::SeqCst);
        self.0.start.store(0, Ordering::SeqCst);
    }
}

/// Takes the signal, once; whether it is taken.
#[expect(unsafe_code, reason = "a signal is asked for from the system itself")]
fn is_handled() -> bool {
    let taken = BEFORE.get_or_init(|| {
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_bus_error;
        // SAFETY: the structures are plain numbers, zero a value of each; the handler has the form that SA_SIGINFO
        // asks for, and does nothing that a handler may not. It runs on the stack for signals where there is one, as
        // the standard library's own does.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let mut ours: libc::sigaction = std::mem::zeroed();
            ours.sa_sigaction = handler as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut ours.sa_mask);
            let is_taken = libc::sigaction(libc::SIGBUS, &raw const ours, &raw mut before) == 0;
            is_taken.then_some(before)
        }
    });
    taken.is_some()
}

#[expect(unsafe_code, reason = "a number that the system knows")]
fn page_bytes() -> usize {
    // SAFETY: no pointer is handed over.
    let n = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(n).unwrap_or(4096).max(1)
}

/// Zeros in place of what cannot be read.
#[expect(unsafe_code, reason = "what the system hands a handler are pointers")]
extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system hands over a whole `siginfo_t`. A positive code says that an address was read, and which.
    let address = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr().addr()) };
    let found = address.and_then(|address| {
        let mut slots = SLOTS.iter();
        slots.find_map(|it| it.end_at(address).map(|end| (address, end, it)))
    });
    if let Some((address, end, slot)) = found {
        // Before anybody can read a zero there.
        slot.is_torn.store(true, Ordering::SeqCst);
        let page = address - address % page_bytes();
        let access = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: from a page of a registered map to its end, all of it that map's own, which nobody writes.
        let zeros = unsafe {
            let at = ptr::without_provenance_mut(page);
            libc::mmap(at, end - page, libc::PROT_READ, access, -1, 0)
        };
        if zeros != libc::MAP_FAILED {
            return;
        }
    }
    pass_on(signal, info, context);
}

/// Does what would have been done without us.
#[expect(unsafe_code, reason = "another's handler is a number in a structure")]
fn pass_on(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    type WithInfo = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
    let before = BEFORE.get().and_then(Option::as_ref);
    let handler = before.map_or(libc::SIG_DFL, |it| it.sa_sigaction);
    let has_info = before.is_some_and(|it| it.sa_flags & libc::SA_SIGINFO != 0);
    // SAFETY: what stood in the structure is a handler of the form that its flags say, or one of two numbers.
    unsafe {
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            // The read is tried again, and ends the program as it would have.
            libc::signal(signal, libc::SIG_DFL);
        } else if has_info {
            std::mem::transmute::<usize, WithInfo>(handler)(signal, info, context);
        } else {
            std::mem::transmute::<usize, extern "C" fn(c_int)>(handler)(signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _, path::Path};

    use super::{N_SLOTS, Watch};
    use crate::checkpoint::{Blob, MappedFile, Tensors, container::Shard, files};

    #[test]
    fn a_map_whose_file_is_cut_short_reads_as_zeros_and_says_so() {
        let mut kept = tempfile::NamedTempFile::new().unwrap();
        kept.write_all(&vec![7; 100_000]).unwrap();
        let open = |path| File::open(path).unwrap();
        let map = MappedFile::new(open(kept.path()), kept.path()).unwrap();
        let other = MappedFile::new(open(kept.path()), kept.path()).unwrap();
        assert!(map.iter().all(|it| *it == 7) && map.check().is_ok());
        kept.as_file().set_len(5_000).unwrap();
        let said = map.check().unwrap_err().to_string();
        assert!(
            said.starts_with("the file became shorter while it was open, expected 100000 bytes")
        );
        assert_eq!((map[4_999], map[99_999]), (7, 0));
        // What was cut off comes back, and still the map is not what it was.
        kept.as_file().set_len(100_000).unwrap();
        let said = map.check().unwrap_err().to_string();
        assert!(said.contains("has to be opened again"), "{said}");
        assert!(other.check().is_ok(), "nobody read what was not there");
    }

    #[test]
    fn a_header_whose_end_is_cut_off_while_it_is_read_is_not_said_to_be_wrong() {
        let fixture = "tests/golden/fixtures/mixtral/model.safetensors";
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture);
        let kept = tempfile::NamedTempFile::new().unwrap();
        std::fs::copy(fixture, kept.path()).unwrap();
        let path = kept.path().to_owned();
        let blob = Blob::Map(files::map(&path).unwrap());
        kept.as_file().set_len(100).unwrap();
        let why = Tensors::default().add(Shard { blob, path }).unwrap_err();
        let said = why.to_string();
        assert!(
            said.starts_with("the file became shorter while it was open"),
            "{said}"
        );
    }

    #[test]
    fn a_place_in_the_table_is_free_again_once_its_map_is_gone() {
        let bytes = [0; 64];
        assert!((0..2 * N_SLOTS).all(|_| Watch::over(&bytes).is_some()));
    }
}
