//! What directories hold. No row says that there is a directory: it is implied by the paths of files.
//!
//! A list of a directory's own entries skips from one to the next: after the first file below `a/`, it goes on at `a0`, however
//! many there are. So a page costs as many look-ups as it has entries.

use chrono::{DateTime, Utc};
use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use super::{
    Conn, dialect,
    file::{columns, joined},
    list::{OWNERS, push_in},
    sql,
};
use crate::{
    error::Result,
    model::{
        file::{AreaUsage, Directory, Entry, File, FileArea, below},
        id::ProjectId,
        page::{Key, ListId, Page, PageRequest, Take},
        scope::Viewer,
    },
};

/// Whose entries a list holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder {
    /// Of which project.
    pub project_id: ProjectId,
    /// In which area.
    pub area: FileArea,
    /// Its path; empty for the area itself.
    pub path: String,
    /// All files below it, in place of its own files and directories.
    pub recursive: bool,
}

/// The list that a page of a directory is of.
pub fn list_id(viewer: &Viewer, folder: &Folder) -> ListId {
    ListId::new("files", &(viewer.user_id(), folder))
}

/// An entry's place in its list.
pub fn key(entry: &Entry) -> Key {
    // No two entries have the same place, so nothing has to break ties.
    Key { sort: entry.place(), id: Uuid::nil() }
}

/// Which paths a page looks at.
struct Span {
    start: String,
    end: Option<String>,
    descending: bool,
}

impl Span {
    fn of(folder: &Folder, request: Option<&PageRequest<Key>>) -> Self {
        let (mut start, mut end) = below(&folder.path);
        if let Some(key) = request.and_then(|request| request.after.as_ref()) {
            let beyond = match key.sort.strip_suffix('/') {
                Some(directory) => below(directory).1.unwrap_or_default(),
                // No character of a path comes before the space.
                None => format!("{} ", key.sort),
            };
            start = start.max(beyond);
        }
        if let Some(key) = request.and_then(|request| request.before.as_ref()) {
            end = Some(end.map_or_else(|| key.sort.clone(), |end| end.min(key.sort.clone())));
        }
        Self { start, end, descending: request.is_some_and(|request| request.take == Take::Last) }
    }

    fn direction(&self) -> &'static str {
        if self.descending { " desc" } else { " asc" }
    }

    /// Adds the bounds, to a query that has come to its conditions.
    fn push<DB: Database>(&self, query: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        self.push_start(query);
        self.push_end(query);
    }

    fn push_start<DB: Database>(&self, query: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        query.push(" and path >= ").push_bind(self.start.clone());
    }

    fn push_end<DB: Database>(&self, query: &mut QueryBuilder<DB>)
    where
        String: for<'q> Encode<'q, DB> + Type<DB>,
    {
        if let Some(end) = &self.end {
            query.push(" and path < ").push_bind(end.clone());
        }
    }
}

/// Adds a common table `scan` of at most `most` rows: the path found first in each of the folder's entries, and its place.
fn push_scan<DB>(query: &mut QueryBuilder<DB>, viewer: &Viewer, folder: &Folder, span: &Span, position: &str, most: i64)
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
    FileArea: for<'q> Encode<'q, DB> + Type<DB>,
    Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let slash = slash(folder, position);
    let start = begin(folder);
    let look = |query: &mut QueryBuilder<DB>| {
        query.push("(select path from file where project_id = ").push_bind(folder.project_id.0);
        query.push(" and area = ").push_bind(folder.area);
    };
    let end = |query: &mut QueryBuilder<DB>| {
        query.push(" order by path").push(span.direction()).push(" limit 1)");
    };
    query.push("with recursive scan (found, place) as (select ");
    look(query);
    span.push(query);
    end(query);
    query.push(", 1 where exists (select 1 from project where project.id = ").push_bind(folder.project_id.0);
    query.push(" and user_id = ").push_bind(viewer.user_id().0).push(" and deleting_at is null) union all select ");
    look(query);
    // The next entry is beyond a file, or beyond all that is below a directory. That is the only bound on its side: of two, SQLite
    // would look up the first and read on to the second.
    if span.descending {
        span.push_start(query);
    } else {
        span.push_end(query);
    }
    let (directory, file, comparison) = if span.descending { ("/", "", " < ") } else { ("0", " ", " >= ") };
    query.push(format!(
        " and path{comparison}case when {slash} > 0 then substr(found, 1, {start} + {slash} - 1) || '{directory}' \
        else found || '{file}' end"
    ));
    end(query);
    query.push(", place + 1 from scan where found is not null and place < ").push_bind(most).push(") ");
}

/// How many characters come before the names of a folder's entries.
fn begin(folder: &Folder) -> usize {
    if folder.path.is_empty() { 0 } else { folder.path.chars().count() + 1 }
}

/// At which character after those a found path leads into a directory; 0 if it is an entry itself.
fn slash(folder: &Folder, position: &str) -> String {
    format!("{position}(substr(found, {}), '/')", begin(folder) + 1)
}

