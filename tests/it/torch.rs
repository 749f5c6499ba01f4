//! Checkpoints as `torch.save` writes them: a zip archive of a pickle and a file for each storage. Written here by the
//! format's own documents, beside the reader of the program; what torch itself wrote is in `tests/golden/torch`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::json;
use tempfile::TempDir;

use crate::tiny::{Tensor, Tiny};

pub const FILE: &str = "pytorch_model.bin";
pub const INDEX: &str = "pytorch_model.bin.index.json";

/// A pickle of protocol 2, instruction by instruction.
#[derive(Clone)]
pub struct Pickle {
    pub bytes: Vec<u8>,
    n_put: u32,
    /// Names, and where they were put.
    names: BTreeMap<String, u32>,
}

impl Pickle {
    pub fn new() -> Self {
        Self {
            bytes: b"\x80\x02".to_vec(),
            n_put: 0,
            names: BTreeMap::new(),
        }
    }

    pub fn op(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    /// Puts the last value away, as torch does with each.
    pub fn put(&mut self) -> u32 {
        let row = self.n_put;
        match u8::try_from(row) {
            Ok(it) => self.op(&[b'q', it]),
            Err(_) => self.op(b"r").op(&row.to_le_bytes()),
        };
        self.n_put += 1;
        row
    }

    pub fn get(&mut self, row: u32) -> &mut Self {
        match u8::try_from(row) {
            Ok(it) => self.op(&[b'h', it]),
            Err(_) => self.op(b"j").op(&row.to_le_bytes()),
        }
    }

    /// What a module has under a name: by its name once, then from where it was put.
    pub fn name(&mut self, module: &str, name: &str) -> &mut Self {
        let line = format!("c{module}\n{name}\n");
        if let Some(row) = self.names.get(&line).copied() {
            return self.get(row);
        }
        self.op(line.as_bytes());
        let row = self.put();
        self.names.insert(line, row);
        self
    }

    pub fn text(&mut self, text: &str) -> &mut Self {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes());
        self.op(text.as_bytes()).put();
        self
    }

    pub fn number(&mut self, it: u64) -> &mut Self {
        match it {
            0..256 => self.op(&[b'K', it as u8]),
            256..65_536 => self.op(b"M").op(&(it as u16).to_le_bytes()),
            65_536..0x8000_0000 => self.op(b"J").op(&(it as u32).to_le_bytes()),
            _ => self.op(b"\x8A\x08").op(&it.to_le_bytes()),
        }
    }

    pub fn sizes(&mut self, sizes: &[usize]) -> &mut Self {
        if sizes.len() > 3 {
            self.op(b"(");
        }
        for it in sizes {
            self.number(*it as u64);
        }
        match sizes.len() {
            n @ 0..=3 => self.op(&[[b')', 0x85, 0x86, 0x87][n]]),
            _ => self.op(b"t"),
        };
        self.put();
        self
    }

    /// `_rebuild_tensor_v2` of part of a storage.
    pub fn tensor(&mut self, it: &Part<'_>) -> &mut Self {
        self.name("torch._utils", "_rebuild_tensor_v2").op(b"((");
        self.text("storage").name("torch", it.storage);
        self.text(it.key).text("cpu").number(it.n_numbers as u64);
        self.op(b"t").put();
        self.op(b"Q").number(it.offset as u64);
        self.sizes(it.shape).sizes(it.strides).op(b"\x89");
        self.name("collections", "OrderedDict").op(b")R").put();
        self.op(b"t").put();
        self.op(b"R").put();
        self
    }

    /// An empty `OrderedDict`, and the mark behind which its entries come.
    pub fn dict(&mut self) -> &mut Self {
        self.name("collections", "OrderedDict").op(b")R").put();
        self.op(b"(")
    }

    /// Puts the entries into the dictionary; versions of modules beside them, as `state_dict()` has.
    pub fn end(&mut self) -> Vec<u8> {
        self.op(b"u}").text("_metadata").op(b"}").text("");
        self.op(b"}").text("version").number(1).op(b"sssb.");
        self.bytes.clone()
    }
}

/// Numbers of a storage.
pub struct Part<'a> {
    pub storage: &'a str,
    pub key: &'a str,
    pub n_numbers: usize,
    pub offset: usize,
    pub shape: &'a [usize],
    pub strides: &'a [usize],
}

/// Of numbers that lie row after row.
pub fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides: Vec<usize> = Vec::new();
    let mut step = 1;
    for n in shape.iter().rev() {
        strides.insert(0, step);
        step *= n;
    }
    strides
}

/// torch's storage, and bytes of a number, of a kind that safetensors calls so.
fn storage(dtype: &str) -> (&'static str, usize) {
    match dtype {
        "F32" => ("FloatStorage", 4),
        "F16" => ("HalfStorage", 2),
        "BF16" => ("BFloat16Storage", 2),
        "I64" => ("LongStorage", 8),
        other => panic!("{other}"),
    }
}

