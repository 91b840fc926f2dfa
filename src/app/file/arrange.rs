//! How files are arranged: moved and deleted, alone or by the directory. Only rows change; contents stay as they are.

use futures_util::FutureExt;

use super::changeable;
use crate::{
    app::{App, open},
    clock,
    error::{Error, Result},
    model::{
        file::{self, Directory, Entry, FileArea, MAX_PATH},
        id::{FileId, ProjectId},
        scope::Viewer,
    },
    store,
};

/// The most paths that are deleted at once.
const MAX_DELETED: usize = 100;

/// A move, as it is asked for.
#[derive(Clone, Debug)]
pub struct MoveFile {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area; files stay in theirs.
    pub area: FileArea,
    /// From where.
    pub path: String,
    /// To where.
    pub to: String,
    /// It is a directory, with all that is below it.
    pub recursive: bool,
}

/// What was moved.
#[derive(Clone, Debug)]
pub struct Moved {
    /// What stands at the new path.
    pub entry: Entry,
    /// How many files.
    pub count: u64,
}

/// Moves a file, or a whole directory.
pub async fn move_file(app: &App, viewer: Viewer, input: MoveFile) -> Result<Moved> {
    let MoveFile { project_id, area, path, to, recursive } = input;
    changeable(area)?;
    let checked = |text: &str, name: &'static str| {
        let path = if recursive { text.strip_suffix('/').unwrap_or(text) } else { text };
        file::path(path).map_err(|error| error.at(["input", name]))
    };
    let (path, to) = (checked(&path, "path")?, checked(&to, "to")?);
    if recursive && format!("{to}/").starts_with(&format!("{path}/")) {
        return Err(Error::invalid("A directory cannot be moved into itself.").at(["input", "to"]));
    }
    app.store
        .write(move |tx| {
            async move {
                let opened = open(tx, &viewer, project_id).await;
                let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
                let occupied = || Error::conflict("There is something at the new path already.").at(["input", "to"]);
                if recursive {
                    let absent = || Error::not_found("directory").at(["input", "path"]);
                    let longest = store::file::longest_below(tx, &scope, area, &path).await?.ok_or_else(absent)?;
                    let longest = usize::try_from(longest).unwrap_or_default() - path.len() + to.len();
                    if longest > MAX_PATH {
                        let why = Error::invalid("The path of a file below it would become longer than 1,024 bytes.");
                        return Err(why.at(["input", "to"]));
                    }
                    let is_there = store::file::at(tx, &scope, area, &to).await?.is_some()
                        || store::file::longest_below(tx, &scope, area, &to).await?.is_some();
                    if is_there {
                        return Err(occupied());
                    }
                    let moved = store::file::rename_below(tx, &scope, area, &path, &to).await;
                    let count = moved.map_err(|error| error.at(["input", "to"]))?;
                    let directory = Directory { project_id, area, path: to, met_at: clock::now() };
                    return Ok(Moved { entry: Entry::Directory(directory), count });
                }
                if store::file::at(tx, &scope, area, &path).await?.is_none() {
                    return Err(absent_file().at(["input", "path"]));
                }
                if store::file::at(tx, &scope, area, &to).await?.is_some() {
                    return Err(occupied());
                }
                let moved = store::file::rename(tx, &scope, area, &path, &to).await;
                moved.map_err(|error| error.at(["input", "to"]))?;
                let moved = store::file::at(tx, &scope, area, &to).await?;
                let moved = moved.ok_or_else(|| absent_file().at(["input", "path"]))?;
                Ok(Moved { entry: Entry::File(moved), count: 1 })
            }
            .boxed()
        })
        .await
}

/// Foreign and invented paths give the same words, and so does a directory.
fn absent_file() -> Error {
    Error::new(
        crate::error::Kind::NotFound,
        format!("There is no such {}. A directory is meant by `recursive: true`.", FileId::NOUN),
    )
}

/// A deletion, as it is asked for.
#[derive(Clone, Debug)]
pub struct DeleteFiles {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area.
    pub area: FileArea,
    /// What.
    pub paths: Vec<String>,
    /// All that is below each path as well.
    pub recursive: bool,
}

/// What became of one path: how many files were deleted, or why none was.
pub type Deleted = (String, Result<u64>);

/// Deletes files, each with its own result, all in one unit. What runs were given and what they saved stays.
pub async fn delete(app: &App, viewer: Viewer, input: DeleteFiles) -> Result<Vec<Deleted>> {
    let DeleteFiles { project_id, area, paths, recursive } = input;
    changeable(area)?;
    if !(1..=MAX_DELETED).contains(&paths.len()) {
        return Err(Error::invalid(format!("Name 1 to {MAX_DELETED} paths at once.")).at(["input", "paths"]));
    }
    app.store
        .write(move |tx| {
            async move {
                let opened = open(tx, &viewer, project_id).await;
                let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
                let mut results = Vec::with_capacity(paths.len());
                for (index, asked) in paths.into_iter().enumerate() {
                    let at = ["input".to_owned(), "paths".into(), index.to_string()];
                    let checked = if recursive { file::directory(&asked) } else { file::path(&asked) };
                    let path = match checked {
                        // The area itself is not a directory to be deleted by leaving something out.
                        Ok(path) if !path.is_empty() => path,
                        Ok(_) => {
                            results.push((asked, Err(Error::invalid("This path is not taken: it is empty.").at(at))));
                            continue;
                        }
                        Err(error) => {
                            results.push((asked, Err(error.at(at))));
                            continue;
                        }
                    };
                    let mut count = u64::from(store::file::remove(tx, &scope, area, &path).await?);
                    if recursive {
                        count += store::file::remove_below(tx, &scope, area, &path).await?;
                    }
                    let result = match count {
                        0 if recursive => Err(Error::not_found("file or directory").at(at)),
                        0 => Err(absent_file().at(at)),
                        count => Ok(count),
                    };
                    results.push((asked, result));
                }
                Ok(results)
            }
            .boxed()
        })
        .await
}
