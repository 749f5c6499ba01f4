//! GGUF files as tests make them: of tensors in f32, or of another file's under other names and with other keys.

use std::{collections::BTreeMap, fs, path::Path};

const ALIGNMENT: usize = 32;
const F32: u32 = 0;
const U32: u32 = 4;
const FLOAT: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const LIST: u32 = 9;

/// A tensor: its sizes, the last dimension first, its type, its numbers.
#[derive(Clone)]
pub struct Stored {
    pub sizes: Vec<u64>,
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// A file before it is written.
#[derive(Clone, Default)]
pub struct GgufFile {
    /// Each value behind its type, as bytes.
    keys: BTreeMap<String, (u32, Vec<u8>)>,
    pub tensors: BTreeMap<String, Stored>,
}

/// A value of a key.
pub enum Of<'a> {
    Number(usize),
    Float(f64),
    Text(&'a str),
    Flag(bool),
    Numbers(&'a [usize]),
    Floats(&'a [f32]),
    Flags(&'a [bool]),
}

impl GgufFile {
    pub fn set(&mut self, key: &str, value: &Of<'_>) -> &mut Self {
        let number = |it: usize| u32::try_from(it).unwrap().to_le_bytes();
        let list = |kind: u32, n: usize, all: Vec<u8>| {
            let head = [
                kind.to_le_bytes().to_vec(),
                (n as u64).to_le_bytes().to_vec(),
            ];
            (LIST, [head.concat(), all].concat())
        };
        let value = match value {
            Of::Number(it) => (U32, number(*it).to_vec()),
            Of::Float(it) => (FLOAT, (*it as f32).to_le_bytes().to_vec()),
            Of::Text(it) => (TEXT, text(it)),
            Of::Flag(it) => (BOOL, vec![u8::from(*it)]),
            Of::Numbers(all) => {
                let bytes = all.iter().flat_map(|it| number(*it));
                list(U32, all.len(), bytes.collect())
            }
            Of::Floats(all) => {
                let bytes = all.iter().flat_map(|it| it.to_le_bytes());
                list(FLOAT, all.len(), bytes.collect())
            }
            Of::Flags(all) => {
                let bytes = all.iter().map(|it| u8::from(*it));
                list(BOOL, all.len(), bytes.collect())
            }
        };
        self.keys.insert(key.to_owned(), value);
        self
    }

    pub fn add(&mut self, name: &str, shape: &[usize], numbers: &[f32]) {
        assert_eq!(shape.iter().product::<usize>(), numbers.len(), "{name}");
        let stored = Stored {
            sizes: shape.iter().rev().map(|it| *it as u64).collect(),
            kind: F32,
            bytes: numbers.iter().flat_map(|it| it.to_le_bytes()).collect(),
        };
        self.tensors.insert(name.to_owned(), stored);
    }

    /// The same under another architecture.
    pub fn of_arch(mut self, from: &str, to: &str) -> Self {
        let start = format!("{from}.");
        let keys = std::mem::take(&mut self.keys).into_iter();
        let renamed = |key: String| match key.strip_prefix(&start) {
            Some(rest) => format!("{to}.{rest}"),
            None => key,
        };
        self.keys = keys.map(|(key, value)| (renamed(key), value)).collect();
        self.set("general.architecture", &Of::Text(to));
        self
    }

    /// The same with another word in the names of tensors.
    pub fn with_names(mut self, from: &str, to: &str) -> Self {
        let tensors = std::mem::take(&mut self.tensors).into_iter();
        self.tensors = tensors
            .map(|(name, it)| (name.replace(from, to), it))
            .collect();
        self
    }

    pub fn write(&self, path: &Path) {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, (kind, value)) in &self.keys {
            out.extend(text(key));
            out.extend(kind.to_le_bytes());
            out.extend(value);
        }
        let mut at = 0_u64;
        for (name, it) in &self.tensors {
            out.extend(text(name));
            out.extend((it.sizes.len() as u32).to_le_bytes());
            it.sizes.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(it.kind.to_le_bytes());
            out.extend(at.to_le_bytes());
            at += it.bytes.len().next_multiple_of(ALIGNMENT) as u64;
        }
        let padded = |out: &mut Vec<u8>| out.resize(out.len().next_multiple_of(ALIGNMENT), 0);
        padded(&mut out);
        for it in self.tensors.values() {
            out.extend(&it.bytes);
            padded(&mut out);
        }
        fs::write(path, out).unwrap();
    }

    /// What a file holds, which lies as llama.cpp writes it.
    pub fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut it = Reader {
            bytes: &bytes,
            at: 8,
        };
        let (n_tensors, n_keys) = (it.long(), it.long());
        let mut file = Self::default();
        for _ in 0..n_keys {
            let key = it.text();
            let kind = it.word();
            let start = it.at;
            it.skip(kind);
            file.keys.insert(key, (kind, bytes[start..it.at].to_vec()));
        }
        let mut places = Vec::new();
        for _ in 0..n_tensors {
            let name = it.text();
            let sizes = (0..it.word()).map(|_| it.long()).collect::<Vec<u64>>();
            places.push((name, sizes, it.word(), it.long() as usize));
        }
        let data = it.at.next_multiple_of(ALIGNMENT);
        let ends = places.iter().skip(1).map(|it| it.3);
        let ends: Vec<usize> = ends.chain([bytes.len() - data]).collect();
        for ((name, sizes, kind, start), end) in places.into_iter().zip(ends) {
            let bytes = bytes[data + start..data + end].to_vec();
            file.tensors.insert(name, Stored { sizes, kind, bytes });
        }
        file
    }
}

fn text(it: &str) -> Vec<u8> {
    let n = (it.len() as u64).to_le_bytes();
    [n.to_vec(), it.as_bytes().to_vec()].concat()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn word(&mut self) -> u32 {
        self.at += 4;
        u32::from_le_bytes(self.bytes[self.at - 4..self.at].try_into().unwrap())
    }

    fn long(&mut self) -> u64 {
        self.at += 8;
        u64::from_le_bytes(self.bytes[self.at - 8..self.at].try_into().unwrap())
    }

    fn text(&mut self) -> String {
        let n = self.long() as usize;
        self.at += n;
        String::from_utf8(self.bytes[self.at - n..self.at].to_vec()).unwrap()
    }

    fn skip(&mut self, kind: u32) {
        match kind {
            0 | 1 | BOOL => self.at += 1,
            2 | 3 => self.at += 2,
            U32 | 5 | FLOAT => self.at += 4,
            10..=12 => self.at += 8,
            TEXT => drop(self.text()),
            LIST => {
                let kind = self.word();
                (0..self.long()).for_each(|_| self.skip(kind));
            }
            other => panic!("a value of type {other}"),
        }
    }
}
