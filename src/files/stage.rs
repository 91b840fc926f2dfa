//! Uploads on their way: a part of a request becomes a temporary file, until a mutation takes it or the request ends.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWriteExt;

use super::{Files, format::TAKEN};
use crate::error::{Detail, Error, Kind, Result};

/// An upload on its way; its bytes go when it is dropped.
#[derive(Debug)]
pub struct Staged {
    file: std::fs::File,
    name: String,
    size: u64,
}

impl Files {
    /// Keeps the bytes of `part` until the answer is dropped. An error of kind `Invalid` if there are more than `most`.
    pub async fn stage<S, E>(&self, name: &str, mut part: S, most: u64) -> Result<Staged>
    where
        S: Stream<Item = std::result::Result<Bytes, E>> + Unpin,
        E: Into<Error>,
    {
        let file = tempfile::tempfile_in(&self.staging).map_err(Error::unavailable)?;
        let mut writing = tokio::fs::File::from_std(file.try_clone().map_err(Error::unavailable)?);
        let mut size = 0_u64;
        while let Some(chunk) = part.next().await {
            let chunk = chunk.map_err(Into::into)?;
            size += chunk.len() as u64;
            if size > most {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("The file is larger than {} MiB. Nothing of it was kept.", most >> 20),
                )
                .with(Detail::File { expected: TAKEN, detected: None }));
            }
            writing.write_all(&chunk).await.map_err(Error::unavailable)?;
        }
        writing.flush().await.map_err(Error::unavailable)?;
        Ok(Staged { file, name: name.to_owned(), size })
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

    /// The bytes.
    pub async fn bytes(&self) -> Result<Bytes> {
        let mut file = self.file.try_clone().map_err(Error::unavailable)?;
        let read = move || -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(0))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?;
        bytes.map(Bytes::from).map_err(Error::unavailable)
    }
}
