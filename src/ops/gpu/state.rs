//! The state of one sequence at one layer whose mixer folds positions, on the device, with the copies it can be cut at.
//! Forks share buffers until one of them goes on.

use std::sync::Arc;

use super::{device::Gpu, memory::Slice};
use crate::ops::DeviceError;
use crate::spec::{RecurrentSpec, is_kept};

/// The state of one sequence at one layer.
#[derive(Debug)]
pub struct GpuState {
    /// Window of the convolution, then what is folded: `[heads, fold_dim, head_dim]`. None before the first position.
    now: Option<Arc<Slice>>,
    len: usize,
    n_bytes: u64,
    /// By position, ascending.
    kept: Vec<(usize, Arc<Slice>)>,
}

impl GpuState {
    /// That of a sequence without positions; it takes memory when it is written.
    pub(super) fn new(spec: &RecurrentSpec) -> Self {
        Self {
            now: None,
            len: 0,
            n_bytes: 4 * spec.state_len().max(1) as u64,
            kept: Vec::new(),
        }
    }

    /// Positions held.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The buffer, to be written; what it holds is of no meaning before the first position.
    ///
    /// # Errors
    /// The device has no memory for it.
    pub(super) fn to_write(&mut self, gpu: &Gpu) -> Result<Slice, DeviceError> {
        let is_own = |it: &&Arc<Slice>| Arc::strong_count(it) == 1;
        if let Some(it) = self.now.as_ref().filter(is_own) {
            return Ok(it.as_ref().clone());
        }
        gpu.check_binding("the state of a layer", self.n_bytes)?;
        let room = Slice::whole(gpu.cache_room(self.n_bytes)?);
        if let Some(shared) = self.now.as_ref().filter(|_| self.len > 0) {
            gpu.copy(shared, &room.held, room.start, self.n_bytes);
        }
        self.now = Some(Arc::new(room.clone()));
        Ok(room)
    }

    /// `n` more positions were folded in: a copy is kept where one is due.
    pub(super) fn grow(&mut self, n: usize) {
        self.len += n;
        let len = self.len;
        self.kept.retain(|it| is_kept(it.0, len));
        if let Some(now) = self.now.as_ref().filter(|_| is_kept(len, len)) {
            self.kept.push((len, Arc::clone(now)));
        }
    }

    /// The most positions, up to `len`, that it can be cut to.
    pub(super) fn cut(&self, len: usize) -> usize {
        if len >= self.len {
            return self.len;
        }
        let kept = self.kept.iter().map(|it| it.0);
        kept.take_while(|it| *it <= len).last().unwrap_or(0)
    }

    /// Forgets all but the first `len` positions, or as many before that as it can be cut to.
    pub(super) fn truncate(&mut self, len: usize) {
        let len = self.cut(len);
        if len == self.len {
            return;
        }
        self.kept.retain(|it| it.0 <= len);
        let last = self.kept.last().filter(|it| it.0 == len);
        self.now = last.map(|it| Arc::clone(&it.1));
        self.len = len;
    }

    /// One that holds the first `len` positions, or as many before that as it can be cut to, and shares their buffers.
    pub(super) fn fork(&self, len: usize) -> Self {
        let mut out = Self {
            now: self.now.clone(),
            kept: self.kept.clone(),
            ..*self
        };
        out.truncate(len);
        out
    }

    /// Which buffers it holds, and their bytes.
    pub(super) fn pieces(&self) -> Vec<(u64, u64)> {
        let all = self.kept.iter().map(|it| &it.1).chain(&self.now);
        let mut out: Vec<(u64, u64)> = all.map(|it| (it.held.id, it.held.n_bytes)).collect();
        out.dedup();
        out
    }
}