/// A page of a directory: its own files and directories, or all files below it, by path.
pub async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    folder: &Folder,
    request: &PageRequest<Key>,
) -> Result<Page<Entry>> {
    let span = Span::of(folder, Some(request));
    let rows = if folder.recursive {
        files(conn, viewer, folder, &span, request.size + 1).await?
    } else {
        entries(conn, viewer, folder, &span, request.size + 1).await?
    };
    Ok(request.page(rows))
}

async fn files(conn: &mut Conn, viewer: &Viewer, folder: &Folder, span: &Span, most: i64) -> Result<Vec<Entry>> {
    let rows: Vec<File> = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), joined!(), "where file.project_id = "));
        query.push_bind(folder.project_id).push(" and project.user_id = ").push_bind(viewer.user_id());
        query.push(" and file.area = ").push_bind(folder.area);
        span.push(&mut query);
        query.push(" order by path").push(span.direction()).push(" limit ").push_bind(most);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Entry::File).collect())
}

async fn entries(conn: &mut Conn, viewer: &Viewer, folder: &Folder, span: &Span, most: i64) -> Result<Vec<Entry>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        directory: Option<String>,
        #[sqlx(flatten)]
        file: File,
    }
    let position = dialect::position(conn);
    let (slash, start) = (slash(folder, position), begin(folder));
    let rows: Vec<Row> = sql!(conn, c => {
        let mut query = QueryBuilder::new("");
        push_scan(&mut query, viewer, folder, span, position, most);
        query.push(format!("select case when {slash} > 0 then substr(found, 1, {start} + {slash} - 1) end as directory, "));
        // SQLite keeps the order of a cross join: it would rather begin with all files of the project.
        query.push(concat!(columns!(), " from scan cross join file cross join file_version where file.project_id = "));
        query.push_bind(folder.project_id).push(" and file.area = ").push_bind(folder.area);
        query.push(" and file.path = found and file_version.version_id = file.version_id order by place");
        query.build_query_as().fetch_all(c).await
    })?;
    let entry = |Row { directory, file }| match directory {
        Some(path) => {
            Entry::Directory(Directory { project_id: file.project_id, area: file.area, path, met_at: file.modified_at })
        }
        None => Entry::File(file),
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// How many entries the whole list has.
pub async fn count(conn: &mut Conn, viewer: &Viewer, folder: &Folder) -> Result<u64> {
    let span = Span::of(folder, None);
    let position = dialect::position(conn);
    let count: i64 = sql!(conn, c => {
        let mut query = QueryBuilder::new("");
        if folder.recursive {
            query.push("select count(*) from file join project on project.id = project_id and deleting_at is null");
            query.push(" where user_id = ").push_bind(viewer.user_id());
            query.push(" and project_id = ").push_bind(folder.project_id).push(" and area = ").push_bind(folder.area);
            span.push(&mut query);
        } else {
            push_scan(&mut query, viewer, folder, &span, position, i64::MAX);
            query.push("select count(found) from scan");
        }
        query.build_query_scalar().fetch_one(c).await
    })?;
    Ok(count.unsigned_abs())
}

/// When the newest file below each of these directories came, a hundred directories in one statement.
pub async fn newest(conn: &mut Conn, viewer: &Viewer, directories: &[Folder]) -> Result<Vec<Option<DateTime<Utc>>>> {
    let mut times = Vec::with_capacity(directories.len());
    for directories in directories.chunks(OWNERS) {
        times.extend(sql!(conn, c => {
            let mut query = QueryBuilder::new("select newest from (");
            for (place, directory) in directories.iter().enumerate() {
                query.push(if place == 0 { "select " } else { " union all select " });
                query.push(place).push(" as place, max(modified_at) as newest from file");
                query.push(" join project on project.id = project_id and deleting_at is null");
                query.push(" where user_id = ").push_bind(viewer.user_id());
                query.push(" and project_id = ").push_bind(directory.project_id);
                query.push(" and area = ").push_bind(directory.area);
                Span::of(directory, None).push(&mut query);
            }
            query.push(") as times order by place");
            query.build_query_scalar::<Option<DateTime<Utc>>>().fetch_all(c).await
        })?);
    }
    Ok(times)
}

/// What the areas of these projects hold; an area with nothing in it is not there.
pub async fn usage(conn: &mut Conn, viewer: &Viewer, projects: &[ProjectId]) -> Result<Vec<AreaUsage>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(
            "select kept.project_id, kept.area, count(*) as file_count, cast(sum(size) as bigint) as bytes from (\
            select project_id, area, version_id from file union all \
            select project_id, 'artifacts', version_id from artifact) as kept \
            join file_version on file_version.version_id = kept.version_id \
            join project on project.id = kept.project_id and deleting_at is null where user_id = ");
        query.push_bind(viewer.user_id()).push(" and ");
        push_in(&mut query, "kept.project_id", projects.iter().copied());
        query.push(" group by kept.project_id, kept.area");
        query.build_query_as().fetch_all(c).await
    })?)
}