/// A file of tensors, each in a storage of its own.
pub fn file<'a>(tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>) -> Vec<u8> {
    let mut pickle = Pickle::new();
    pickle.dict();
    let mut files = vec![("data.pkl".to_owned(), Vec::new())];
    for (row, (name, tensor)) in tensors.into_iter().enumerate() {
        let (storage, n_bytes) = storage(tensor.dtype);
        pickle.text(name).tensor(&Part {
            storage,
            key: &row.to_string(),
            n_numbers: tensor.bytes.len() / n_bytes,
            offset: 0,
            shape: &tensor.shape,
            strides: &row_major(&tensor.shape),
        });
        files.push((format!("data/{row}"), tensor.bytes.clone()));
    }
    files[0].1 = pickle.end();
    files.push(("byteorder".to_owned(), b"little".to_vec()));
    files.push(("version".to_owned(), b"3\n".to_vec()));
    archive(&files)
}

/// A zip archive of files as they are, in a folder; their bytes begin at multiples of 64, their sizes stand behind them
/// and in the directory.
pub fn archive(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let name = format!("pytorch_model/{name}");
        let start = out.len();
        let n_pad = 64 - (start + 30 + name.len() + 4) % 64;
        let same = [0, 0, 8, 8, 0, 0, 0, 0, 0, 0];
        out.extend(b"PK\x03\x04");
        out.extend(same);
        out.extend([0; 12]);
        out.extend((name.len() as u16).to_le_bytes());
        out.extend((n_pad as u16 + 4).to_le_bytes());
        out.extend(name.as_bytes());
        out.extend(b"FB");
        out.extend((n_pad as u16).to_le_bytes());
        out.resize(out.len() + n_pad, b'Z');
        out.extend(bytes);
        let n = bytes.len() as u32;
        let sizes = [crc32(bytes), n, n].map(u32::to_le_bytes).concat();
        out.extend(b"PK\x07\x08");
        out.extend(&sizes);
        directory.extend(b"PK\x01\x02\0\0");
        directory.extend(same);
        directory.extend(&sizes);
        directory.extend((name.len() as u16).to_le_bytes());
        directory.extend([0; 12]);
        directory.extend((start as u32).to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (n, n_bytes, start) = (files.len() as u64, directory.len() as u64, out.len() as u64);
    out.extend(&directory);
    let wide_end = out.len() as u64;
    out.extend(b"PK\x06\x06\x2C\0\0\0\0\0\0\0\x1E\x03\x2D\0\0\0\0\0\0\0\0\0");
    out.extend([n, n, n_bytes, start].map(u64::to_le_bytes).concat());
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(wide_end.to_le_bytes());
    out.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0");
    out.extend([n as u16, n as u16].map(u16::to_le_bytes).concat());
    let last = [n_bytes as u32, start as u32];
    out.extend(last.map(u32::to_le_bytes).concat());
    out.extend([0; 2]);
    out
}

/// The sum that zip archives keep of each file (CRC-32 of ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|it| {
        (0..8).fold(it as u32, |sum, _| sum >> 1 ^ (0xEDB8_8320 * (sum & 1)))
    });
    !bytes.iter().fold(!0, |sum: u32, it| {
        sum >> 8 ^ table[(sum as u8 ^ it) as usize]
    })
}

/// A tiny model with its weights in one pickled file.
pub fn save(tiny: &Tiny) -> TempDir {
    save_file(tiny, &file(&tiny.tensors))
}

/// The settings of a tiny model beside a file of these bytes.
pub fn save_file(tiny: &Tiny, bytes: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), tiny.config.to_string()).unwrap();
    fs::write(folder.path().join(FILE), bytes).unwrap();
    folder
}

/// A tiny model with its weights in `n` pickled files.
pub fn save_sharded(tiny: &Tiny, n: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), tiny.config.to_string()).unwrap();
    let shard_of = |row: usize| format!("pytorch_model-{:05}-of-{n:05}.bin", row % n + 1);
    let rows = || tiny.tensors.iter().enumerate();
    for shard in 0..n {
        let some = rows().filter(|it| it.0 % n == shard).map(|it| it.1);
        fs::write(folder.path().join(shard_of(shard)), file(some)).unwrap();
    }
    let map: BTreeMap<&String, String> = rows().map(|it| (it.1.0, shard_of(it.0))).collect();
    save_index(folder.path(), &json!({ "metadata": {}, "weight_map": map }));
    folder
}

/// Writes an index.
pub fn save_index(folder: &Path, index: &serde_json::Value) {
    fs::write(folder.join(INDEX), index.to_string()).unwrap();
}
