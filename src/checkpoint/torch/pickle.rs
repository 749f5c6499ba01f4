//! The instructions of a pickle, followed on a stack of values as far as `torch.save` writes them (protocol 2; their
//! meaning is that of `pickletools` in Python's library).
//!
//! A value is a few words and holds no other: tuples are parts of one list, dictionaries entries of another. Each
//! instruction makes one value at most, so what is held is bounded by the number of instructions.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
};

use super::{
    bytes::Bytes,
    names::Name,
    opcode::{self, Op},
    rebuild::Described,
    value::{Storage, Value},
};
use crate::checkpoint::config::shorten;

/// Twice what the largest checkpoints in one file take.
const MAX_BYTES: usize = 64 << 20;
const MAX_STEPS: usize = 4 << 20;
/// The longest line that names something.
const MAX_LINE: usize = 256;
const PROTOCOL: u64 = 2;

/// The tensors of a dictionary of them, by name, in the order of the file.
///
/// # Errors
/// One sentence on the first thing that torch does not write so.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Described<'_>)>, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!(
            "data.pkl has {} bytes, expected at most {MAX_BYTES}",
            bytes.len()
        ));
    }
    let mut machine = Machine {
        from: Bytes::new(bytes, 0),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        items: Vec::new(),
        n_dicts: 0,
        entries: Vec::new(),
        tensors: Vec::new(),
    };
    for _ in 0..MAX_STEPS {
        let at = machine.from.at();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(whole)) => return machine.named_tensors(whole),
            Err(why) => return Err(format!("data.pkl {why} (byte {at} of it)")),
        }
    }
    Err(format!(
        "data.pkl has more than {MAX_STEPS} instructions, expected fewer"
    ))
}

struct Machine<'a> {
    from: Bytes<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    /// What is in tuples.
    items: Vec<Value<'a>>,
    n_dicts: u32,
    /// Dictionary, key and value.
    entries: Vec<(u32, Value<'a>, Value<'a>)>,
    tensors: Vec<Described<'a>>,
}

