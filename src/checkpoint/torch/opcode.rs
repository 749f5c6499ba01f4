//! The instructions of pickles: those that are followed, and what the others are called.

/// An instruction that `torch.save` writes; where a number of bytes is given, its argument has as many.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    Protocol,
    Stop,
    Mark,
    Put(u64),
    Get(u64),
    /// None or a truth value, and what a sentence calls it.
    Constant(&'static str),
    Float,
    Int(u64),
    SignedInt,
    LongInt,
    Text,
    Name,
    EmptyDict,
    EmptyList,
    SetItem,
    SetItems,
    Append,
    Appends,
    Tuple(usize),
    MarkedTuple,
    PersistentId,
    Reduce,
    Build,
}

impl Op {
    pub(super) fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x80 => Self::Protocol,
            b'.' => Self::Stop,
            b'(' => Self::Mark,
            b'q' => Self::Put(1),
            b'r' => Self::Put(4),
            b'h' => Self::Get(1),
            b'j' => Self::Get(4),
            b'N' => Self::Constant("None"),
            0x88 | 0x89 => Self::Constant("a truth value"),
            b'G' => Self::Float,
            b'K' => Self::Int(1),
            b'M' => Self::Int(2),
            b'J' => Self::SignedInt,
            0x8A => Self::LongInt,
            b'X' => Self::Text,
            b'c' => Self::Name,
            b'}' => Self::EmptyDict,
            b']' => Self::EmptyList,
            b's' => Self::SetItem,
            b'u' => Self::SetItems,
            b'a' => Self::Append,
            b'e' => Self::Appends,
            b')' => Self::Tuple(0),
            0x85 => Self::Tuple(1),
            0x86 => Self::Tuple(2),
            0x87 => Self::Tuple(3),
            b't' => Self::MarkedTuple,
            b'Q' => Self::PersistentId,
            b'R' => Self::Reduce,
            b'b' => Self::Build,
            _ => return None,
        })
    }
}

/// Instructions that are not followed, as Python's `pickletools` calls them.
const OTHERS: &[(u8, &str)] = &[
    (b'0', "POP"),
    (b'1', "POP_MARK"),
    (b'2', "DUP"),
    (b'B', "BINBYTES"),
    (b'C', "SHORT_BINBYTES"),
    (b'F', "FLOAT"),
    (b'I', "INT"),
    (b'L', "LONG"),
    (b'P', "PERSID"),
    (b'S', "STRING"),
    (b'T', "BINSTRING"),
    (b'U', "SHORT_BINSTRING"),
    (b'V', "UNICODE"),
    (b'd', "DICT"),
    (b'g', "GET"),
    (b'i', "INST"),
    (b'l', "LIST"),
    (b'o', "OBJ"),
    (b'p', "PUT"),
    (0x81, "NEWOBJ"),
    (0x82, "EXT1"),
    (0x83, "EXT2"),
    (0x84, "EXT4"),
    (0x8B, "LONG4"),
    (0x8C, "SHORT_BINUNICODE"),
    (0x8D, "BINUNICODE8"),
    (0x8E, "BINBYTES8"),
    (0x8F, "EMPTY_SET"),
    (0x90, "ADDITEMS"),
    (0x91, "FROZENSET"),
    (0x92, "NEWOBJ_EX"),
    (0x93, "STACK_GLOBAL"),
    (0x94, "MEMOIZE"),
    (0x95, "FRAME"),
    (0x96, "BYTEARRAY8"),
    (0x97, "NEXT_BUFFER"),
    (0x98, "READONLY_BUFFER"),
];

/// What an instruction is called that is not followed.
pub(super) fn name(byte: u8) -> String {
    let known = OTHERS.iter().find(|it| it.0 == byte);
    known.map_or_else(|| format!("{byte:#04x}"), |it| it.1.to_owned())
}
