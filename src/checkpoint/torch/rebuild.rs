//! A tensor as a pickle describes it: which numbers of which storage.

use std::ops::Range;

use super::{
    names::Name,
    value::{Storage, Value},
};

/// More than any tensor of a model has.
const MAX_DIMS: usize = 8;
/// Keys are whole numbers.
const MAX_KEY_BYTES: usize = 64;

/// A tensor.
#[derive(Clone, Debug)]
pub(super) struct Described<'a> {
    pub(super) storage: Storage<'a>,
    /// The first of its numbers.
    offset: u64,
    pub(super) shape: Vec<usize>,
    strides: Vec<u64>,
}

impl<'a> Storage<'a> {
    /// By what torch calls a persistent id: `("storage", type, key, device, numbers)`.
    pub(super) fn of(id: &[Value<'a>]) -> Result<Self, String> {
        let [
            Value::Text("storage"),
            Value::Name(Name::Storage(number)),
            Value::Text(key),
            _,
            Value::Number(n),
        ] = id
        else {
            return Err("refers to something that is no storage of numbers".to_owned());
        };
        if key.len() > MAX_KEY_BYTES {
            return Err(format!(
                "refers to a storage by a name of {} bytes, expected at most {MAX_KEY_BYTES}",
                key.len()
            ));
        }
        let n_numbers = u64::try_from(*n);
        Ok(Self {
            number,
            key,
            n_numbers: n_numbers.map_err(|_| format!("refers to a storage of {n} numbers"))?,
        })
    }
}

impl<'a> Described<'a> {
    /// By the arguments of `_rebuild_tensor_v2`: storage, offset, shape, strides, and what matters in training.
    /// `tuple` gives what is in a tuple.
    pub(super) fn of<'b>(
        arguments: &[Value<'a>],
        tuple: impl Fn(Value<'a>) -> Option<&'b [Value<'a>]>,
    ) -> Result<Self, String>
    where
        'a: 'b,
    {
        let no_tensor = || "rebuilds a tensor of other arguments than torch writes".to_owned();
        let [
            Value::Storage(storage),
            Value::Number(offset),
            shape,
            strides,
            ..,
        ] = arguments
        else {
            return Err(no_tensor());
        };
        let sizes = |it: Value<'a>| -> Option<Vec<u64>> {
            let values = tuple(it).filter(|it| it.len() <= MAX_DIMS)?;
            let size = |it: &Value<'a>| match it {
                Value::Number(it) => u64::try_from(*it).ok(),
                _ => None,
            };
            values.iter().map(size).collect()
        };
        let shape = sizes(*shape).ok_or_else(no_tensor)?;
        let strides = sizes(*strides).ok_or_else(no_tensor)?;
        let is_whole = shape.len() == strides.len();
        let offset = u64::try_from(*offset).ok().filter(|_| is_whole);
        Ok(Self {
            storage: *storage,
            offset: offset.ok_or_else(no_tensor)?,
            shape: shape.into_iter().map(|it| it as usize).collect(),
            strides,
        })
    }

    /// Its numbers in the storage.
    ///
    /// # Errors
    /// The end of a sentence whose subject is the tensor: they do not lie one after the other, or not in the storage.
    pub(super) fn range(&self) -> Result<Range<u64>, String> {
        let (shape, n) = (&self.shape, self.storage.n_numbers);
        let size = |sum: u64, it: &usize| sum.checked_mul(*it as u64);
        let size = shape.iter().try_fold(1, size);
        let end = size.and_then(|it| self.offset.checked_add(it));
        let Some(end) = end.filter(|it| *it <= n) else {
            return Err(format!(
                "has shape {shape:?} from number {} of its storage on, but that has only {n}",
                self.offset
            ));
        };
        if size != Some(0) && !self.is_row_major() {
            return Err(format!(
                "has shape {shape:?} and strides {:?}: its numbers do not lie row after row, as after .contiguous(), which is expected",
                self.strides
            ));
        }
        Ok(self.offset..end)
    }

    /// Whether each dimension steps over all that the later ones hold; where there is one index alone, no step is made.
    fn is_row_major(&self) -> bool {
        let mut step = 1_u64;
        let dims = self.shape.iter().zip(&self.strides).rev();
        for (n, stride) in dims.filter(|it| *it.0 != 1) {
            if *stride != step {
                return false;
            }
            // No larger than the number of all, which fits.
            step = step.saturating_mul(*n as u64);
        }
        true
    }
}