impl<'a> Machine<'a> {
    /// Follows one instruction; returns the whole once it is there.
    fn step(&mut self) -> Result<Option<Value<'a>>, String> {
        let byte = self.from.number(1)? as u8;
        let op = Op::of(byte).ok_or_else(|| {
            format!(
                "has the instruction {}, which torch.save does not write, expected tensors and nothing else",
                opcode::name(byte)
            )
        })?;
        match op {
            Op::Protocol => self.check_protocol()?,
            Op::Stop => return self.pop().map(Some),
            Op::Mark => self.marks.push(self.stack.len()),
            Op::Put(n) => {
                let row = self.from.number(n)? as u32;
                let value = self.pop()?;
                self.stack.push(value);
                self.memo.insert(row, value);
            }
            Op::SetItem => {
                let (value, key) = (self.pop()?, self.pop()?);
                let dict = self.top_dict()?;
                self.entries.push((dict, key, value));
            }
            Op::SetItems => self.set_items()?,
            Op::Append => {
                self.pop()?;
                self.check_top_list()?;
            }
            Op::Appends => {
                self.pop_marked()?;
                self.check_top_list()?;
            }
            Op::Build => {
                // What is set on a dictionary beside its entries: the versions of modules.
                self.pop()?;
                self.top_dict()?;
            }
            op => {
                let value = self.made(op)?;
                self.stack.push(value);
            }
        }
        Ok(None)
    }

    /// The value that an instruction makes.
    fn made(&mut self, op: Op) -> Result<Value<'a>, String> {
        Ok(match op {
            Op::Constant(it) => Value::Other(it),
            Op::Float => {
                self.from.take(8)?;
                Value::Other("a fraction")
            }
            Op::Int(n) => Value::Number(self.from.number(n)? as i64),
            Op::SignedInt => Value::Number(i64::from(self.from.number(4)? as u32 as i32)),
            Op::LongInt => self.long_int()?,
            Op::Text => {
                let n = self.from.number(4)?;
                let text = std::str::from_utf8(self.from.take(n)?);
                Value::Text(text.map_err(|_| "has a text that is not UTF-8".to_owned())?)
            }
            Op::Name => self.name()?,
            Op::Get(n) => {
                let row = self.from.number(n)? as u32;
                let value = self.memo.get(&row).copied();
                value.ok_or_else(|| format!("asks for value {row}, which it has not put away"))?
            }
            Op::EmptyDict => self.new_dict(),
            Op::EmptyList => Value::List,
            Op::Tuple(n) => {
                let start = self.room_below(n)?;
                self.tuple(start..self.stack.len())
            }
            Op::MarkedTuple => {
                let range = self.pop_mark()?;
                self.tuple(range)
            }
            Op::PersistentId => {
                let id = self.pop()?;
                Value::Storage(Storage::of(self.tuple_items(id).unwrap_or_default())?)
            }
            Op::Reduce => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.reduced(function, arguments)?
            }
            op => unreachable!("{op:?} makes no value"),
        })
    }

    fn check_protocol(&mut self) -> Result<(), String> {
        match self.from.number(1)? {
            PROTOCOL => Ok(()),
            it => Err(format!(
                "is a pickle of protocol {it}, expected {PROTOCOL}, as torch.save writes where it is asked for no other"
            )),
        }
    }

    /// A whole number of any length, lowest byte first, the highest bit its sign.
    fn long_int(&mut self) -> Result<Value<'a>, String> {
        let n = self.from.number(1)?;
        if n > 8 {
            return Err(format!("has a number of {n} bytes, expected at most 8"));
        }
        let unused_bits = 64 - 8 * n as u32;
        let bits = self.from.number(n)?;
        let shifted = bits.checked_shl(unused_bits).unwrap_or(0) as i64;
        Ok(Value::Number(shifted.checked_shr(unused_bits).unwrap_or(0)))
    }

    fn name(&mut self) -> Result<Value<'a>, String> {
        let (module, name) = (self.from.line(MAX_LINE)?, self.from.line(MAX_LINE)?);
        let known = Name::of(module, name).ok_or_else(|| {
            format!(
                "names {}.{}, which is no part of a tensor of a known kind, expected tensors and nothing else",
                shorten(module),
                shorten(name)
            )
        })?;
        Ok(Value::Name(known))
    }

    fn new_dict(&mut self) -> Value<'a> {
        self.n_dicts += 1;
        Value::Dict(self.n_dicts - 1)
    }

    /// What a call of something named gives. Nothing is called.
    fn reduced(&mut self, function: Value<'a>, given: Value<'a>) -> Result<Value<'a>, String> {
        let no_arguments = || "calls a function with arguments that torch does not write";
        let arguments = self.tuple_items(given).ok_or_else(no_arguments)?;
        let (function, arguments) = match (function, arguments) {
            (Value::Name(Name::RebuildFromType), [of, Value::Name(Name::TensorType), it, _]) => {
                (*of, self.tuple_items(*it).ok_or_else(no_arguments)?)
            }
            other => other,
        };
        match (function, arguments) {
            (Value::Name(Name::OrderedDict), []) => Ok(self.new_dict()),
            (Value::Name(Name::RebuildParameter), [Value::Tensor(it), ..]) => {
                Ok(Value::Tensor(*it))
            }
            (Value::Name(Name::RebuildTensor), arguments) => {
                let tensor = Described::of(arguments, |it| self.tuple_items(it))?;
                self.tensors.push(tensor);
                Ok(Value::Tensor(self.tensors.len() as u32 - 1))
            }
            _ => Err(no_arguments().to_owned()),
        }
    }

    fn tuple(&mut self, range: Range<usize>) -> Value<'a> {
        let start = self.items.len();
        self.items.extend(self.stack.drain(range));
        Value::Tuple(start, self.items.len())
    }

    fn tuple_items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Tuple(start, end) => self.items.get(start..end),
            _ => None,
        }
    }

    /// Where `n` values begin that lie above the last mark.
    fn room_below(&self, n: usize) -> Result<usize, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(n);
        let start = start.filter(|it| *it >= floor);
        start.ok_or_else(|| "takes a value where there is none".to_owned())
    }

    fn pop(&mut self) -> Result<Value<'a>, String> {
        self.room_below(1)?;
        let value = self.stack.pop();
        value.ok_or_else(|| "takes a value where there is none".to_owned())
    }

    /// What lies above the last mark, which is taken away.
    fn pop_mark(&mut self) -> Result<Range<usize>, String> {
        let start = self.marks.pop();
        let start = start.ok_or_else(|| "takes a mark where there is none".to_owned())?;
        Ok(start..self.stack.len())
    }

    fn pop_marked(&mut self) -> Result<Vec<Value<'a>>, String> {
        let range = self.pop_mark()?;
        Ok(self.stack.drain(range).collect())
    }

    fn set_items(&mut self) -> Result<(), String> {
        let values = self.pop_marked()?;
        let dict = self.top_dict()?;
        let (pairs, rest) = values.as_chunks();
        if !rest.is_empty() {
            return Err("puts a key without a value into a dictionary".to_owned());
        }
        let entries = pairs.iter().map(|[key, value]| (dict, *key, *value));
        self.entries.extend(entries);
        Ok(())
    }

    fn top_dict(&self) -> Result<u32, String> {
        let top = self.room_below(1)?;
        match self.stack[top] {
            Value::Dict(it) => Ok(it),
            other => Err(format!(
                "puts something into {}, expected a dictionary",
                other.words()
            )),
        }
    }

    fn check_top_list(&self) -> Result<(), String> {
        let top = self.room_below(1)?;
        match self.stack[top] {
            Value::List => Ok(()),
            other => Err(format!(
                "puts something into {}, expected a list",
                other.words()
            )),
        }
    }

    /// The tensors of the whole, which is a dictionary of them.
    fn named_tensors(self, whole: Value<'a>) -> Result<Vec<(String, Described<'a>)>, String> {
        let Value::Dict(whole) = whole else {
            return Err(format!(
                "data.pkl is {}, expected a dictionary of tensors",
                whole.words()
            ));
        };
        let mut seen = BTreeSet::new();
        let mut out = Vec::new();
        for (_, key, value) in self.entries.into_iter().filter(|it| it.0 == whole) {
            let Value::Text(name) = key else {
                return Err(format!(
                    "data.pkl has {} as the name of a tensor, expected a text",
                    key.words()
                ));
            };
            let Value::Tensor(row) = value else {
                return Err(format!(
                    "{} in data.pkl is {}, expected a tensor, as in a file of weights and nothing else",
                    shorten(name),
                    value.words()
                ));
            };
            if !seen.insert(name) {
                return Err(format!(
                    "tensor {} stands in data.pkl twice, expected once",
                    shorten(name)
                ));
            }
            out.push((name.to_owned(), self.tensors[row as usize].clone()));
        }
        Ok(out)
    }
}
