//! Uploads on their way: a part of a request becomes a temporary file, until a mutation takes it or the request ends.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::{Files, format};
use crate::error::{Error, Result};

/// An upload on its way; its bytes go when it is dropped.
#[derive(Debug)]
pub struct Staged {
    file: std::fs::File,
    name: String,
    size: u64,
}

/// An upload whose bytes are still coming.
pub struct Staging {
    file: tokio::fs::File,
    name: String,
    size: u64,
}

impl Files {
    /// Begins to keep an upload; `name` is what the client calls it.
    pub fn stage(&self, name: &str) -> Result<Staging> {
        let file = tempfile::tempfile_in(&self.staging).map_err(Error::unavailable)?;
        Ok(Staging { file: tokio::fs::File::from_std(file), name: name.to_owned(), size: 0 })
    }
}

impl Staging {
    /// Keeps the next bytes.
    pub async fn write(&mut self, bytes: &Bytes) -> Result<()> {
        self.size += bytes.len() as u64;
        self.file.write_all(bytes).await.map_err(Error::unavailable)
    }

    /// All bytes have come.
    pub async fn finish(mut self) -> Result<Staged> {
        self.file.flush().await.map_err(Error::unavailable)?;
        Ok(Staged { file: self.file.into_std().await, name: self.name, size: self.size })
    }
}

impl Staged {
    /// The name that the client gave.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes with their media type, or why they are not taken. Read and checked off the thread that serves others.
    pub async fn checked(&self) -> Result<(Bytes, &'static str)> {
        let mut file = self.file.try_clone().map_err(Error::unavailable)?;
        let name = self.name.clone();
        let check = move || {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(Error::unavailable)?;
            let media_type = format::check(&name, &bytes)?;
            Ok((Bytes::from(bytes), media_type))
        };
        tokio::task::spawn_blocking(check).await.map_err(Error::internal)?
    }
}
