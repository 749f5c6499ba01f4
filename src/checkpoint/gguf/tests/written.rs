//! A GGUF file as a test writes it, right or wrong.

/// A value under a key.
pub(in crate::checkpoint) enum Value<'a> {
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(&'a str),
    Texts(&'a [&'a str]),
    I32s(&'a [i32]),
    F32s(&'a [f32]),
    Bytes(&'a [u8]),
    /// The number of a kind and the bytes behind it.
    Raw(u32, Vec<u8>),
}

/// A file in parts, each of which can be changed before it is put together.
#[derive(Clone)]
pub(in crate::checkpoint) struct Written {
    pub(in crate::checkpoint) version: u32,
    pub(in crate::checkpoint) n_keys: u64,
    pub(in crate::checkpoint) n_tensors: u64,
    pub(in crate::checkpoint) keys: Vec<u8>,
    pub(in crate::checkpoint) infos: Vec<u8>,
    pub(in crate::checkpoint) data: Vec<u8>,
    pub(in crate::checkpoint) alignment: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            version: 3,
            n_keys: 0,
            n_tensors: 0,
            keys: Vec::new(),
            infos: Vec::new(),
            data: Vec::new(),
            alignment: 32,
        }
    }
}

/// A text as it stands in a file.
pub(in crate::checkpoint) fn text(it: &str) -> Vec<u8> {
    let mut out = (it.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(it.as_bytes());
    out
}

fn list<T>(kind: u32, all: &[T], bytes: impl Fn(&T) -> Vec<u8>) -> (u32, Vec<u8>) {
    let mut out = kind.to_le_bytes().to_vec();
    out.extend((all.len() as u64).to_le_bytes());
    out.extend(all.iter().flat_map(bytes));
    (9, out)
}

impl Value<'_> {
    fn parts(self) -> (u32, Vec<u8>) {
        match self {
            Self::U8(it) => (0, vec![it]),
            Self::U16(it) => (2, it.to_le_bytes().to_vec()),
            Self::U32(it) => (4, it.to_le_bytes().to_vec()),
            Self::I32(it) => (5, it.to_le_bytes().to_vec()),
            Self::F32(it) => (6, it.to_le_bytes().to_vec()),
            Self::Bool(it) => (7, vec![u8::from(it)]),
            Self::Text(it) => (8, text(it)),
            Self::U64(it) => (10, it.to_le_bytes().to_vec()),
            Self::Texts(it) => list(8, it, |it| text(it)),
            Self::I32s(it) => list(5, it, |it| it.to_le_bytes().to_vec()),
            Self::F32s(it) => list(6, it, |it| it.to_le_bytes().to_vec()),
            Self::Bytes(it) => list(0, it, |it| vec![*it]),
            Self::Raw(kind, bytes) => (kind, bytes),
        }
    }
}

impl Written {
    /// A file of the architecture `llama` and nothing else.
    pub(in crate::checkpoint) fn model() -> Self {
        Self::default().key("general.architecture", Value::Text("llama"))
    }

    pub(in crate::checkpoint) fn key(mut self, key: &str, value: Value<'_>) -> Self {
        let (kind, bytes) = value.parts();
        self.keys.extend(text(key));
        self.keys.extend(kind.to_le_bytes());
        self.keys.extend(bytes);
        self.n_keys += 1;
        self
    }

    /// What is said of a tensor; its bytes are `data`'s.
    pub(in crate::checkpoint) fn info(
        mut self,
        name: &str,
        dims: &[u64],
        type_id: u32,
        offset: u64,
    ) -> Self {
        self.infos.extend(text(name));
        self.infos.extend((dims.len() as u32).to_le_bytes());
        self.infos
            .extend(dims.iter().flat_map(|it| it.to_le_bytes()));
        self.infos.extend(type_id.to_le_bytes());
        self.infos.extend(offset.to_le_bytes());
        self.n_tensors += 1;
        self
    }

    /// A tensor behind those there are.
    pub(in crate::checkpoint) fn tensor(
        self,
        name: &str,
        dims: &[u64],
        type_id: u32,
        bytes: &[u8],
    ) -> Self {
        let offset = self.data.len().next_multiple_of(self.alignment);
        let mut it = self.info(name, dims, type_id, offset as u64);
        it.data.resize(offset, 0);
        it.data.extend_from_slice(bytes);
        it
    }

    pub(in crate::checkpoint) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.n_tensors.to_le_bytes());
        out.extend(self.n_keys.to_le_bytes());
        out.extend(&self.keys);
        out.extend(&self.infos);
        if self.n_tensors > 0 {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
        }
        out.extend(&self.data);
        out
    }
}
