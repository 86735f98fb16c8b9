//! Reading a GGUF file: its metadata, and its tensors one at a time.
//!
//! Not a general GGUF library: it reads little-endian versions 2 and 3 and never writes. Every length in the file is checked
//! against the file's own size before anything is allocated. Source: the GGUF specification in the ggml repository
//! (`docs/gguf.md`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::ModelError;

/// An open GGUF file: everything but the tensors' bytes, which are read on demand.
#[derive(Debug)]
pub(crate) struct Gguf {
    path: PathBuf,
    file: BufReader<File>,
    size_bytes: u64,
    values: BTreeMap<String, Value>,
    tensors: BTreeMap<String, Tensor>,
    data_start: u64,
}

/// Where a tensor lies and how it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    /// Sizes, the contiguous dimension first.
    pub(crate) sizes: Vec<u64>,
    /// ggml's number of the storage format.
    pub(crate) format: u32,
    offset: u64,
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Text(Vec<u8>),
    Array(Vec<Value>),
}

impl Gguf {
    /// Opens `path` and reads header, metadata and tensor directory.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let read = |source| ModelError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let size_bytes = file.metadata().map_err(read)?.len();
        let mut gguf = Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 20, file),
            size_bytes,
            values: BTreeMap::new(),
            tensors: BTreeMap::new(),
            data_start: 0,
        };
        gguf.read_directory()?;
        Ok(gguf)
    }

    /// The unsigned integer under `key`.
    pub(crate) fn number(&self, key: &str) -> Result<u32, ModelError> {
        match self.values.get(key) {
            Some(Value::Unsigned(number)) => u32::try_from(*number).ok(),
            Some(Value::Signed(number)) => u32::try_from(*number).ok(),
            _ => None,
        }
        .ok_or_else(|| self.lacks(key))
    }

    /// The float under `key`.
    pub(crate) fn float(&self, key: &str) -> Result<f32, ModelError> {
        match self.values.get(key) {
            Some(Value::Float(number)) => Ok(*number as f32),
            _ => Err(self.lacks(key)),
        }
    }

    /// The text under `key`.
    pub(crate) fn text(&self, key: &str) -> Result<&str, ModelError> {
        match self.values.get(key) {
            Some(Value::Text(bytes)) => std::str::from_utf8(bytes).map_err(|_| self.lacks(key)),
            _ => Err(self.lacks(key)),
        }
    }

    /// The list of byte strings under `key`.
    pub(crate) fn texts(&self, key: &str) -> Result<Vec<&[u8]>, ModelError> {
        let text = |value: &'_ Value| matches!(value, Value::Text(_));
        match self.values.get(key) {
            Some(Value::Array(items)) if items.iter().all(text) => Ok(items
                .iter()
                .filter_map(|item| match item {
                    Value::Text(bytes) => Some(bytes.as_slice()),
                    _ => None,
                })
                .collect()),
            _ => Err(self.lacks(key)),
        }
    }

    /// The list of small integers under `key`.
    pub(crate) fn numbers(&self, key: &str) -> Result<Vec<i64>, ModelError> {
        let Some(Value::Array(items)) = self.values.get(key) else { return Err(self.lacks(key)) };
        items
            .iter()
            .map(|item| match item {
                Value::Signed(number) => Ok(*number),
                Value::Unsigned(number) => i64::try_from(*number).map_err(|_| self.lacks(key)),
                _ => Err(self.lacks(key)),
            })
            .collect()
    }

    /// The directory entry of the tensor `name`.
    pub(crate) fn tensor(&self, name: &str) -> Result<Tensor, ModelError> {
        self.tensors.get(name).cloned().ok_or_else(|| self.unsupported(format!("it has no tensor `{name}`")))
    }

    /// Reads `length` bytes of `tensor`; errors when they reach beyond the end of the file.
    pub(crate) fn bytes(&mut self, tensor: &Tensor, length: u64) -> Result<Vec<u8>, ModelError> {
        let start = self.data_start.checked_add(tensor.offset);
        let end = start.and_then(|start| start.checked_add(length));
        let (Some(start), Some(end)) = (start, end) else { return Err(self.malformed("a tensor's offset")) };
        if end > self.size_bytes {
            return Err(self.malformed("a tensor reaches beyond the end of the file"));
        }
        self.file.seek(SeekFrom::Start(start)).map_err(|source| self.read_error(source))?;
        self.take(length)
    }

    /// An error saying that the model is sound but not for this crate.
    pub(crate) fn unsupported(&self, detail: impl Into<String>) -> ModelError {
        ModelError::Unsupported { path: self.path.clone(), detail: detail.into() }
    }

    /// An error saying that the file is damaged.
    pub(crate) fn malformed(&self, detail: impl Into<String>) -> ModelError {
        ModelError::Malformed { path: self.path.clone(), detail: detail.into() }
    }

    fn lacks(&self, key: &str) -> ModelError {
        self.unsupported(format!("its metadata has no usable `{key}`"))
    }

    fn read_error(&self, source: std::io::Error) -> ModelError {
        if source.kind() == std::io::ErrorKind::UnexpectedEof {
            self.malformed("it ends too early")
        } else {
            ModelError::Read { path: self.path.clone(), source }
        }
    }

    fn read_directory(&mut self) -> Result<(), ModelError> {
        if self.take(4)? != b"GGUF" {
            return Err(self.malformed("it does not begin with `GGUF`"));
        }
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(self.unsupported(format!("its GGUF version is {version}, not 2 or 3")));
        }
        let tensors = self.u64()?;
        let values = self.u64()?;
        for _ in 0..values {
            let key = self.key()?;
            let kind = self.u32()?;
            let value = self.value(kind, 0)?;
            self.values.insert(key, value);
        }
        for _ in 0..tensors {
            let name = self.key()?;
            let tensor = self.tensor_entry()?;
            self.tensors.insert(name, tensor);
        }
        self.find_data_start()
    }

    fn find_data_start(&mut self) -> Result<(), ModelError> {
        let alignment = match self.values.get("general.alignment") {
            None => 32,
            Some(Value::Unsigned(number)) if number.is_power_of_two() && *number <= 1 << 16 => *number,
            Some(_) => return Err(self.malformed("its alignment")),
        };
        let end = self.file.stream_position().map_err(|source| self.read_error(source))?;
        self.data_start = end.next_multiple_of(alignment);
        Ok(())
    }

    fn tensor_entry(&mut self) -> Result<Tensor, ModelError> {
        let dimensions = self.u32()?;
        if dimensions > 4 {
            return Err(self.malformed("a tensor of more than four dimensions"));
        }
        let sizes = (0..dimensions).map(|_| self.u64()).collect::<Result<_, _>>()?;
        Ok(Tensor { sizes, format: self.u32()?, offset: self.u64()? })
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<Value, ModelError> {
        Ok(match kind {
            0 => Value::Unsigned(u64::from(self.array::<1>()?[0])),
            1 => Value::Signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Unsigned(u64::from(u16::from_le_bytes(self.array()?))),
            3 => Value::Signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Unsigned(u64::from(self.u32()?)),
            5 => Value::Signed(i64::from(i32::from_le_bytes(self.array()?))),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array()?))),
            7 => Value::Bool(self.array::<1>()?[0] != 0),
            8 => Value::Text(self.text_bytes()?),
            9 if depth < 2 => self.list(depth)?,
            10 => Value::Unsigned(self.u64()?),
            11 => Value::Signed(i64::from_le_bytes(self.array()?)),
            12 => Value::Float(f64::from_le_bytes(self.array()?)),
            _ => return Err(self.malformed(format!("a value of unknown kind {kind}"))),
        })
    }

    fn list(&mut self, depth: u32) -> Result<Value, ModelError> {
        let kind = self.u32()?;
        let count = self.u64()?;
        if count > self.size_bytes {
            return Err(self.malformed("a list longer than the file"));
        }
        (0..count).map(|_| self.value(kind, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
    }

    fn key(&mut self) -> Result<String, ModelError> {
        let bytes = self.text_bytes()?;
        String::from_utf8(bytes).map_err(|_| self.malformed("a name that is not UTF-8"))
    }

    fn text_bytes(&mut self) -> Result<Vec<u8>, ModelError> {
        let length = self.u64()?;
        self.take(length)
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }

    fn take(&mut self, length: u64) -> Result<Vec<u8>, ModelError> {
        if length > self.size_bytes {
            return Err(self.malformed("a length beyond the end of the file"));
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(|source| self.read_error(source))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &mut Vec<u8>, text: &str) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }

    /// One number, one list, one tensor of four floats.
    fn sample() -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3u32.to_le_bytes());
        bytes.extend(1u64.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        text(&mut bytes, "answer");
        bytes.extend(4u32.to_le_bytes());
        bytes.extend(42u32.to_le_bytes());
        text(&mut bytes, "names");
        bytes.extend([9u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
        bytes.extend(2u64.to_le_bytes());
        text(&mut bytes, "a");
        text(&mut bytes, "b");
        text(&mut bytes, "t");
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(4u64.to_le_bytes());
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend([1f32, 2., 3., 4.].map(f32::to_le_bytes).concat());
        bytes
    }

    fn open(bytes: &[u8], name: &str) -> Result<Gguf, ModelError> {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("model-gguf-{}-{name}", std::process::id()));
        File::create(&path).unwrap().write_all(bytes).unwrap();
        let result = Gguf::open(&path);
        std::fs::remove_file(&path).unwrap();
        result
    }

    #[test]
    fn values_lists_and_tensors_are_found() {
        let mut gguf = open(&sample(), "found").unwrap();
        assert_eq!(gguf.number("answer").unwrap(), 42);
        assert_eq!(gguf.texts("names").unwrap(), [b"a", b"b"]);
        let tensor = gguf.tensor("t").unwrap();
        assert_eq!(tensor.sizes, [4]);
        assert_eq!(gguf.bytes(&tensor, 16).unwrap()[4..8], 2f32.to_le_bytes());
        assert!(gguf.number("other").unwrap_err().to_string().contains("`other`"));
    }

    #[test]
    fn a_file_cut_anywhere_in_its_directory_is_refused() {
        let whole = sample();
        for length in 0..whole.len() - 48 {
            assert!(open(&whole[..length], "cut").is_err(), "cut at {length} was accepted");
        }
    }

    #[test]
    fn a_tensor_beyond_the_end_is_refused() {
        let whole = sample();
        let mut gguf = open(&whole[..whole.len() - 1], "tail").unwrap();
        let tensor = gguf.tensor("t").unwrap();
        assert!(gguf.bytes(&tensor, 16).is_err());
    }

    #[test]
    fn a_huge_length_is_refused_before_it_is_allocated() {
        let mut bytes = sample();
        bytes[24..32].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(open(&bytes, "huge"), Err(ModelError::Malformed { .. })));
    }
}
